// The circuit profile, norms and biotype of a participant page.
#include <algorithm>
#include <cmath>

#include "pipeline/report/pages.hpp"

namespace boldmill::report {
namespace {

constexpr double kFarZ = 1.96;
constexpr double kUnsure = 1.0; // healthy SD: a wider standard error says little of a person

void add_values(Page& page, const Session& session, const store::ScoreTable& values,
                const std::vector<std::pair<double, double>>& bands,
                const std::vector<std::string>& names, const std::string& level,
                const std::string& what) {
  const auto row = static_cast<Eigen::Index>(session.row);
  Table table(what + " of this session", {{"name", ""},
                                          {"meaning", ""},
                                          {"value", "healthy SD"},
                                          {"standard error", ""},
                                          {"healthy, 5 to 95 %", "of this cohort's healthy group"},
                                          {"coverage", "smallest share of a region seen"},
                                          {"why missing", ""}});
  Json points = Json::array();
  std::size_t n_unsure = 0;
  for (Eigen::Index i = 0; i < values.value.cols(); ++i) {
    const auto n = static_cast<std::size_t>(i);
    const double value = values.value(row, i);
    const double se = values.se.size() > 0 ? values.se(row, i) : NAN;
    const auto [low, high] = bands[n];
    const std::string why =
        session.row < values.reason.size() && n < values.reason[session.row].size()
            ? values.reason[session.row][n]
            : "";
    const bool unsure = std::isfinite(value) && se > kUnsure;
    n_unsure += unsure ? 1 : 0;
    table.row({names[n], session.stored->meaning(level, names[n]), number(value),
               number(se) + (unsure ? " (wide)" : ""),
               std::isnan(low) ? "" : number(low) + " to " + number(high),
               values.coverage.size() > 0 ? number(values.coverage(row, i)) : "", why});
    if (std::isnan(value) && std::isnan(low)) continue; // nobody has it: the table says why
    points.push_back({{"name", names[n]},
                      {"v", short_number(value)},
                      {"se", short_number(se)},
                      {"l", short_number(low)},
                      {"h", short_number(high)},
                      {"unsure", unsure}});
  }
  if (values.value.row(row).array().isNaN().all()) {
    page.paragraph(what + ": all " + std::to_string(names.size()) + " are missing.", "absent");
    page.folded(what + ": why each is missing", table);
    return;
  }
  if (n_unsure > 0) {
    page.paragraph(
        what + ": " + std::to_string(n_unsure) + " of " + std::to_string(names.size()) +
        " have a standard error above 1 healthy SD (hollow dots): so wide that the value "
        "says little about this person. Short runs and heavy censoring do that.");
  }
  page.chart("profile",
             what + ": dot and bar are this scan and its standard error, the grey band is where "
                    "nine of ten healthy people of "
                    "this cohort lie. Missing ones have no dot, those that nobody has no line; the "
                    "table says why.",
             {{"points", points}}, &table);
}

} // namespace

void add_profile(Page& page, const Session& session) {
  const Stored& stored = *session.stored;
  const auto& header = stored.cohort.header();
  if (stored.scores && stored.scores->value.size() > 0) {
    add_values(page, session, *stored.scores, stored.score_bands, header.score, "score",
               "Circuit scores");
  } else {
    page.absent("Scores are relative to the cohort's healthy group: " +
                std::string(stored.of_shard ? "this page was made from one shard."
                                            : "see what was not done on the cohort page."));
  }
  if (stored.features && stored.features->value.size() > 0)
    add_values(page, session, *stored.features, stored.feature_bands, header.feature, "feature",
               "Features");
  const auto& table = stored.measures.table;
  const auto row = static_cast<Eigen::Index>(session.row);
  if (table.value.size() == 0) return;
  Table raw("Raw measures", {{"measure", ""},
                             {"meaning", ""},
                             {"value", "its own unit"},
                             {"standard error", ""},
                             {"coverage", ""},
                             {"why missing", ""}});
  for (Eigen::Index m = 0; m < table.value.cols(); ++m) {
    const auto n = static_cast<std::size_t>(m);
    raw.row({header.measure[n], stored.meaning("measure", header.measure[n]),
             number(table.value(row, m), "%.4g"),
             table.se.size() > 0 ? number(table.se(row, m), "%.3g") : "",
             table.coverage.size() > 0 ? number(table.coverage(row, m)) : "",
             session.row < stored.measures.reason.size() ? stored.measures.reason[session.row][n]
                                                         : ""});
  }
  page.folded("The " + std::to_string(raw.n_rows()) + " raw measures behind them", raw);
}

namespace {

double at(const store::GroupRecord& group, const char* name, std::size_t i) {
  if (!group.has(name)) return NAN;
  const auto& values = group.array(name).number;
  return i < values.size() ? values[i] : NAN;
}

std::string absent_reason(const Stored& stored, const char* analysis, const std::string& what) {
  if (stored.of_shard) return what + " belong to the cohort; this page was made from one shard.";
  const std::string why = stored.why_not(analysis);
  return what + " are not stored" + (why.empty() ? "." : ": " + why + ".");
}

} // namespace

void add_own_norms(Page& page, const Session& session) {
  const Stored& stored = *session.stored;
  if (!stored.norms) return page.absent(absent_reason(stored, "norms", "Norms"));
  const store::GroupRecord& group = *stored.norms;
  const auto& names = stored.cohort.header().measure;
  const bool helped = at(group, "in_reference", session.row) > 0.0;
  std::vector<Column> columns{{"measure", ""},
                              {"z", "0 is the median of such healthy people"},
                              {"standard error of z", "of the norm alone"},
                              {"centile", "share of such healthy people below"},
                              {"expected", "their median, in the measure's unit"}};
  const bool held_out = helped && group.has("z_held_out");
  if (held_out) columns.push_back({"z held out", "from a norm without this person"});
  columns.push_back({"meaning", ""});
  Table table("Measures against the norm", columns);
  Json points = Json::array();
  std::size_t n_far = 0;
  for (std::size_t m = 0; m < names.size(); ++m) {
    const std::size_t i = session.row * names.size() + m;
    const double z = at(group, "z", i), se = at(group, "z_se", i);
    if (std::isnan(z)) continue;
    n_far += std::abs(z) > kFarZ ? 1 : 0;
    std::vector<Cell> cells{names[m], number(z), number(se),
                            number(100.0 * at(group, "centile", i), "%.1f"),
                            number(at(group, "expected", i), "%.4g")};
    if (held_out) cells.emplace_back(number(at(group, "z_held_out", i)));
    cells.emplace_back(stored.meaning("measure", names[m]));
    table.row(cells);
    points.push_back({{"name", names[m]},
                      {"v", short_number(z)},
                      {"se", short_number(se)},
                      {"l", -kFarZ},
                      {"h", kFarZ}});
  }
  if (points.empty()) return page.absent("No measure of this session has a norm.");
  page.paragraph(std::to_string(n_far) + " of " + std::to_string(points.size()) +
                 " measures lie beyond 1.96 on either side; about " +
                 number(0.05 * static_cast<double>(points.size()), "%.1f") +
                 " would in a healthy person.");
  if (helped) {
    page.paragraph("The norm was learned from this session too, which pulls it towards 0.");
  }
  if (at(group, "age_outside", session.row) > 0.0) {
    page.paragraph("Outside the ages of the healthy people: the norm is a guess here.", "error");
  }
  if (at(group, "new_site", session.row) > 0.0) {
    page.paragraph("No healthy people of this site: the norm is wider here.", "error");
  }
  page.chart("profile",
             "Deviation from the norm (dot) with what the healthy people leave open (bar); 95 % "
             "of healthy people lie in the grey band. Missing measures have no dot.",
             {{"points", points}, {"unit", "z"}, {"label", "Deviations from the norm"}}, &table);
}

void add_own_biotype(Page& page, const Session& session) {
  const Stored& stored = *session.stored;
  if (!stored.biotypes) return page.absent(absent_reason(stored, "biotypes", "Biotypes"));
  const store::GroupRecord& group = *stored.biotypes;
  const auto text = [&group](const char* name) {
    return group.has(name) && !group.array(name).text.empty() ? group.array(name).text.front()
                                                              : std::string();
  };
  page.paragraph(
      "Verdict on the cohort: " + text("verdict_in_words") +
      (text("verdict") == "biotypes"
           ? "."
           : ". So a cluster is a place in one cloud of people, not a kind of patient."));
  const auto named = [&group](double label) -> std::string {
    if (std::isnan(label) || label < 0.0) return "none";
    const auto c = static_cast<std::size_t>(label);
    const bool has_name = group.has("profile_name") && c < group.array("profile_name").text.size();
    const std::string name = has_name ? group.array("profile_name").text[c] : "";
    return number(label, "%.0f") + (name.empty() ? "" : " (" + name + ")");
  };
  Table table("Biotype of this session", {{"what", ""}, {"value", ""}, {"meaning", ""}});
  for (const char* name : {"label", "assigned"}) {
    if (group.has(name)) {
      table.row({name, named(at(group, name, session.row)), group.array(name).what});
    }
  }
  for (const char* name : {"margin", "stability", "co_assignment"}) {
    if (!group.has(name)) continue;
    const std::string value = number(at(group, name, session.row), "%.3f");
    table.row({name, value.empty() ? "not known" : value, group.array(name).what});
  }
  page.table(table);
}

} // namespace boldmill::report
