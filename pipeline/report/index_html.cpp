#include <algorithm>
#include <cmath>
#include <cstdio>

#include "pipeline/report/files.hpp"
#include "pipeline/report/report.hpp"

namespace boldmill::report {
namespace fs = std::filesystem;
namespace {

std::string escaped(const std::string& text) { return bids::html_escape(text); }

std::string number(double value, const char* format = "%.2f") {
  if (std::isnan(value)) return "";
  char text[32];
  std::snprintf(text, sizeof text, format, value);
  return text;
}

class Page {
public:
  void heading(const std::string& text) { html_ += "<h2>" + escaped(text) + "</h2>\n"; }
  void paragraph(const std::string& text) { html_ += "<p>" + escaped(text) + "</p>\n"; }
  void begin_table(const std::vector<std::string>& columns) {
    html_ += "<div class=\"wide\"><table><thead><tr>";
    for (const std::string& column : columns)
      html_ += "<th scope=\"col\">" + escaped(column) + "</th>";
    html_ += "</tr></thead><tbody>\n";
  }
  void row(const std::vector<std::string>& cells, const std::string& kind = "") {
    html_ += kind.empty() ? "<tr>" : "<tr class=\"" + escaped(kind) + "\">";
    for (const std::string& cell : cells) html_ += "<td>" + escaped(cell) + "</td>";
    html_ += "</tr>\n";
  }
  void end_table() { html_ += "</tbody></table></div>\n"; }
  [[nodiscard]] const std::string& html() const { return html_; }

private:
  std::string html_;
};

void add_runs(Page& page, const store::RunTable& runs) {
  page.heading("Runs");
  page.begin_table({"run", "status", "reason", "volumes", "kept", "mean FD mm", "FD share",
                    "std DVARS", "tSNR", "coreg Dice", "norm Dice", "dof left"});
  for (const store::RunRecord& r : runs.run) {
    page.row({r.run_id, r.status, r.reason, std::to_string(r.n_volumes), std::to_string(r.n_kept),
              number(r.mean_fd_mm), number(r.fd_above_threshold), number(r.mean_std_dvars),
              number(r.tsnr, "%.0f"), number(r.coreg_dice), number(r.norm_dice),
              number(r.dof_left, "%.0f")},
             r.status);
  }
  page.end_table();
}

void add_scores(Page& page, const store::CohortReader& cohort,
                const store::ParticipantsTable& people) {
  const auto scores = cohort.scores();
  if (!scores || scores->value.array().isNaN().all()) return;
  page.heading("Circuit scores");
  page.paragraph("z against the cohort's healthy group, standard error in brackets; empty is "
                 "missing, and the table of measures says why.");
  std::vector<std::string> columns{"participant", "session"};
  columns.insert(columns.end(), cohort.header().score.begin(), cohort.header().score.end());
  page.begin_table(columns);
  for (std::size_t row = 0; row < people.participant_id.size(); ++row) {
    std::vector<std::string> cells{people.participant_id[row], people.session_id[row]};
    for (Eigen::Index s = 0; s < scores->value.cols(); ++s) {
      const auto r = static_cast<Eigen::Index>(row);
      std::string cell = number(scores->value(r, s));
      if (!cell.empty() && scores->se.size() > 0 && !std::isnan(scores->se(r, s)))
        cell += " (" + number(scores->se(r, s)) + ")";
      cells.push_back(cell);
    }
    page.row(cells);
  }
  page.end_table();
}

// "data / people_used", in the order of the card.
void add_items(Page& page, const Json& json, const std::string& path) {
  if (json.is_object() || (json.is_array() && !json.empty() && json.front().is_object())) {
    std::size_t i = 0;
    for (const auto& item : json.items()) {
      const std::string name = json.is_array() ? std::to_string(++i) : item.key();
      add_items(page, item.value(), path.empty() ? name : path + " / " + name);
    }
    return;
  }
  std::string text;
  if (json.is_array()) {
    for (const Json& one : json) {
      text += (text.empty() ? "" : "; ") + (one.is_string() ? one.get<std::string>() : one.dump());
    }
  } else {
    text = json.is_string() ? json.get<std::string>() : json.is_null() ? "not known" : json.dump();
  }
  page.row({path, text});
}

void add_model_card(Page& page, const std::string& card) {
  const Json json = Json::parse(card, nullptr, false);
  if (!json.is_object()) return;
  page.paragraph("Model card");
  page.begin_table({"item", "value"});
  add_items(page, json, "");
  page.end_table();
}

// Results of the cohort that are short enough to be read; the rest is in tables/.
void add_result_tables(Page& page, const store::CohortReader& cohort) {
  constexpr std::size_t kMostRows = 200;
  for (const auto& table : cohort.result_tables()) {
    if (table.axis == "row" || table.columns.empty()) continue;
    const auto& first = table.columns.front();
    const std::size_t n = first.is_text ? first.text.size() : first.number.size();
    page.heading(table.path + ": " + table.what);
    std::vector<std::string> names;
    for (const auto& column : table.columns) names.push_back(column.name);
    page.begin_table(names);
    for (std::size_t i = 0; i < std::min(n, kMostRows); ++i) {
      std::vector<std::string> cells;
      for (const auto& column : table.columns) {
        cells.push_back(column.is_text ? column.text[i] : number(column.number[i], "%.4g"));
      }
      page.row(cells);
    }
    page.end_table();
    if (n > kMostRows)
      page.paragraph("The first " + std::to_string(kMostRows) + " of " + std::to_string(n) +
                     " rows.");
  }
}

void add_predictions(Page& page, const store::CohortReader& cohort) {
  for (const auto& p : cohort.predictions()) {
    page.heading("Prediction of " + p.target + " (" + p.model + ", " + p.cv + ")");
    page.begin_table({"metric", "value", "95 % interval", "p (permutation)"});
    for (const auto& m : p.metrics) {
      const std::string interval =
          std::isnan(m.lower) ? "" : number(m.lower) + " to " + number(m.upper);
      page.row({m.name, number(m.value, "%.3f"), interval, number(m.p_permutation, "%.3f")});
    }
    page.end_table();
    std::size_t abstained = 0;
    for (const auto a : p.abstain) abstained += a;
    page.paragraph(std::to_string(abstained) + " of " + std::to_string(p.abstain.size()) +
                   " people are outside the training distribution (abstain = 1 in the table): "
                   "their numbers are "
                   "not to be used.");
    add_model_card(page, p.model_card);
  }
}

} // namespace

std::string index_html(const store::CohortReader& cohort, const ReportInfo& info) {
  Page page;
  const store::ParticipantsTable people = cohort.participants();
  const store::RunTable runs = cohort.runs();
  page.paragraph("Research use only: not a medical device. Scores and predictions are not for "
                 "decisions about a person.");
  if (!info.template_note.empty()) page.paragraph("Note: " + info.template_note + ".");
  page.paragraph(std::to_string(people.participant_id.size()) + " participant-sessions, " +
                 std::to_string(runs.run.size()) + " runs. boldmill " + info.generator_version +
                 ", configuration " + cohort.header().config_sha256.substr(0, 12) + ".");
  const auto not_done = cohort.not_done();
  if (!not_done.empty()) {
    page.heading("Not done");
    page.begin_table({"analysis", "reason"});
    for (const auto& item : not_done) page.row({item.analysis, item.reason});
    page.end_table();
  }
  add_runs(page, runs);
  add_scores(page, cohort, people);
  add_predictions(page, cohort);
  add_result_tables(page, cohort);
  page.heading("Regions");
  for (const auto& atlas : cohort.header().atlases)
    page.paragraph(atlas.name + " in " + atlas.space + ": " + atlas.description);
  const std::string title =
      escaped(info.dataset_name.empty() ? "boldmill" : "boldmill: " + info.dataset_name);
  return "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
         "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">"
         "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src "
         "'unsafe-inline'\">"
         "<title>" +
         title +
         "</title><style>"
         "body{font:15px/1.45 system-ui,sans-serif;margin:1.5rem auto;max-width:80rem;padding:0 "
         "1rem;color:#1a1a1a;background:#fff}"
         ".wide{overflow-x:auto}table{border-collapse:collapse;font-size:13px}th,td{padding:.25rem "
         ".55rem;border-bottom:1px solid #ccc;text-align:left}"
         "th{position:sticky;top:0;background:#f2f2f2}tr.failed td{background:#fbe3dc}tr.excluded "
         "td{background:#fdf0d0}tr.warning td{background:#fffbe6}"
         "</style></head><body><h1>" +
         title + "</h1>\n" + page.html() + "</body></html>\n";
}

void write_index_html(const fs::path& out, const store::CohortReader& cohort,
                      const ReportInfo& info) {
  bids::write_file_atomically(out / "index.html", index_html(cohort, info));
}

} // namespace boldmill::report
