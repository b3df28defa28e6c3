#include <algorithm>
#include <cmath>
#include <map>

#include "pipeline/report/pages.hpp"
#include "pipeline/report/prediction_parts.hpp"
#include "pipeline/report/viewer.hpp"
#include "pipeline/store/figures.hpp"

namespace boldmill::report {
namespace {

using Runs = std::vector<const store::RunRecord*>;

Runs runs_of(const Session& session) {
  Runs out;
  const auto& runs = session.stored->runs;
  for (std::size_t i = 0; i < runs.run.size(); ++i) {
    if (static_cast<std::size_t>(runs.row[i]) == session.row) out.push_back(&runs.run[i]);
  }
  return out;
}

void add_summary(Page& page, const std::vector<Session>& sessions) {
  page.begin_section("summary", "Summary");
  const bool sessions_named =
      sessions.size() > 1 ||
      !sessions.front().stored->people.session_id[sessions.front().row].empty();
  std::vector<Column> columns{{"column", ""}, {"value", ""}};
  if (sessions_named) columns.insert(columns.begin(), Column{"session", ""});
  Table about("About the participant, from participants.tsv", columns);
  Table gates("Runs and what became of them", {{"run", ""},
                                               {"task", ""},
                                               {"status", ""},
                                               {"reason or note", ""},
                                               {"a person's decision", ""}});
  for (const Session& session : sessions) {
    const auto& people = session.stored->people;
    for (const auto& name : people.column_names) {
      const auto column = people.columns.find(name);
      if (column == people.columns.end()) continue;
      std::vector<Cell> cells{name, column->second[session.row]};
      if (sessions_named) cells.insert(cells.begin(), people.session_id[session.row]);
      about.row(cells);
    }
    for (const auto* run : runs_of(session)) {
      const std::string decision =
          run->qc_decision.empty() ? "" : run->qc_decision + " by " + run->qc_rater;
      gates.row({{run->run_id, "#run-" + bids::safe_component(run->run_id)},
                 run->task,
                 run->status,
                 said_of(*run),
                 decision},
                run->status);
    }
  }
  if (gates.n_rows() == 0) {
    page.paragraph("No run of this participant was processed.", "error");
  } else {
    page.table(gates);
    page.paragraph("ok: used. warning: used, with the doubt named. excluded: processed, but a gate "
                   "or a person's decision keeps "
                   "it out. failed: could not be processed.",
                   "lead");
  }
  if (about.n_rows() > 0) page.table(about);
  add_gates(page, *sessions.front().stored);
  page.end_section();
}

// The run's numbers beside those of its task in the cohort.
Table numbers_table(const Stored& stored, const Runs& runs) {
  std::vector<Column> columns{{"number", ""}, {"unit", ""}};
  // The heading above names a lone run; its id would push the numbers off a phone.
  for (const auto* run : runs) columns.push_back({runs.size() == 1 ? "value" : run->run_id, ""});
  columns.push_back(
      {"cohort, same task", "median and quartiles over the runs of the first run's task"});
  columns.push_back({"better is", ""});
  Table table("Quality", columns);
  for (const auto& metric : quality_metrics()) {
    std::vector<Cell> cells{metric.label, metric.unit};
    for (const auto* run : runs) {
      const auto far = stored.outlying(*run);
      const bool out = std::find(far.begin(), far.end(), &metric) != far.end();
      cells.push_back(number(metric.of(*run), metric.format) + (out ? " (far out)" : ""));
    }
    const Spread& s = stored.spread.at(runs.front()->task).at(metric.key);
    cells.push_back(s.n < 2 ? std::string()
                            : number(s.median, metric.format) + " (" + number(s.q1, metric.format) +
                                  " to " + number(s.q3, metric.format) + ")");
    cells.push_back(metric.better > 0 ? "more" : "less");
    table.row(cells);
  }
  return table;
}

void add_session(Page& page, const Session& session, bool several) {
  const Stored& stored = *session.stored;
  const std::string id = bids::safe_component(stored.session(session.row));
  page.begin_section(several ? "runs-" + id : "runs",
                     several ? "Runs of " + stored.people.session_id[session.row] : "Runs");
  std::map<std::string, Runs> by_task;
  for (const auto* run : runs_of(session)) by_task[run->task].push_back(run);
  if (by_task.empty()) page.absent("No run of this session was processed.");
  add_pictures(page, session, store::kAnatomyFigures);
  for (const auto& [task, runs] : by_task) {
    page.heading("Task " + task);
    page.table(numbers_table(stored, runs));
    for (const auto* run : runs) add_run(page, session, *run);
  }
  page.end_section();
}

// What each circuit adds to this person's number, from the model that did not see them.
void add_contributions(Page& page, const store::PredictionRecord& record, std::size_t row) {
  const auto r = static_cast<Eigen::Index>(row);
  if (r >= record.contribution.rows() || record.contribution.row(r).array().isNaN().all()) {
    page.absent(record.target + ": what drove the prediction is not stored for this session.");
    return;
  }
  const std::string unit = is_binary(record) ? "log-odds" : "units of the outcome";
  std::vector<std::pair<double, std::string>> order;
  for (std::size_t g = 0; g < record.contribution_name.size(); ++g) {
    order.emplace_back(record.contribution(r, static_cast<Eigen::Index>(g)),
                       record.contribution_name[g]);
  }
  std::stable_sort(order.begin(), order.end(), [](const auto& a, const auto& b) {
    return std::abs(a.first) > std::abs(b.first);
  });
  Table table("What drove " + record.target, {{"circuit", ""}, {"contribution", unit}});
  Json bars = Json::array();
  for (const auto& [value, name] : order) {
    table.row({name, number(value, "%.3g")});
    bars.push_back({{"name", name}, {"v", short_number(value)}});
  }
  page.chart("contributions",
             "What drove the prediction of " + record.target +
                 ": coefficient times standardised measure, summed over the measures of a "
                 "circuit, in " +
                 unit + (is_binary(record) ? " of " + record.class_name[1] : std::string()) +
                 ". A part of a model's arithmetic, not a cause.",
             {{"unit", unit}, {"bars", bars}}, &table);
}

// Features that others of the cohort have and this session has not.
void say_what_was_filled_in(Page& page, const Session& session) {
  const Stored& stored = *session.stored;
  const auto row = static_cast<Eigen::Index>(session.row);
  if (!stored.features || row >= stored.features->value.rows()) return;
  int n_missing = 0, n_known = 0;
  for (const auto& column : stored.features->value.colwise()) {
    if (column.array().isNaN().all()) continue;
    ++n_known;
    n_missing += std::isnan(column[row]) ? 1 : 0;
  }
  if (n_missing == 0) return;
  page.paragraph(std::to_string(n_missing) + " of the " + std::to_string(n_known) +
                     " features that this cohort has are missing here (see the circuit profile): "
                     "the model took likely values in their place, and what it adds for those "
                     "circuits is not of this scan.",
                 "error");
}

} // namespace

void add_own_predictions(Page& page, const Session& session) {
  const Stored& stored = *session.stored;
  if (stored.predictions.empty()) {
    page.absent(stored.of_shard
                    ? "Predictions belong to the cohort; this page was made from one shard."
                    : "No outcome was predicted in this cohort.");
    return;
  }
  Table table("Out-of-fold predictions", {{"outcome", ""},
                                          {"model", ""},
                                          {"prediction", ""},
                                          {"interval or set", "conformal"},
                                          {"observed", ""},
                                          {"use it?", ""}});
  const std::size_t row = session.row;
  for (const auto& record : stored.predictions) {
    const double value = row < record.y.size() ? predicted(record, row) : NAN;
    std::string range, observed;
    if (is_binary(record)) {
      for (std::size_t c = 0; c < 2 && record.set.rows() > static_cast<Eigen::Index>(row); ++c) {
        if (record.set(static_cast<Eigen::Index>(row), static_cast<Eigen::Index>(c)) != 0)
          range += (range.empty() ? "" : " or ") + record.class_name[c];
      }
      if (row < record.y.size() && std::isfinite(record.y[row]))
        observed = record.class_name[record.y[row] > 0.5 ? 1 : 0];
    } else {
      if (row < record.lower.size() && std::isfinite(record.lower[row])) {
        range = number(record.lower[row]) + " to " + number(record.upper[row]) + " (" +
                number(100.0 * record.interval_level, "%.0f") + " %)";
      }
      observed = row < record.y.size() ? number(record.y[row]) : "";
    }
    const bool abstains = row < record.abstain.size() && record.abstain[row] != 0;
    table.row({record.target, record.model + ", " + record.cv,
               is_binary(record) && std::isfinite(value)
                   ? number(value) + " for " + record.class_name[1]
                   : number(value),
               range, observed,
               abstains            ? "no: " + why_abstained(record, row)
               : std::isnan(value) ? "none made"
                                   : "research only, with its interval"});
  }
  page.table(table);
  say_what_was_filled_in(page, session);
  for (const auto& record : stored.predictions) add_contributions(page, record, row);
  page.paragraph("How well each model does, beside its baselines, stands on the cohort page.",
                 "lead");
}

std::string participant_page(const std::vector<Session>& sessions, const std::string& volumes) {
  const Stored& first = *sessions.front().stored;
  const bool several = sessions.size() > 1;
  Page page;
  add_summary(page, sessions);
  for (const Session& session : sessions) add_session(page, session, several);
  const auto each = [&](const char* id, const char* title, const char* what,
                        void (*add)(Page&, const Session&)) {
    page.begin_section(id, title, what);
    for (const Session& session : sessions) {
      if (several) page.heading(session.stored->people.session_id[session.row]);
      add(page, session);
    }
    page.end_section();
  };
  each("profile", "Circuit profile",
       "Each score and feature is in standard deviations of the healthy group: 0 is its mean. A "
       "bar is the standard error of this "
       "scan. One measurement is not a diagnosis.",
       add_profile);
  each("norms", "Norms",
       "Each measure against healthy people of the same age, sex, site and motion, as far as the "
       "model knows them: z is standard normal among them, the centile is the share of them below.",
       add_own_norms);
  each("biotype", "Biotype", "", add_own_biotype);
  each("connectivity", "Connectivity", "", add_connectivity);
  each("predictions", "Predictions", "", add_own_predictions);
  add_viewer(page, volumes);
  add_review_panel(page, first, false);
  add_methods(page, first);
  const std::string& id = first.people.participant_id[sessions.front().row];
  const std::string back =
      first.of_shard ? "" : "<p><a href=\"./index.html#runs\">All participants</a></p>\n";
  return page.document(first.info.dataset_name.empty() ? id : id + ", " + first.info.dataset_name,
                       back, footer(first));
}

} // namespace boldmill::report
