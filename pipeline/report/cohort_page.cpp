#include <algorithm>
#include <cmath>

#include "pipeline/report/pages.hpp"

namespace boldmill::report {
namespace {

constexpr std::size_t kMostFirstLooks = 20;

std::string card(const std::string& value, const std::string& label) {
  return "<div class=\"card\"><b>" + bids::html_escape(value) + "</b><span>" +
         bids::html_escape(label) + "</span></div>";
}

void add_summary(Page& page, const Stored& stored) {
  page.begin_section("summary", "Summary");
  std::map<std::string, std::size_t> status;
  for (const auto& run : stored.runs.run) ++status[run.status];
  std::string cards =
      card(std::to_string(stored.people.participant_id.size()), "participant-sessions") +
      card(std::to_string(stored.runs.run.size()), "runs");
  for (const char* name : {"ok", "warning", "excluded", "failed"}) {
    cards += card(std::to_string(status[name]), std::string("runs ") + name);
  }
  cards += card(std::to_string(std::count(stored.healthy.begin(), stored.healthy.end(), 1)),
                "healthy participant-sessions");
  page.markup("<div class=\"cards\">" + cards + "</div>\n");
  page.paragraph(
      "ok: used. warning: used, with the doubt named. excluded: processed, but a gate or a "
      "person's decision keeps it out. failed: could not be processed.",
      "lead");
  add_gates(page, stored);
  if (!stored.info.template_note.empty())
    page.paragraph("Note: " + stored.info.template_note + ".");
  page.end_section();
}

std::string names_of(const std::vector<const QualityMetric*>& metrics,
                     const store::RunRecord& run) {
  std::string out;
  for (const auto* metric : metrics) {
    out += (out.empty() ? "" : ", ") + std::string(metric->label) + " " +
           number(metric->of(run), metric->format);
  }
  return out;
}

Cell link_to(const Stored& stored, std::size_t row, const store::RunRecord& run) {
  return {run.run_id, page_href(stored.page(row)) + "#run-" + bids::safe_component(run.run_id)};
}

std::vector<std::string> notes_of(const store::RunRecord& run) {
  std::vector<std::string> out;
  for (std::size_t begin = 0; begin < run.reason.size();) {
    const std::size_t end = std::min(run.reason.find("; ", begin), run.reason.size());
    if (end > begin) out.push_back(run.reason.substr(begin, end - begin));
    begin = end + 2;
  }
  return out;
}

// The reason of a run; of one that is ok how many notes it has, which stand elsewhere.
std::string told(const store::RunRecord& run) {
  if (run.status != "ok") return run.reason;
  const std::size_t n = notes_of(run).size();
  return n == 0 ? "" : std::to_string(n) + (n == 1 ? " note" : " notes");
}

int urgency(const store::RunRecord& run, std::size_t n_outlying) {
  const int of_status = run.status == "failed"     ? 100
                        : run.status == "excluded" ? 50
                        : run.status == "warning"  ? 30
                                                   : 0;
  return of_status + 10 * static_cast<int>(n_outlying);
}

constexpr std::size_t kMostNotes = 15;

// A note without its numbers: what runs have in common.
std::string kind_of(const std::string& note) {
  std::string out;
  bool in_number = false;
  for (std::size_t i = 0; i < note.size(); ++i) {
    const bool digit = std::isdigit(static_cast<unsigned char>(note[i])) != 0;
    const bool more = digit || (in_number && note[i] == '.' && i + 1 < note.size() &&
                                std::isdigit(static_cast<unsigned char>(note[i + 1])) != 0);
    if (!more) {
      out += note[i];
    } else if (!in_number) {
      if (!out.empty() && out.back() == '-') out.pop_back();
      out += '#';
    }
    in_number = more;
  }
  return out;
}

// What runs that are ok have a note on, the commonest first.
void add_notes(Page& page, const Stored& stored) {
  struct Kind {
    std::size_t n = 0, first = 0;
    std::string example;
  };
  std::map<std::string, Kind> kinds;
  std::size_t n_noted = 0;
  for (std::size_t i = 0; i < stored.runs.run.size(); ++i) {
    if (stored.runs.run[i].status != "ok") continue;
    const auto notes = notes_of(stored.runs.run[i]);
    n_noted += notes.empty() ? 0 : 1;
    for (const std::string& note : notes) {
      Kind& kind = kinds[kind_of(note)];
      if (kind.n++ == 0) kind.first = i, kind.example = note;
    }
  }
  if (kinds.empty()) return;
  std::vector<Kind> order;
  for (auto& [unused, kind] : kinds) order.push_back(std::move(kind));
  std::stable_sort(order.begin(), order.end(), [](auto& a, auto& b) { return a.n > b.n; });
  page.paragraph(std::to_string(n_noted) + " of " + std::to_string(stored.runs.run.size()) +
                 " runs are ok and have a note: a step that fell back on another, or something "
                 "that was not done. A note is no doubt about the run; the same one in all runs "
                 "says something of the protocol.");
  Table table("Notes on runs that are ok", {{"runs", ""},
                                            {"note", "in the words of the first of them"},
                                            {"first of them", "leads to the participant's page"}});
  for (const Kind& kind : order) {
    if (table.n_rows() == kMostNotes) break;
    const auto& run = stored.runs.run[kind.first];
    const auto row = static_cast<std::size_t>(stored.runs.row[kind.first]);
    table.row({std::to_string(kind.n), kind.example, link_to(stored, row, run)});
  }
  page.table(table);
  if (order.size() > kMostNotes) {
    page.paragraph("The first " + std::to_string(kMostNotes) + " of " +
                   std::to_string(order.size()) + "; tables/runs.tsv has them all.");
  }
}

} // namespace

std::string cohort_page(const Stored& stored) {
  Page page;
  add_summary(page, stored);
  add_first_looks(page, stored);
  add_runs(page, stored);
  add_quality(page, stored);
  add_missingness(page, stored);
  add_motion_and_connectivity(page, stored);
  add_harmonization(page, stored);
  add_norms(page, stored);
  add_cohort_scores(page, stored);
  add_biotypes(page, stored);
  add_cohort_predictions(page, stored);
  add_reliability(page, stored);
  add_result_tables(page, stored);
  add_stages(page, stored);
  add_not_done(page, stored);
  add_review_panel(page, stored, true);
  add_methods(page, stored);
  const std::string name = stored.info.dataset_name;
  return page.document(
      name.empty() ? "boldmill: cohort" : name + ": cohort",
      "<p class=\"lead\">Quality, circuit scores and predictions of the whole cohort. A "
      "participant's name leads to a page of their own.</p>\n",
      footer(stored));
}

void add_first_looks(Page& page, const Stored& stored) {
  page.begin_section(
      "first", "Look here first",
      "Runs that failed, were excluded or have a warning, and runs with numbers far out on the bad "
      "side among the runs of their task (beyond Tukey's fence: 1.5 times the interquartile "
      "range).");
  std::vector<std::pair<int, std::size_t>> order;
  for (std::size_t i = 0; i < stored.runs.run.size(); ++i) {
    const auto& run = stored.runs.run[i];
    const int own = urgency(run, stored.outlying(run).size());
    if (own > 1) order.emplace_back(-own, i);
  }
  std::sort(order.begin(), order.end());
  Table table("Runs to look at, worst first", {{"run", "leads to the participant's page"},
                                               {"status", "", true},
                                               {"far out", "numbers beyond the fence"},
                                               {"reason or notes", ""}});
  for (const auto& [unused, i] : order) {
    if (table.n_rows() == kMostFirstLooks) break;
    const auto& run = stored.runs.run[i];
    const auto row = static_cast<std::size_t>(stored.runs.row[i]);
    table.row(
        {link_to(stored, row, run), run.status, names_of(stored.outlying(run), run), told(run)},
        run.status);
  }
  if (order.empty()) {
    page.paragraph("No run failed, was excluded, has a warning or lies far out.");
  } else {
    page.table(table);
  }
  if (order.size() > kMostFirstLooks) {
    page.paragraph("The first " + std::to_string(kMostFirstLooks) + " of " +
                   std::to_string(order.size()) + "; the table of runs has them all.");
  }
  add_notes(page, stored);
  page.end_section();
}

void add_runs(Page& page, const Stored& stored) {
  page.begin_section("runs", "Runs");
  std::vector<Column> columns{
      {"run", "leads to the participant's page"},
      {"task", "", true},
      {"status", "ok, warning, excluded or failed", true},
      {"far out", "how many numbers lie beyond Tukey's fence on the bad side"},
      {"reason or notes", "a note is no doubt: what was or was not done; it "
                          "stands above and on the participant's page"},
      {"volumes", ""}};
  for (const auto& metric : quality_metrics()) {
    const std::string unit = metric.unit;
    columns.push_back({metric.label + (unit.empty() ? "" : " [" + unit + "]"), metric.what});
  }
  columns.push_back({"decision", "of a person, from the review file", true});
  columns.push_back({"rater", ""});
  Table table("Every run", columns);
  for (std::size_t i = 0; i < stored.runs.run.size(); ++i) {
    const auto& run = stored.runs.run[i];
    const auto row = static_cast<std::size_t>(stored.runs.row[i]);
    const std::size_t far = stored.outlying(run).size();
    std::vector<Cell> cells{
        link_to(stored, row, run),          run.task,  run.status,
        far > 0 ? std::to_string(far) : "", told(run), std::to_string(run.n_volumes)};
    for (const auto& metric : quality_metrics())
      cells.push_back(number(metric.of(run), metric.format));
    cells.push_back(run.qc_decision);
    cells.push_back(run.qc_rater);
    table.row(cells, run.status, run.run_id);
  }
  page.table(table);
  page.end_section();
}

namespace {

Table spread_table(const Stored& stored, const std::string& task) {
  Table table("Quality of task " + task, {{"number", ""},
                                          {"unit", ""},
                                          {"runs", ""},
                                          {"median", ""},
                                          {"quartile 1", ""},
                                          {"quartile 3", ""},
                                          {"fence", "on the bad side"},
                                          {"runs beyond the fence", ""}});
  for (const auto& metric : quality_metrics()) {
    const Spread& s = stored.spread.at(task).at(metric.key);
    std::string beyond;
    for (const auto& run : stored.runs.run) {
      if (run.task != task) continue;
      const auto far = stored.outlying(run);
      if (std::find(far.begin(), far.end(), &metric) == far.end()) continue;
      beyond += (beyond.empty() ? "" : ", ") + run.run_id;
    }
    table.row({metric.label, metric.unit, std::to_string(s.n), number(s.median, metric.format),
               number(s.q1, metric.format), number(s.q3, metric.format),
               number(metric.better < 0 ? s.high : s.low, metric.format), beyond});
  }
  return table;
}

} // namespace

void add_quality(Page& page, const Stored& stored) {
  page.begin_section(
      "quality", "Quality of the runs",
      "A dot is a run. Runs beyond Tukey's fence on the bad side are named triangles and lead to "
      "their page; the arrow of each panel points to where it is better.");
  for (const auto& [task, unused] : stored.spread) {
    Json metrics = Json::array();
    for (const auto& metric : quality_metrics()) {
      const Spread& s = stored.spread.at(task).at(metric.key);
      if (s.n == 0) continue;
      Json values = Json::array();
      for (const auto& run : stored.runs.run) {
        if (run.task == task) values.push_back(short_number(metric.of(run)));
      }
      metrics.push_back({{"label", metric.label},
                         {"unit", metric.unit},
                         {"better", metric.better},
                         {"values", values},
                         {"median", short_number(s.median)},
                         {"q1", short_number(s.q1)},
                         {"q3", short_number(s.q3)},
                         {"fence", s.n < kLeastForOutliers
                                       ? Json()
                                       : Json(short_number(metric.better < 0 ? s.high : s.low))}});
    }
    Json runs = Json::array();
    for (std::size_t i = 0; i < stored.runs.run.size(); ++i) {
      const auto& run = stored.runs.run[i];
      if (run.task != task) continue;
      const Cell link = link_to(stored, static_cast<std::size_t>(stored.runs.row[i]), run);
      runs.push_back({link.text, link.href});
    }
    const Table table = spread_table(stored, task);
    page.heading("Task " + task);
    page.chart("strips", "Quality of the runs of task " + task + ", with median and quartiles.",
               {{"runs", runs}, {"metrics", metrics}}, &table);
  }
  if (stored.spread.empty()) page.absent("No run was processed.");
  page.end_section();
}

} // namespace boldmill::report
