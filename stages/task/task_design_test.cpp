#include "stages/task/task_design.hpp"

#include "stages/task/contrast.hpp"
#include "stages/task/test_data.hpp"

namespace boldmill {
namespace {

using namespace test_data;
using task_design::Design;
using task_design::Event;

task_design::Inputs inputs_of(const std::vector<Event>& events, int n_volumes, double tr_s) {
  return {.events = events, .n_volumes = n_volumes, .tr_s = tr_s};
}

task_design::Params spm(int reference_bin, const std::string& hrf = "spm") {
  task_design::Params params;
  params.variant = "spm";
  params.hrf = hrf;
  params.reference_bin = reference_bin;
  return params;
}

TEST(TaskDesign, SpmVariantIsThatOfItsFormulas) {
  const Events all = reference_events();
  EXPECT_LT((task_design::run(inputs_of(all.events, 75, 2.0), spm(8)).matrix -
             reference("design_spm.tsv"))
                .cwiseAbs()
                .maxCoeff(),
            1e-6);
  // SPM's grid begins two repetition times before the run.
  const Events late = reference_events(-1.42);
  EXPECT_LT(
      (task_design::run(inputs_of(late.events, 211, 0.71), spm(1, "spm+derivative+dispersion"))
           .matrix -
       reference("design_spm_derivatives.tsv"))
          .cwiseAbs()
          .maxCoeff(),
      1e-6);
}

TEST(TaskDesign, SpmModulatorIsThatOfItsFormulas) {
  const Events all = reference_events();
  const std::vector<std::string> names{"rating"};
  task_design::Inputs inputs = inputs_of(all.events, 60, 2.5);
  inputs.modulator_names = &names;
  new (&inputs.modulators) Eigen::Map<const Eigen::MatrixXd>(
      all.rating.data(), static_cast<Eigen::Index>(all.rating.size()), 1);
  task_design::Params params = spm(16);
  params.modulators = {"fear:rating"};
  const Design design = task_design::run(inputs, params);
  EXPECT_LT((design.matrix - reference("design_spm_modulated.tsv")).cwiseAbs().maxCoeff(), 1e-6);
  EXPECT_EQ(design.columns[1].name, "fear x rating");
  EXPECT_EQ(design.columns[1].role, "modulator");
}

TEST(TaskDesign, NilearnVariantIsNilearns) {
  const Events all = reference_events();
  struct Case {
    const char* file;
    int n_volumes;
    double tr_s, slice_time_ref;
    const char* hrf;
    std::vector<int> delays;
  };
  const std::vector<Case> cases{{"glover", 75, 2.0, 0.0, "glover", {}},
                                {"spm3", 211, 0.71, 0.5, "spm+derivative+dispersion", {}},
                                {"glover3", 60, 2.5, 0.5, "glover+derivative+dispersion", {}},
                                {"fir", 75, 2.0, 0.0, "fir", {0, 1, 4}}};
  for (const Case& one : cases) {
    task_design::Params params;
    params.variant = "nilearn";
    params.hrf = one.hrf;
    params.fir_delays = one.delays;
    params.slice_time_ref = one.slice_time_ref;
    const Design design = task_design::run(inputs_of(all.events, one.n_volumes, one.tr_s), params);
    const Eigen::MatrixXd expected = reference("design_nilearn_" + std::string(one.file) + ".tsv");
    ASSERT_EQ(design.matrix.cols(), expected.cols()) << one.file;
    EXPECT_LT((design.matrix - expected).cwiseAbs().maxCoeff(), 1e-6) << one.file;
  }
}

TEST(TaskDesign, VariantsDifferByAFewPercent) {
  const std::vector<Event> events{{20.0, 10.0, "a"}, {60.0, 10.0, "a"}};
  task_design::Params other = spm(1);
  other.variant = "nilearn";
  other.slice_time_ref = 0.0;
  const Eigen::VectorXd a = task_design::run(inputs_of(events, 60, 2.0), spm(1)).matrix.col(0);
  const Eigen::VectorXd b = task_design::run(inputs_of(events, 60, 2.0), other).matrix.col(0);
  const double difference = (a - b).cwiseAbs().maxCoeff() / a.maxCoeff();
  EXPECT_GT(difference, 0.002);
  EXPECT_LT(difference, 0.05);
}

// The integral of box and response by the midpoint rule in steps of a millisecond.
double response_at(double time_s, const std::vector<Event>& events) {
  const auto density = [](double t, double shape) {
    return t <= 0.0 ? 0.0 : std::exp((shape - 1.0) * std::log(t) - t - std::lgamma(shape));
  };
  double sum = 0.0;
  double area = 0.0;
  for (double t = 0.0005; t < 32.0; t += 0.001) {
    const double h = density(t, 6.0) - density(t, 16.0) / 6.0;
    area += h;
    for (const Event& e : events) {
      const double at = time_s - t;
      if (e.duration_s > 0.0 && at >= e.onset_s && at < e.onset_s + e.duration_s) sum += h;
    }
  }
  return sum / area;
}

TEST(TaskDesign, ExactVariantIsTheIntegral) {
  for (const double tr_s : {0.7, 2.0}) {
    for (const double duration_s : {0.5, 1.03, 10.0}) {
      const std::vector<Event> events{{20.07, duration_s, "a"}, {41.333, duration_s, "a"}};
      const int n = static_cast<int>(80.0 / tr_s);
      const Eigen::VectorXd x = task_design::run(inputs_of(events, n, tr_s), {}).matrix.col(0);
      Eigen::VectorXd expected(n);
      for (int t = 0; t < n; ++t) expected[t] = response_at((t + 0.5) * tr_s, events);
      // Steps of TR / 16 against an integral: 1 % of the peak; the size to 0.3 %.
      EXPECT_LT((x - expected).cwiseAbs().maxCoeff(), 0.01 * expected.maxCoeff()) << tr_s;
      EXPECT_NEAR(x.dot(expected) / expected.squaredNorm(), 1.0, 0.003) << tr_s << duration_s;
    }
    // An impulse has area one wherever it falls between bins.
    const Eigen::VectorXd impulse =
        task_design::run(inputs_of({{20.01, 0.0, "a"}}, static_cast<int>(80.0 / tr_s), tr_s), {})
            .matrix.col(0);
    EXPECT_NEAR(impulse.sum() * tr_s, 1.0, 0.02);
  }
}

TEST(TaskDesign, ShiftingEventsAndClockChangesNothing) {
  std::vector<Event> events{{20.0, 10.0, "a"}, {60.0, 0.0, "b"}};
  for (const char* variant : {"exact", "spm", "nilearn"}) {
    task_design::Params params;
    params.variant = variant;
    const Eigen::MatrixXd before =
        task_design::run(inputs_of(events, 60, 2.0), params).matrix.leftCols(2);
    std::vector<Event> moved = events;
    for (Event& event : moved) event.onset_s += 6.0;
    task_design::Inputs inputs = inputs_of(moved, 60, 2.0);
    inputs.start_s = 6.0; // three dummies dropped
    const Eigen::MatrixXd after = task_design::run(inputs, params).matrix.leftCols(2);
    // nilearn's grid ends at max * (1 + 1 / (n - 1)): its spacing depends on the clock.
    EXPECT_LT((after - before).cwiseAbs().maxCoeff(),
              std::string(variant) == "nilearn" ? 0.03 : 1e-12);
  }
}

TEST(TaskDesign, EventBeforeSpmsGridKeepsItsResponse) {
  const std::vector<Event> events{{-12.0, 10.0, "a"}, {50.0, 10.0, "a"}};
  const Design design = task_design::run(inputs_of(events, 60, 2.0), spm(8));
  const Eigen::VectorXd later = design.matrix.col(0).segment(31, 12);
  EXPECT_LT((design.matrix.col(0).head(12) - later).cwiseAbs().maxCoeff(), 1e-12);
}

TEST(TaskDesign, ConditionsMapTrialTypes) {
  const std::vector<Event> events{
      {10, 5, "Fear_1"}, {30, 5, "Fear_2"}, {50, 5, "calm"}, {70, 5, "rest"}};
  task_design::Params params = spm(8);
  params.conditions = {"fear=Fear_*", "neutral=calm|neut", "anger=Anger*"};
  const Design own = task_design::run(inputs_of(events, 60, 2.0), params);
  EXPECT_EQ(own.names()[0], "fear");
  EXPECT_EQ(own.names()[2], "rest");
  EXPECT_FALSE(own.conditions[3].listed);
  EXPECT_EQ(own.conditions[0].n_events, 2);
  EXPECT_EQ(own.conditions[2].missing, "no event of it in this run");
  params.unlisted = "leave_out";
  const Design left = task_design::run(inputs_of(events, 60, 2.0), params);
  ASSERT_EQ(left.unmodelled.size(), 1U);
  EXPECT_EQ(left.unmodelled[0], 3U);
  params.unlisted = "refuse";
  expect_error(ErrorKind::input, "'rest' belongs to no condition",
               [&] { (void)task_design::run(inputs_of(events, 60, 2.0), params); });
  params.conditions = {"fear=F*", "face=Fear_*"};
  expect_error(ErrorKind::input, "belongs to conditions 'fear' and 'face'",
               [&] { (void)task_design::run(inputs_of(events, 60, 2.0), params); });
  params.conditions = {"fear="};
  expect_error(ErrorKind::usage, "'fear='",
               [&] { (void)task_design::run(inputs_of(events, 60, 2.0), params); });
}

TEST(TaskDesign, BadEventsAreNamedOrReported) {
  const auto run = [](const std::vector<Event>& events) {
    return task_design::run(inputs_of(events, 60, 2.0), spm(8));
  };
  expect_error(ErrorKind::input, "duration -1", [&] { (void)run({{10, -1, "a"}}); });
  expect_error(ErrorKind::input, "no duration", [&] { (void)run({{10, NAN, "a"}}); });
  expect_error(ErrorKind::input, "no onset", [&] { (void)run({{NAN, 1, "a"}}); });
  expect_error(ErrorKind::input, "2 of 3 events lie outside the run", [&] {
    (void)run({{10, 1, "a"}, {10000, 1, "a"}, {20000, 1, "b"}});
  });
  const Design design =
      run({{10, 20, "a"}, {20, 5, "a"}, {60, 5, "b"}, {90, 500, "b"}, {300, 5, "c"}});
  ASSERT_EQ(design.conditions.size(), 3U);
  EXPECT_EQ(design.conditions[2].missing, "all its events lie outside the run");
  EXPECT_EQ(design.unmodelled, std::vector<std::size_t>{4});
  std::string notes;
  for (const std::string& note : design.notes) notes += note + "\n";
  for (const char* part : {"'a': 1 event begins before the one before it ends",
                           "'c': 1 event outside the run", "'b': an event ends after the run"}) {
    EXPECT_NE(notes.find(part), std::string::npos) << part << "\n" << notes;
  }
  EXPECT_EQ(run({}).matrix.cols(), 2); // one cosine below 1/128 Hz in 120 s, and the constant
}

TEST(TaskDesign, ModulatorsThatCannotBeUsed) {
  const std::vector<Event> events{{10, 5, "a"}, {40, 5, "a"}};
  const std::vector<std::string> names{"rt"};
  std::vector<double> values{1.0, 1.0};
  task_design::Inputs inputs = inputs_of(events, 60, 2.0);
  inputs.modulator_names = &names;
  new (&inputs.modulators) Eigen::Map<const Eigen::MatrixXd>(values.data(), 2, 1);
  task_design::Params params = spm(8);
  params.modulators = {"a:rt"};
  EXPECT_NE(task_design::run(inputs, params).notes.at(0).find("constant"), std::string::npos);
  values = {NAN, NAN};
  expect_error(ErrorKind::input, "has no value", [&] { (void)task_design::run(inputs, params); });
  params.modulators = {"a:load"};
  expect_error(ErrorKind::input, "no column 'load'",
               [&] { (void)task_design::run(inputs, params); });
  params.modulators = {"b:rt"};
  expect_error(ErrorKind::input, "no condition 'b'",
               [&] { (void)task_design::run(inputs, params); });
  params.modulators = {"rt"};
  expect_error(ErrorKind::usage, "CONDITION:COLUMN",
               [&] { (void)task_design::run(inputs, params); });
}

TEST(TaskDesign, ConfoundsSpikesRankAndCollinearity) {
  const std::vector<Event> events{{10, 10, "a"}, {50, 10, "a"}, {10.4, 10, "b"}, {50.4, 10, "b"}};
  Eigen::MatrixXd confounds(60, 3);
  confounds.col(0) = Eigen::VectorXd::LinSpaced(60, 0, 1);
  confounds(0, 0) = NAN;
  confounds.col(1) = lcg(60, 3);
  confounds.col(2) = 2 * confounds.col(1);
  const std::vector<std::string> names{"trend", "noise", "twice"};
  std::vector<std::uint8_t> keep(60, 1);
  keep[5] = keep[30] = 0;
  task_design::Inputs inputs = inputs_of(events, 60, 2.0);
  inputs.confound_names = &names;
  new (&inputs.confounds) Eigen::Map<const Eigen::MatrixXd>(confounds.data(), 60, 3);
  inputs.keep = keep;
  const Design drop = task_design::run(inputs, spm(8));
  EXPECT_EQ(drop.n_kept, 58);
  EXPECT_EQ(drop.rank, static_cast<int>(drop.columns.size()) - 1);
  EXPECT_EQ(drop.dof, 58 - drop.rank);
  ASSERT_EQ(drop.dependent.size(), 1U);
  EXPECT_GT(drop.max_correlation, 0.95);
  EXPECT_EQ(drop.max_correlation_pair, "a and b");
  EXPECT_GT(drop.columns[0].vif, 10.0);
  EXPECT_TRUE(drop.matrix.allFinite());
  task_design::Params spikes = spm(8);
  spikes.censoring = "spikes";
  const Design with = task_design::run(inputs, spikes);
  EXPECT_EQ(with.matrix.cols(), drop.matrix.cols() + 2);
  EXPECT_EQ(with.dof, drop.dof); // the same least squares
  confounds.col(0).setConstant(NAN);
  expect_error(ErrorKind::input, "'trend' has no finite value",
               [&] { (void)task_design::run(inputs, spm(8)); });
  std::fill(keep.begin(), keep.end(), std::uint8_t{0});
  expect_error(ErrorKind::input, "no volume of 60 is kept",
               [&] { (void)task_design::run(inputs, spm(8)); });
}

TEST(TaskDesign, SizesThatDiffer) {
  const std::vector<Event> events{{10, 5, "a"}};
  const std::vector<std::uint8_t> keep(59, 1);
  task_design::Inputs inputs = inputs_of(events, 60, 2.0);
  inputs.keep = keep;
  expect_error(ErrorKind::input, "59 values", [&] { (void)task_design::run(inputs, spm(8)); });
  expect_error(ErrorKind::input, "repetition time",
               [&] { (void)task_design::run(inputs_of(events, 60, 0.0), spm(8)); });
  expect_error(ErrorKind::input, "no volume",
               [&] { (void)task_design::run(inputs_of(events, 0, 2.0), spm(8)); });
  expect_error(ErrorKind::usage, "reference_bin",
               [&] { (void)task_design::run(inputs_of(events, 60, 2.0), spm(17)); });
  expect_error(ErrorKind::usage, "high_pass_hz", [&] {
    task_design::Params params = spm(8);
    params.high_pass_hz = 0.3;
    (void)task_design::run(inputs_of(events, 60, 2.0), params);
  });
  expect_error(ErrorKind::input, "more volumes", [&] {
    (void)task_design::run(inputs_of({{0, 1, "a"}}, 2, 2.0), spm(8));
  });
}

TEST(Contrast, ExpressionsAreLinearForms) {
  const std::vector<std::string> names{"fear", "anger", "neutral", "go no", "x_delay_1"};
  const auto weights = [&](const std::string& text) { return contrast_weights(text, names); };
  Eigen::RowVectorXd expected(5);
  expected << 0.5, 0.5, -1, 0, 0;
  EXPECT_LT((weights("(fear + anger) / 2 - neutral") - expected).norm(), 1e-15);
  EXPECT_LT((weights("0.5*fear+anger*.5 - -(-neutral)") - expected).norm(), 1e-15);
  EXPECT_EQ(weights("go no")[3], 1.0);
  EXPECT_EQ(weights("\"go no\" - x_delay_1")[4], -1.0);
  for (const auto& [text, part] : std::vector<std::pair<std::string, std::string>>{
           {"fear - joy", "no column 'joy', it has fear, anger"},
           {"fear -", "ends too early"},
           {"fear * anger", "two names"},
           {"fear + 1", "without a name"},
           {"(fear", "a ) is missing"},
           {"fear - fear", "all weights are zero"},
           {"fear anger", "where it should end"},
           {"1 / fear", "only a number divides"},
           {"fear & 1", "found '& 1'"},
           {"", "too early"}}) {
    expect_error(ErrorKind::input, part, [&, &t = text] { (void)weights(t); });
  }
}

TEST(Contrast, EfficiencyAndEstimability) {
  Eigen::MatrixXd x(4, 3);
  x << 1, 0, 1, 1, 0, 1, 0, 1, 1, 0, 1, 1; // two groups and a constant: rank 2
  Eigen::MatrixXd c(1, 3);
  c << 1, -1, 0;
  EXPECT_TRUE(contrast_quality(c, x).estimable);
  EXPECT_NEAR(contrast_quality(c, x).efficiency, 1.0, 1e-12); // 1 / (1/2 + 1/2)
  c << 1, 0, 0;
  EXPECT_FALSE(contrast_quality(c, x).estimable);
  EXPECT_EQ(contrast_quality(c, x).efficiency, 0.0);
}

} // namespace
} // namespace boldmill
