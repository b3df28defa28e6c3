#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "pipeline/report/html.hpp"
#include "pipeline/report/pages.hpp"
#include "pipeline/report/prediction_parts.hpp"
#include "pipeline/report/web_bundle.hpp"
#include "pipeline/store/example_cohort.hpp"
#include "pipeline/store/merge.hpp"
#include "pipeline/store/shard.hpp"
#include "pipeline/store/test_folder.hpp"

namespace boldmill::report {
namespace {

namespace fs = std::filesystem;

bool holds(const std::string& text, const std::string& words) {
  return text.find(words) != std::string::npos;
}

std::size_t count(const std::string& text, const std::string& words) {
  std::size_t n = 0;
  for (std::size_t at = text.find(words); at != std::string::npos; at = text.find(words, at + 1))
    ++n;
  return n;
}

// A cohort of `n` people with results, as the group level leaves it.
fs::path example_cohort(const store::TestFolder& folder, int n,
                        const std::vector<store::GroupRecord>& groups = {}) {
  const auto header = store::example::header();
  std::vector<fs::path> shards;
  for (int i = 1; i <= n; ++i) {
    const auto person = store::example::person(i, header);
    fs::path shard = folder.path() / person.participant_id;
    if (!person.session_id.empty()) shard /= person.session_id;
    shard /=
        person.participant_id + (person.session_id.empty() ? "" : "_" + person.session_id) + ".h5";
    store::write_shard(shard, header, person);
    shards.push_back(shard);
  }
  const fs::path file = folder.path() / "cohort.h5", part = folder.path() / "cohort.h5.part";
  (void)store::merge_shards(shards, part, {"boldmill bids out group", {}}, {});
  auto results = store::example::results(static_cast<std::size_t>(n), header);
  if (!groups.empty()) results.groups = groups;
  store::write_cohort_results(part, results);
  store::publish(part, file);
  return file;
}

// What a browser takes for markup: the text without data blocks and the script.
std::string without_scripts(std::string html) {
  for (std::size_t begin = html.find("<script"); begin != std::string::npos;
       begin = html.find("<script", begin)) {
    html.erase(begin, html.find("</script>", begin) + 9 - begin);
  }
  return html;
}

TEST(Html, DataCannotEndItsBlock) {
  const Json hostile{{"</script><b>", "\xe2\x80\xa8&<!--"}};
  const std::string text = inert_json(hostile);
  for (const char* bad : {"<", ">", "&", "\xe2\x80\xa8"}) EXPECT_FALSE(holds(text, bad)) << text;
  EXPECT_EQ(Json::parse(text), hostile);
  EXPECT_EQ(inert_json(Json(NAN)), "null");
}

TEST(Html, TableCellsAndLinksAreEscaped) {
  Table table("a<b", {{"<i>", "\"quoted\""}});
  table.row({{"<img src=x>", "./\"><script>"}}, "\"x", "'y");
  const std::string html = table.html();
  for (const char* bad : {"<i>", "<img", "<script", "\"quoted\"", "class=\"\"x"})
    EXPECT_FALSE(holds(html, bad)) << bad << html;
}

TEST(Html, TextBetweenBackticksIsCodeAndStaysEscaped) {
  Page page;
  page.paragraph("see `config explain <b>` and ` alone");
  page.folded("thresholds (`gates`)", Table("t", {{"a", ""}}));
  const std::string html = page.document("", "", "");
  EXPECT_TRUE(holds(html, "<p>see <code>config explain &lt;b&gt;</code> and ` alone</p>"));
  EXPECT_TRUE(holds(html, "<summary>thresholds (<code>gates</code>)</summary>"));
}

TEST(Pages, WhatIsSaidOfARunThatIsOkIsANote) {
  store::RunRecord run;
  run.status = "ok";
  EXPECT_EQ(said_of(run), "");
  run.reason = "distortion not corrected";
  EXPECT_EQ(said_of(run), "note: distortion not corrected");
  run.status = "warning";
  EXPECT_EQ(said_of(run), "distortion not corrected");
}

TEST(Pages, CohortPageHoldsEveryRunAndLinksIt) {
  const store::TestFolder folder;
  const store::CohortReader cohort(example_cohort(folder, 6));
  const ReportInfo info{"0.1.0", "</title><script>alert(1)</script>", "", {}};
  const auto written = write_pages(folder.path(), cohort, info);
  EXPECT_EQ(written.size(), 7U);
  const std::string html = folder.bytes("index.html");
  for (const auto& run : cohort.runs().run) {
    EXPECT_TRUE(holds(html, "#run-" + run.run_id + "\">" + run.run_id + "</a>")) << run.run_id;
  }
  EXPECT_TRUE(holds(html, "4 people, expected at least 30"));
  EXPECT_TRUE(holds(html, "Not a medical device"));
  EXPECT_TRUE(holds(html, "default-src 'none'"));
  EXPECT_TRUE(holds(html, "-0.100 to 0.300")) << "interval of r2";
  EXPECT_TRUE(holds(html, "for 1 the model abstains, and their numbers are not to be used (1 for "
                          "want of measures)."));
  const std::string last = folder.bytes(cohort.participants().participant_id.back() + ".html");
  EXPECT_TRUE(holds(last, "no: no measure is &lt;present&gt;"));
  for (const fs::path& file : written)
    EXPECT_LT(fs::file_size(folder.path() / file), 6'000'000U) << file;
}

// k = 2 and 3 tested; three tables without clusters.
store::GroupRecord example_biotypes() {
  store::GroupRecord out{.path = "biotypes", .fitted_on = "whole_cohort"};
  out.axes = {
      {"k_tested", 2, {}, {2, 3}}, {"stability_table", 3, {}, {}}, {"repetition", 3, {}, {}}};
  const auto add = [&out](store::NamedArray array) { out.arrays.push_back(std::move(array)); };
  add({.name = "verdict_in_words", .text = {"a continuum <b>fits</b> as well"}, .is_text = true});
  add({.name = "n_people", .number = {6.0}});
  add({.name = "p", .number = {0.75}});
  add({.name = "silhouette_standardised", .axes = {"k_tested"}, .number = {0.4, 0.625}});
  add({.name = "ari_resampling", .axes = {"k_tested"}, .number = {0.51, 0.52}});
  add({.name = "ari_resampling_null",
       .axes = {"stability_table", "k_tested"},
       .number = {0.1, 0.61, 0.2, 0.62, 0.3, 0.63}});
  add({.name = "p_ari_resampling", .axes = {"k_tested"}, .number = {0.25, 1.0}});
  add({.name = "null_largest", .axes = {"repetition"}, .number = {0.5, 1.5, 2.5}});
  return out;
}

TEST(Pages, EveryBiotypeStatisticStandsBesideItsNull) {
  const store::TestFolder folder;
  const store::CohortReader cohort(example_cohort(folder, 6, {example_biotypes()}));
  (void)write_pages(folder.path(), cohort, {"0.1.0", "study", "", {}});
  const std::string html = without_scripts(folder.bytes("index.html"));
  EXPECT_TRUE(holds(html, "a continuum &lt;b&gt;fits&lt;/b&gt; as well. p = 0.750"));
  EXPECT_TRUE(
      holds(html, "0.510</td><td class=\"n\">0.200 (0.150 to 0.250)</td><td class=\"n\">0.250<"));
  EXPECT_TRUE(
      holds(html, "0.520</td><td class=\"n\">0.620 (0.615 to 0.625)</td><td class=\"n\">1.000<"));
  EXPECT_TRUE(holds(html, "0.625</td><td class=\"n\">3</td><td class=\"n\">1.500<"))
      << "the one declared test";
}

// Site A lies 1 pooled SD above, of which 0.9 is taken off, and has three times the SD, of which 2
// is divided out: (1 - 0.9) / 2 = 0.05 and 3 / 2 = 1.5 stay. Site B is left as it is.
TEST(Pages, HarmonisationShowsWhatIsLeftOfASite) {
  const store::TestFolder folder;
  store::GroupRecord group{.path = "harmonization"};
  group.settings = {{"batch_column", "site"}};
  group.axes = {{"column", 2, {"ic.D1D2", "constant"}, {}}, {"batch", 2, {"A <b>", "B"}, {}}};
  const auto add = [&group](const char* name, std::vector<std::string> axes,
                            std::vector<double> values) {
    group.arrays.push_back({.name = name, .axes = std::move(axes), .number = std::move(values)});
  };
  add("n_rows", {"batch"}, {4, 2});
  add("pooled_sd", {"column"}, {0.25, 0.0});
  add("location", {"batch", "column"}, {0.9, 0.0, 0.0, 0.0});
  add("location_unshrunk", {"batch", "column"}, {1.0, 7.0, -0.5, 7.0});
  add("scale", {"batch", "column"}, {4.0, 1.0, 1.0, 1.0});
  add("scale_unshrunk", {"batch", "column"}, {9.0, 1.0, 1.0, 1.0});
  const store::CohortReader cohort(example_cohort(folder, 6, {group}));
  (void)write_pages(folder.path(), cohort, {"0.1.0", "", "", {}});
  const std::string html = without_scripts(folder.bytes("index.html"));
  const std::string n = "</td><td class=\"n\">";
  EXPECT_TRUE(holds(html, "<td>A &lt;b&gt;" + n + "4" + n + "1.00" + n + "0.05" + n + "3.00" + n +
                              "1.50<"));
  EXPECT_TRUE(holds(html, "<td>B" + n + "2" + n + "0.50" + n + "0.50" + n + "1.00" + n + "1.00<"));
}

// Of six people and three measures; the first two made the norm, the fourth is too old for it.
store::GroupRecord norm_of(const std::vector<double>& z, const std::vector<double>& centile) {
  const std::vector<std::string> axes{"row", "measure"};
  store::GroupRecord group{.path = "norms", .fitted_on = "whole_cohort"};
  group.arrays = {{.name = "z", .axes = axes, .number = z},
                  {.name = "centile", .axes = axes, .number = centile},
                  {.name = "z_se", .axes = axes, .number = z},
                  {.name = "expected", .axes = axes, .number = z},
                  {.name = "in_reference", .axes = {"row"}, .number = {1, 1, 0, 0, 0, 0}},
                  {.name = "age_outside", .axes = {"row"}, .number = {0, 0, 0, 1, 0, 0}},
                  {.name = "new_site", .axes = {"row"}, .number = {0, 0, 0, 0, 0, 0}}};
  return group;
}

// Rows 0 and 1 made the norm of the first measure: one of two lies beyond 1.96, RMS sqrt(2.5).
TEST(Pages, NormsStandBesideThoseWhoMadeThem) {
  const store::TestFolder folder;
  std::vector<double> z(18, NAN), centile(18, NAN);
  z[0] = 2.0, z[3] = -1.0, z[9] = -3.0;
  centile[0] = 0.97725, centile[3] = 0.15866, centile[9] = 0.00135;
  const store::CohortReader cohort(example_cohort(folder, 6, {norm_of(z, centile)}));
  (void)write_pages(folder.path(), cohort, {"0.1.0", "", "", {}});
  const std::string html = without_scripts(folder.bytes("index.html"));
  const std::string n = "</td><td class=\"n\">";
  EXPECT_TRUE(holds(html, "<td>ic.D1D2" + n + "2" + n + "50.0" + n + "1.58" + n + "1" + n +
                              "100.0" + n + "-3.00<"));
  EXPECT_TRUE(holds(html, "2 healthy people made the norm; 50.0 % of their values"));
  const std::string person = without_scripts(folder.bytes("sub-0004.html"));
  EXPECT_TRUE(holds(person, "<td>ic.D1D2" + n + "-3.00"));
  EXPECT_TRUE(holds(person, "1 of 1 measures lie beyond 1.96"));
  EXPECT_TRUE(holds(person, "Outside the ages of the healthy people"));
  EXPECT_TRUE(holds(without_scripts(folder.bytes("sub-0001.html")), "The norm was learned from"));
  EXPECT_TRUE(holds(without_scripts(folder.bytes("sub-0002.html")), "beyond 1.96"));
  EXPECT_TRUE(
      holds(without_scripts(folder.bytes("sub-0005.html")), "No measure of this session has"));
}

// What those who made the norm are judged by is not their own z: -2.5 and 0.5, RMS sqrt(3.25).
TEST(Pages, NormsAreCalibratedByThoseHeldOut) {
  const store::TestFolder folder;
  std::vector<double> z(18, NAN), held_out(18, NAN);
  z[0] = 1.0, z[3] = -1.0, z[9] = -3.0;
  held_out[0] = -2.5, held_out[3] = 0.5;
  store::GroupRecord group = norm_of(z, z);
  group.settings = {{"calibration_folds", "5"}};
  group.arrays.push_back({.name = "z_held_out", .axes = {"row", "measure"}, .number = held_out});
  const store::CohortReader cohort(example_cohort(folder, 6, {group}));
  (void)write_pages(folder.path(), cohort, {"0.1.0", "", "", {}});
  const std::string html = without_scripts(folder.bytes("index.html"));
  const std::string n = "</td><td class=\"n\">";
  EXPECT_TRUE(holds(html, "<td>ic.D1D2" + n + "2" + n + "50.0" + n + "1.80" + n + "1" + n +
                              "100.0" + n + "-3.00<"));
  EXPECT_TRUE(holds(html, "dealt into 5 folds"));
  EXPECT_FALSE(holds(html, "in sample"));
  EXPECT_TRUE(holds(without_scripts(folder.bytes("sub-0001.html")), n + "-2.50<"));
  EXPECT_FALSE(holds(without_scripts(folder.bytes("sub-0004.html")), "held out"));
}

TEST(Pages, EverythingFromOutsideIsEscaped) {
  const store::TestFolder folder;
  const store::CohortReader cohort(example_cohort(folder, 6));
  const auto written =
      write_pages(folder.path(), cohort, {"0.1.0", "</title><script>alert(1)</script>", "<b>", {}});
  for (const fs::path& file : written) {
    const std::string html = folder.bytes(file.string());
    // Data blocks and one script of ours; nothing else opens one.
    EXPECT_EQ(count(html, "<script"),
              count(html, "<script type=\"application/json\">") + (page_script().empty() ? 0 : 1))
        << file;
    const std::string markup = without_scripts(html);
    for (const char* bad :
         {"<script", "<i>", "<b>/", "Gyrus \xc3\xa9 ../ <", "research <use>", "alert(1)</script"}) {
      EXPECT_FALSE(holds(markup, bad)) << bad << " in " << file;
    }
  }
  EXPECT_TRUE(holds(folder.bytes("index.html"), "&lt;/title&gt;&lt;script&gt;alert(1)"));
}

TEST(Pages, SameBytesEveryTime) {
  const store::TestFolder folder;
  const fs::path file = example_cohort(folder, 4);
  std::vector<std::string> before;
  for (int time = 0; time < 2; ++time) {
    const store::CohortReader cohort(file);
    std::size_t i = 0;
    for (const fs::path& page : write_pages(folder.path(), cohort, {"0.1.0", "", "", {}})) {
      if (time == 0)
        before.push_back(folder.bytes(page.string()));
      else
        EXPECT_TRUE(folder.bytes(page.string()) == before[i]) << page;
      ++i;
    }
  }
}

TEST(Pages, OfAShardAlone) {
  const store::TestFolder folder;
  const auto header = store::example::header();
  const fs::path shard = folder.path() / "shard.h5";
  store::write_shard(shard, header, store::example::person(1, header));
  const auto written = write_shard_pages(folder.path(), {shard}, {"0.1.0", "", "", {}});
  ASSERT_EQ(written, std::vector<fs::path>{"sub-0001.html"});
  const std::string html = folder.bytes("sub-0001.html");
  EXPECT_TRUE(holds(html, "few volumes: &lt;i&gt;12"));
  EXPECT_TRUE(holds(html, "no run of task faces")) << "why a measure is missing";
  EXPECT_FALSE(holds(html, "index.html"));
  EXPECT_FALSE(holds(html, "x0A")) << "lines of the methods text are lines";
}

TEST(Pages, PersonWithoutARunSaysSo) {
  const store::TestFolder folder;
  const store::CohortReader cohort(example_cohort(folder, 3));
  (void)write_pages(folder.path(), cohort, {"0.1.0", "", "", {}});
  EXPECT_TRUE(holds(folder.bytes("sub-0003.html"), "No run of this participant was processed."));
}

TEST(Quality, OneBadRunAmongManyIsFarOutAndComesFirst) {
  const store::TestFolder folder;
  const auto header = store::example::header();
  std::vector<fs::path> shards;
  for (int i = 1; i <= 30; ++i) {
    auto person = store::example::person(i, header);
    for (auto& run : person.runs) {
      run.status = "ok";
      run.reason = "";
      run.tsnr = i == 17 ? 4.0 : 60.0 + 0.1 * i;
    }
    shards.push_back(folder.path() / (person.participant_id + ".h5"));
    store::write_shard(shards.back(), header, person);
  }
  const fs::path file = folder.path() / "cohort.h5";
  (void)store::merge_shards(shards, folder.path() / "cohort.h5.part", {"", {}}, {});
  store::publish(folder.path() / "cohort.h5.part", file);
  const store::CohortReader cohort(file);
  const ReportInfo info{"0.1.0", "", "", {}};
  const Stored stored(cohort, info);
  Page page;
  add_first_looks(page, stored);
  const std::string html = page.document("", "", "");
  EXPECT_TRUE(holds(html, "sub-0017_ses-a_task-rest_run-1"));
  EXPECT_TRUE(holds(html, "tSNR 4.0"));
  EXPECT_EQ(count(html, "tSNR 4.0"), 2U) << "its two runs and no other";
}

class SixPeople : public testing::Test {
protected:
  store::TestFolder folder;
  store::CohortReader cohort{example_cohort(folder, 6)};
  ReportInfo info{"0.1.0", "", "", {}};
  Stored stored{cohort, info};
};

TEST_F(SixPeople, NotesOfAllRunsAreCountedOnceWithoutTheirNumbers) {
  ASSERT_GE(stored.runs.run.size(), 4U);
  for (auto& run : stored.runs.run) run.status = "ok", run.reason = "";
  for (std::size_t i = 0; i < 3; ++i) {
    stored.runs.run[i].reason =
        "a contrast of -" + std::to_string(i) + ".5 %, expected 0.50; no SliceTiming";
  }
  stored.runs.run[3].reason = "no SliceTiming";
  Page page;
  add_first_looks(page, stored);
  const std::string html = page.document("", "", "");
  EXPECT_TRUE(holds(html, "4 of " + std::to_string(stored.runs.run.size()) + " runs are ok and"));
  EXPECT_TRUE(holds(html, "<td class=\"n\">3</td><td>a contrast of -0.5 %, expected 0.50</td>"));
  EXPECT_TRUE(holds(html, "<td class=\"n\">4</td><td>no SliceTiming</td>"));
  EXPECT_FALSE(holds(html, "-1.5 %")) << "the example is the first";
  Page runs;
  add_runs(runs, stored);
  EXPECT_EQ(count(runs.document("", "", ""), "<td>2 notes</td>"), 3U);
}

TEST_F(SixPeople, ScoresThatNobodyHasAreNamedWithTheirReasonAndNotDrawn) {
  ASSERT_TRUE(stored.scores && stored.scores->value.cols() >= 2);
  const std::string name = cohort.header().score[1];
  stored.scores->value.col(1).setConstant(NAN);
  stored.scores->reason.assign(stored.people.participant_id.size(),
                               std::vector<std::string>(cohort.header().score.size()));
  for (auto& row : stored.scores->reason) row[1] = "no run of task faces";
  stored.meanings[{"score", name}] = "Negative affect, activation: mean of A and B";
  Page page;
  add_cohort_scores(page, stored);
  const std::string html = page.document("", "", "");
  EXPECT_TRUE(holds(html, "<td>" + name +
                              "</td><td class=\"t\">Negative affect, activation: mean of "
                              "A and B</td><td>everybody: no run of task faces</td>"));
  EXPECT_FALSE(holds(html, "<th scope=\"col\">" + name + "</th>"));
  EXPECT_EQ(count(html, name), 1U) << "not in the chart either";
}

TEST_F(SixPeople, WideStandardErrorsAreMarked) {
  ASSERT_TRUE(stored.scores && stored.scores->se.cols() >= 2);
  stored.scores->value.row(0).setConstant(0.2);
  stored.scores->se.row(0).setConstant(0.3);
  stored.scores->se(0, 1) = 1.7;
  Page page;
  add_profile(page, {&stored, 0, {}, nullptr});
  const std::string html = page.document("", "", "");
  EXPECT_TRUE(holds(html, "1.70 (wide)"));
  EXPECT_TRUE(holds(html, "Circuit scores: 1 of"));
  EXPECT_EQ(count(html, "\"unsure\":true"), 1U);
}

TEST(Spread, QuartilesAndFences) {
  const Spread s = spread_of({5.0, NAN, 1.0, 2.0, 4.0, 3.0});
  EXPECT_EQ(s.n, 5U);
  EXPECT_EQ(s.q1, 2.0);
  EXPECT_EQ(s.median, 3.0);
  EXPECT_EQ(s.q3, 4.0);
  EXPECT_EQ(s.low, -1.0);
  EXPECT_EQ(s.high, 7.0);
}

// Four people, worked by hand.
store::PredictionRecord four() {
  store::PredictionRecord out;
  out.class_name = {"control", "patient"};
  out.y = {0, 1, 0, 1, NAN};
  out.probability.resize(5, 2);
  out.probability.col(1) << 0.1, 0.4, 0.6, 0.9, 0.5;
  out.probability.col(0) = 1.0 - out.probability.col(1).array();
  return out;
}

TEST(Curves, RocAndNetBenefitOfFourPeople) {
  const auto record = four();
  EXPECT_EQ(evaluated_rows(record).size(), 4U);
  const std::vector<std::pair<double, double>> expected{
      {0, 0}, {0, 0.5}, {0.5, 0.5}, {0.5, 1}, {1, 1}};
  EXPECT_EQ(roc(record), expected);
  const auto curve = decision_curve(record);
  ASSERT_EQ(curve.size(), 19U);
  EXPECT_NEAR(curve[9].threshold, 0.5, 1e-12);
  EXPECT_NEAR(curve[9].model, 0.0, 1e-12);               // one hit, one false alarm, odds 1
  EXPECT_NEAR(curve[9].everybody, 0.0, 1e-12);           // two and two
  EXPECT_NEAR(curve[3].model, 0.5 - 0.25 * 0.25, 1e-12); // at 0.2: two hits, one alarm
}

TEST(Curves, CalibrationBinsHoldWilsonIntervals) {
  store::PredictionRecord record;
  record.class_name = {"a", "b"};
  record.probability.resize(20, 2);
  for (int i = 0; i < 20; ++i) {
    record.y.push_back(i % 2);
    record.probability(i, 1) = i < 10 ? 0.25 : 0.75;
    record.probability(i, 0) = 1.0 - record.probability(i, 1);
  }
  const auto bins = calibration(record);
  ASSERT_EQ(bins.size(), 4U);
  EXPECT_EQ(bins[0].n, 5U);
  EXPECT_NEAR(bins[0].predicted, 0.25, 1e-12);
  // Equal predictions stay in the order of the rows; Wilson 1927 for 2 of 5: 0.1176 to 0.7693.
  EXPECT_NEAR(bins[0].observed, 0.4, 1e-12);
  EXPECT_NEAR(bins[0].lower, 0.1176, 1e-4);
  EXPECT_NEAR(bins[0].upper, 0.7693, 1e-4);
}

} // namespace
} // namespace boldmill::report
