// Missing measures, and motion left in connectivity.
#include <algorithm>
#include <cmath>

#include "pipeline/report/pages.hpp"

namespace boldmill::report {
namespace {

constexpr std::size_t kMostPatterns = 30;
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

std::string commonest_reason(const std::vector<std::vector<std::string>>& reasons,
                             Eigen::Index column) {
  std::map<std::string, std::size_t> counts;
  for (const auto& row : reasons) {
    const std::string& reason = row.at(static_cast<std::size_t>(column));
    if (!reason.empty()) ++counts[reason];
  }
  const auto most =
      std::max_element(counts.begin(), counts.end(),
                       [](const auto& a, const auto& b) { return a.second < b.second; });
  if (most == counts.end()) return "";
  return most->first +
         (counts.size() > 1 ? " (and " + std::to_string(counts.size() - 1) + " others)" : "");
}

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
  Table table("How often each measure is missing", {{"measure", ""},
                                                    {"meaning", ""},
                                                    {"missing", "participant-sessions"},
                                                    {"of", ""},
                                                    {"commonest reason", ""}});
  for (Eigen::Index m = 0; m < values.cols(); ++m) {
    const auto n = values.col(m).array().isNaN().count();
    const std::string& name = names[static_cast<std::size_t>(m)];
    table.row({name, stored.meaning("measure", name), std::to_string(n),
               std::to_string(values.rows()), commonest_reason(stored.measures.reason, m)});
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
  if (records.empty()) {
    std::string why;
    for (const auto& item : stored.not_done) {
      if (!item.analysis.starts_with("qc_fc")) continue;
      why += (why.empty() ? "" : "; ") + item.analysis.substr(item.analysis.find('/') + 1) + ": " +
             item.reason;
    }
    page.absent("Not done: " +
                (why.empty() ? "it takes connectivity of ten people or more." : why + "."));
  }
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

} // namespace boldmill::report
