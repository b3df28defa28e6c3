// Missingness, connectivity and motion, scores, tables of results, stages.
#include <algorithm>
#include <cmath>

#include "pipeline/report/pages.hpp"

namespace boldmill::report {
namespace {

constexpr std::size_t kMostPatterns = 30;
constexpr std::size_t kMostRows = 200;
constexpr int kBins = 20;

// Which measures each row lacks, as "0010..."; how many rows share it.
std::vector<std::pair<std::string, std::size_t>> missing_patterns(const Eigen::MatrixXd& values) {
  std::map<std::string, std::size_t> counts;
  for (Eigen::Index r = 0; r < values.rows(); ++r) {
    std::string pattern;
    for (Eigen::Index m = 0; m < values.cols(); ++m) {
      pattern += std::isnan(values(r, m)) ? '1' : '0';
    }
    ++counts[pattern];
  }
  std::vector<std::pair<std::string, std::size_t>> out(counts.begin(), counts.end());
  std::stable_sort(out.begin(), out.end(),
                   [](const auto& a, const auto& b) { return a.second > b.second; });
  return out;
}

std::string commonest_reason(const Stored& stored, Eigen::Index measure) {
  std::map<std::string, std::size_t> counts;
  for (const auto& row : stored.measures.reason) {
    const std::string& reason = row[static_cast<std::size_t>(measure)];
    if (!reason.empty()) ++counts[reason];
  }
  const auto most =
      std::max_element(counts.begin(), counts.end(),
                       [](const auto& a, const auto& b) { return a.second < b.second; });
  if (most == counts.end()) return "";
  return most->first +
         (counts.size() > 1 ? " (and " + std::to_string(counts.size() - 1) + " others)" : "");
}

double distance_mm(const store::AtlasRecord& atlas, std::size_t a, std::size_t b) {
  return std::hypot(atlas.x_mm[a] - atlas.x_mm[b], atlas.y_mm[a] - atlas.y_mm[b],
                    atlas.z_mm[a] - atlas.z_mm[b]);
}

const store::AtlasRecord* atlas_of(const Stored& stored, const std::string& name) {
  for (const auto& atlas : stored.cohort.header().atlases) {
    if (atlas.name == name) return &atlas;
  }
  return nullptr;
}

// Quartiles of r in bins with the same number of edges, from near to far.
Json distance_bins(const store::QcFcRecord& record, const store::AtlasRecord& atlas) {
  std::vector<std::pair<double, double>> points; // distance, r
  std::size_t edge = 0;
  for (std::size_t a = 0; a < atlas.label.size(); ++a) {
    for (std::size_t b = a + 1; b < atlas.label.size(); ++b, ++edge) {
      if (edge < record.r.size() && std::isfinite(record.r[edge])) {
        points.emplace_back(distance_mm(atlas, a, b), record.r[edge]);
      }
    }
  }
  std::sort(points.begin(), points.end());
  Json out = Json::array();
  const std::size_t n = std::min<std::size_t>(kBins, points.size() / 5);
  for (std::size_t bin = 0; bin < n; ++bin) {
    const std::size_t begin = bin * points.size() / n, end = (bin + 1) * points.size() / n;
    std::vector<double> distance, r;
    for (std::size_t i = begin; i < end; ++i) {
      distance.push_back(points[i].first);
      r.push_back(points[i].second);
    }
    const Spread s = spread_of(r);
    out.push_back({{"mm", short_number(spread_of(distance).median)},
                   {"q1", short_number(s.q1)},
                   {"median", short_number(s.median)},
                   {"q3", short_number(s.q3)},
                   {"n", s.n}});
  }
  return out;
}

Table summary_of(const store::QcFcRecord& record) {
  Table table("QC-FC of " + record.source + ", " + record.atlas + ", " + record.kind,
              {{"statistic", ""}, {"value", ""}, {"95 % interval", ""}, {"p (permutation)", ""}});
  for (const auto& m : record.summary) {
    table.row(
        {m.name, number(m.value, "%.3f"),
         std::isnan(m.lower) ? "" : number(m.lower, "%.3f") + " to " + number(m.upper, "%.3f"),
         number(m.p_permutation, "%.3f")});
  }
  return table;
}

Table distance_table(const Json& bins) {
  Table table("r of connectivity with mean FD by the distance of the regions",
              {{"distance mm", "median of the bin"},
               {"quartile 1", ""},
               {"median r", ""},
               {"quartile 3", ""},
               {"edges", ""}});
  for (const Json& bin : bins) {
    table.row({number(bin["mm"].get<double>(), "%.0f"), number(bin["q1"].get<double>(), "%.3f"),
               number(bin["median"].get<double>(), "%.3f"), number(bin["q3"].get<double>(), "%.3f"),
               std::to_string(bin["n"].get<std::size_t>())});
  }
  return table;
}

} // namespace

void add_missingness(Page& page, const Stored& stored) {
  page.begin_section("missing", "Missing circuit measures",
                     "A measure without its task, its region or enough volumes is missing with a "
                     "reason, never zero.");
  const Eigen::MatrixXd& values = stored.measures.table.value;
  const auto& names = stored.cohort.header().measure;
  if (values.size() == 0) {
    page.absent("No circuit measures are stored.");
    page.end_section();
    return;
  }
  Json patterns = Json::array();
  const auto all = missing_patterns(values);
  for (const auto& [pattern, n] : all) {
    if (patterns.size() == kMostPatterns) break;
    patterns.push_back({{"n", n}, {"missing", pattern}});
  }
  Table table(
      "How often each measure is missing",
      {{"measure", ""}, {"missing", "participant-sessions"}, {"of", ""}, {"commonest reason", ""}});
  for (Eigen::Index m = 0; m < values.cols(); ++m) {
    const auto n = values.col(m).array().isNaN().count();
    table.row({names[static_cast<std::size_t>(m)], std::to_string(n), std::to_string(values.rows()),
               commonest_reason(stored, m)});
  }
  page.chart("missing",
             "A row is a pattern of missing measures (dark) with the number of "
             "participant-sessions that have it" +
                 std::string(all.size() > kMostPatterns
                                 ? ", the " + std::to_string(kMostPatterns) + " commonest of " +
                                       std::to_string(all.size())
                                 : "") +
                 "; a column is a measure.",
             {{"measures", names}, {"patterns", patterns}}, &table);
  page.end_section();
}

void add_motion_and_connectivity(Page& page, const Stored& stored) {
  page.begin_section("qcfc", "Motion left in connectivity",
                     "QC-FC: over people, the correlation of each connection with mean FD. Centred "
                     "on 0 and flat over "
                     "distance when denoising has removed what motion does.");
  const auto records = stored.cohort.qc_fc();
  if (records.empty()) page.absent("Not stored: it takes connectivity of ten people or more.");
  for (const auto& record : records) {
    page.heading(record.source + ", " + record.atlas + ", " + record.kind + ", " +
                 std::to_string(record.n_people) + " people");
    page.table(summary_of(record));
    Json data{{"r", Json::array()}, {"bins", Json::array()}};
    std::vector<int> histogram(40, 0);
    for (const double r : record.r) {
      if (std::isfinite(r))
        ++histogram[static_cast<std::size_t>(std::clamp((r + 1.0) * 20.0, 0.0, 39.0))];
    }
    data["r"] = histogram;
    const auto* atlas = atlas_of(stored, record.atlas);
    if (atlas != nullptr) data["bins"] = distance_bins(record, *atlas);
    const Table table = distance_table(data["bins"]);
    page.chart("qcfc",
               "Left: how many connections have which correlation with mean FD. Right: median and "
               "quartiles of "
               "that correlation by the distance between the regions.",
               data, &table);
  }
  page.end_section();
}

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
  const auto& names = stored.cohort.header().score;
  const Eigen::MatrixXd& value = stored.scores->value;
  std::vector<Column> columns{{"participant-session", ""}, {"group", "", true}};
  for (const auto& name : names) columns.push_back({name, ""});
  Table table("Circuit scores", columns);
  Json points = Json::array();
  for (std::size_t row = 0; row < stored.people.participant_id.size(); ++row) {
    const auto r = static_cast<Eigen::Index>(row);
    std::vector<Cell> cells{{stored.session(row), page_href(stored.page(row)) + "#profile"},
                            stored.group[row]};
    Json own = Json::array();
    for (Eigen::Index s = 0; s < value.cols(); ++s) {
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
  page.table(table);
  page.end_section();
}

Table table_of(const store::TableRecord& record, std::size_t most_rows) {
  const auto& first = record.columns.front();
  const std::size_t n = first.is_text ? first.text.size() : first.number.size();
  std::vector<Column> columns;
  for (const auto& column : record.columns) columns.push_back({column.name, column.what});
  Table table(record.path + (record.what.empty() ? "" : ": " + record.what), columns);
  for (std::size_t i = 0; i < std::min(n, most_rows); ++i) {
    std::vector<Cell> cells;
    for (const auto& column : record.columns) {
      cells.push_back(column.is_text ? column.text[i] : number(column.number[i], "%.4g"));
    }
    table.row(cells);
  }
  return table;
}

void add_result_tables(Page& page, const Stored& stored) {
  std::string before;
  for (const auto& record : stored.tables) {
    if (record.axis == "row" || record.columns.empty()) continue;
    const std::string family = record.path.substr(0, record.path.find('/'));
    if (family != before) {
      if (!before.empty()) page.end_section();
      std::string title = family;
      for (char& c : title) c = c == '_' ? ' ' : c;
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
    columns.push_back({column.name, column.what});
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

void add_stages(Page& page, const Stored& stored) {
  page.begin_section(
      "stages", "Where the time went",
      "Wall and CPU seconds of every stage, summed over people, and the largest memory of one.");
  struct Use {
    double wall_s = 0.0, cpu_s = 0.0, peak = 0.0;
    std::size_t n = 0;
  };
  std::map<std::string, Use> uses;
  for (const auto& one : stored.cohort.resources()) {
    Use& use = uses[one.stage];
    use.wall_s += one.wall_s;
    use.cpu_s += one.cpu_s;
    use.peak = std::max(use.peak, one.peak_bytes);
    ++use.n;
  }
  if (uses.empty()) page.absent("No times are stored.");
  std::vector<std::pair<std::string, Use>> order(uses.begin(), uses.end());
  std::stable_sort(order.begin(), order.end(),
                   [](const auto& a, const auto& b) { return a.second.wall_s > b.second.wall_s; });
  Table table(
      "Time and memory of stages",
      {{"stage", ""}, {"times", ""}, {"wall s", "sum"}, {"CPU s", "sum"}, {"peak MB", "largest"}});
  Json data = Json::array();
  for (const auto& [name, use] : order) {
    table.row({name, std::to_string(use.n), number(use.wall_s, "%.1f"), number(use.cpu_s, "%.1f"),
               number(use.peak / 1e6, "%.0f")});
    data.push_back({{"stage", name},
                    {"wall", short_number(use.wall_s)},
                    {"cpu", short_number(use.cpu_s)},
                    {"mb", short_number(use.peak / 1e6)}});
  }
  if (!uses.empty())
    page.chart("stages", "Sum of wall time of each stage (bar) and of CPU time (mark).", data,
               &table);
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

void add_methods(Page& page, const Stored& stored) {
  page.begin_section("methods", "Methods");
  page.paragraph(methods_text(stored.cohort, stored.info), "pre");
  for (const auto& atlas : stored.cohort.header().atlases) {
    page.paragraph("Regions " + atlas.name + " in " + atlas.space + ": " + atlas.description);
  }
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
