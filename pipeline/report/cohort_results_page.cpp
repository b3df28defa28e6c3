// Scores, tables of results, stages, and what both kinds of page say of methods and review.
#include <algorithm>
#include <cmath>

#include "pipeline/report/pages.hpp"

namespace boldmill::report {
namespace {

constexpr std::size_t kMostRows = 200;

// Headings, lists and paragraphs: all that methods.md uses.
void add_markdown(Page& page, const std::string& text) {
  bool in_list = false;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    const std::string line = text.substr(begin, end - begin);
    begin = end + 1;
    const bool item = line.starts_with("- ");
    if (item != in_list) page.markup(item ? "<ul>\n" : "</ul>\n");
    in_list = item;
    if (item) {
      page.item(line.substr(2));
    } else if (line.starts_with("#")) {
      const std::string title = line.substr(std::min(line.find_first_not_of("# "), line.size()));
      if (title != "Methods") page.heading(title);
    } else if (!line.empty()) {
      page.paragraph(line);
    }
  }
  if (in_list) page.markup("</ul>\n");
}

} // namespace

void add_cohort_scores(Page& page, const Stored& stored) {
  page.begin_section(
      "scores", "Circuit scores",
      "Means of standardised features against the healthy group: 0 is its mean, 1 its SD per "
      "feature; "
      "positive is more connectivity or activation than they have. Standard errors in brackets.");
  if (!stored.scores || stored.scores->value.array().isNaN().all()) {
    page.absent("No scores are stored: see what was not done.");
    page.end_section();
    return;
  }
  const auto& all_names = stored.cohort.header().score;
  const Eigen::MatrixXd& value = stored.scores->value;
  std::vector<Eigen::Index> shown; // those that anybody has
  std::vector<std::string> names;
  std::vector<Column> columns{{"participant-session", ""}, {"group", "", true}};
  Table meanings("What the names stand for",
                 {{"score", ""}, {"meaning", ""}, {"missing", "of all"}});
  for (Eigen::Index s = 0; s < value.cols(); ++s) {
    const std::string& name = all_names[static_cast<std::size_t>(s)];
    const std::string meaning = stored.meaning("score", name);
    const auto n_missing = value.col(s).array().isNaN().count();
    const std::string why = commonest_reason(stored.scores->reason, s);
    meanings.row({name, meaning,
                  n_missing == 0             ? "nobody"
                  : n_missing < value.rows() ? std::to_string(n_missing)
                                             : "everybody" + (why.empty() ? "" : ": " + why)});
    if (n_missing == value.rows()) continue;
    shown.push_back(s);
    names.push_back(name);
    columns.push_back({name, meaning});
  }
  Table table("Circuit scores", columns);
  Json points = Json::array();
  for (std::size_t row = 0; row < stored.people.participant_id.size(); ++row) {
    const auto r = static_cast<Eigen::Index>(row);
    std::vector<Cell> cells{{stored.session(row), page_href(stored.page(row)) + "#profile"},
                            stored.group[row]};
    Json own = Json::array();
    for (const Eigen::Index s : shown) {
      std::string cell = number(value(r, s));
      if (!cell.empty() && stored.scores->se.size() > 0 && !std::isnan(stored.scores->se(r, s))) {
        cell += " (" + number(stored.scores->se(r, s)) + ")";
      }
      cells.push_back(cell);
      own.push_back(short_number(value(r, s)));
    }
    table.row(cells);
    points.push_back({{"id", stored.session(row)}, {"group", stored.group[row]}, {"v", own}});
  }
  page.chart(
      "scores",
      "Box: median and quartiles of a group; dots lie beyond 1.5 times the interquartile range.",
      {{"names", names}, {"people", points}});
  if (shown.size() < all_names.size()) {
    page.paragraph(std::to_string(all_names.size() - shown.size()) + " of the " +
                   std::to_string(all_names.size()) +
                   " scores are missing for everybody and not drawn: the first table says why.");
  }
  page.table(meanings);
  page.table(table);
  page.end_section();
}

namespace {

// Values of text columns that are names for programs; others may be labels of people or columns.
std::string plain_value(const std::string& text) {
  return text == "eta_squared" ? "eta squared" : text == "cramers_v" ? "Cramer's V" : text;
}

std::string caption_of(const store::TableRecord& record) {
  if (record.what.empty()) return plain_words(record.path);
  std::string text = record.what;
  if (text[0] >= 'a' && text[0] <= 'z') text[0] = static_cast<char>(text[0] - 'a' + 'A');
  return text;
}

} // namespace

Table table_of(const store::TableRecord& record, std::size_t most_rows) {
  const auto& first = record.columns.front();
  const std::size_t n = first.is_text ? first.text.size() : first.number.size();
  std::vector<Column> columns;
  for (const auto& column : record.columns)
    columns.push_back({plain_words(column.name), column.what});
  Table table(caption_of(record), columns);
  for (std::size_t i = 0; i < std::min(n, most_rows); ++i) {
    std::vector<Cell> cells;
    for (const auto& column : record.columns) {
      cells.push_back(column.is_text ? plain_value(column.text[i])
                                     : number(column.number[i], "%.4g"));
    }
    table.row(cells);
  }
  return table;
}

void add_result_tables(Page& page, const Stored& stored) {
  std::string before;
  for (const auto& record : stored.tables) {
    if (record.axis == "row" || record.columns.empty()) continue;
    if (record.path == kSiteAssociation || record.path == kCircuitNames) continue; // elsewhere
    const std::string family = record.path.substr(0, record.path.find('/'));
    if (family != before) {
      if (!before.empty()) page.end_section();
      std::string title = plain_words(family);
      if (!title.empty() && title[0] >= 'a' && title[0] <= 'z')
        title[0] = static_cast<char>(title[0] - 'a' + 'A');
      page.begin_section(
          "table-" + bids::safe_component(family), title,
          family == "review" ? "How far two raters agree over the runs both decided on." : "");
      before = family;
    }
    const auto& first = record.columns.front();
    const std::size_t n = first.is_text ? first.text.size() : first.number.size();
    page.table(table_of(record, kMostRows));
    if (n > kMostRows) {
      page.paragraph("The first " + std::to_string(kMostRows) + " of " + std::to_string(n) +
                     " rows; tables/ has them all.");
    }
  }
  if (!before.empty()) page.end_section();
}

void add_reliability(Page& page, const Stored& stored) {
  page.begin_section(
      "reliability", "Reliability of the measures",
      "How much of the differences between people's values is the people: split halves of a run, "
      "repeated sessions (ICC) where there are any, and what the standard errors leave.");
  const auto record = stored.cohort.reliability();
  if (!record) {
    page.absent("Not stored: it takes several people with measures.");
    page.end_section();
    return;
  }
  std::vector<Column> columns{{"measure", ""}};
  for (const auto& column : store::reliability_columns())
    columns.push_back({plain_words(column.name), column.what});
  Table table("Reliability of each measure", columns);
  const auto& names = stored.cohort.header().measure;
  for (std::size_t m = 0; m < names.size(); ++m) {
    std::vector<Cell> cells{names[m]};
    for (const auto& column : store::reliability_columns()) {
      cells.push_back(column.is_text ? record->texts.at(column.name).at(m)
                                     : number(record->numbers.at(column.name).at(m), "%.3g"));
    }
    table.row(cells);
  }
  page.folded("Reliability of " + std::to_string(names.size()) + " measures", table);
  page.end_section();
}

void add_not_done(Page& page, const Stored& stored) {
  page.begin_section("not-done", "What was not done, and why");
  if (stored.not_done.empty()) {
    page.paragraph("Everything that was asked for was done.");
  } else {
    Table table("Analyses that were not done", {{"analysis", ""}, {"reason", ""}});
    for (const auto& item : stored.not_done) table.row({item.analysis, item.reason});
    page.table(table);
  }
  page.end_section();
}

void add_gates(Page& page, const Stored& stored) {
  const Json gates = stored.config.value("gates", Json::object());
  if (!gates.is_object() || gates.empty()) return;
  Table table("Gates and warnings, from the configuration", {{"threshold", ""}, {"value", ""}});
  for (const auto& [name, value] : gates.items()) table.row({name, value.dump()});
  page.folded("The thresholds of the automatic gates (`boldmill config explain gates`)", table);
}

void add_methods(Page& page, const Stored& stored) {
  page.begin_section("methods", "Methods");
  add_markdown(page, stored.methods);
  page.end_section();
}

std::string footer(const Stored& stored) {
  const auto& header = stored.cohort.header();
  return bids::html_escape(header.created_by + ", configuration " +
                           header.config_sha256.substr(0, 12) + ", circuit definition " +
                           header.taxonomy_sha256.substr(0, 12) +
                           ". Made from what is stored; nothing is loaded from elsewhere.");
}

void add_review_panel(Page& page, const Stored& stored, bool of_cohort) {
  page.begin_section("review", "Review");
  page.paragraph("Rate runs as pass, warn or fail on a participant's page. Ratings stay in this "
                 "browser until they are "
                 "downloaded as review.tsv; `--path review=review.tsv` makes the next run honour "
                 "and record them.");
  page.paragraph(
      "pass and warn become include, which overrules the automatic gates of motion and time (never "
      "a failure to "
      "process); fail becomes exclude and needs a note. Leave a run unrated to leave it to the "
      "gates. The tables "
      "of several raters may be put one under the other; their agreement is then reported.",
      "lead");
  const std::string key =
      stored.cohort.header().cohort_id + "-" + stored.cohort.header().config_sha256;
  page.markup("<div class=\"review\" data-cohort=\"" + bids::html_escape(key) + "\"></div>\n");
  if (of_cohort) {
    bool decided = false;
    for (const auto& run : stored.runs.run) decided = decided || !run.qc_decision.empty();
    if (!decided) page.absent("This cohort was made without a review file.");
  }
  page.end_section();
}

} // namespace boldmill::report
