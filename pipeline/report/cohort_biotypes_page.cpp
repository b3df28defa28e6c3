// Biotypes on the cohort page: every statistic beside what it is without clusters.
#include <algorithm>
#include <cmath>

#include "pipeline/report/pages.hpp"

namespace boldmill::report {
namespace {

std::string text_in(const store::GroupRecord& group, const char* name) {
  return group.has(name) && !group.array(name).text.empty() ? group.array(name).text.front() : "";
}

double number_in(const store::GroupRecord& group, const char* name) {
  return group.has(name) && !group.array(name).number.empty() ? group.array(name).number.front()
                                                              : NAN;
}

// Column `c` of a row-by-row table of `n` columns.
Spread column_of(const std::vector<double>& values, std::size_t n, std::size_t c) {
  std::vector<double> out;
  for (std::size_t i = c; i < values.size(); i += n) out.push_back(values[i]);
  return spread_of(out);
}

Table by_clusters(const store::GroupRecord& group) {
  const std::vector<double>& tested = group.array("k_tested").number;
  std::vector<Column> columns{{"clusters", ""}};
  std::vector<std::string> names;
  for (const char* name : {"silhouette", "silhouette_standardised", "ari_leave_one_out",
                           "ari_resampling", "ari_split_half"}) {
    if (!group.has(name)) continue;
    names.emplace_back(name);
    columns.push_back({name, group.array(name).what});
    if (!group.has(names.back() + "_null")) continue;
    columns.push_back(
        {"without clusters", "median and quartiles of the same over tables without clusters"});
    columns.push_back({"p", "no more stable than tables without clusters"});
  }
  Table table("Statistics by the number of clusters, each beside its null", columns);
  for (std::size_t k = 0; k < tested.size(); ++k) {
    std::vector<Cell> cells{number(tested[k], "%.0f")};
    for (const auto& name : names) {
      cells.push_back(number(group.array(name).number.at(k), "%.3f"));
      if (!group.has(name + "_null")) continue;
      const Spread s = column_of(group.array(name + "_null").number, tested.size(), k);
      cells.push_back(number(s.median, "%.3f") + " (" + number(s.q1, "%.3f") + " to " +
                      number(s.q3, "%.3f") + ")");
      cells.push_back(group.has("p_" + name) ? number(group.array("p_" + name).number.at(k), "%.3f")
                                             : "");
    }
    table.row(cells);
  }
  return table;
}

} // namespace

void add_biotypes(Page& page, const Stored& stored) {
  page.begin_section("biotypes", "Biotypes",
                     "Clusters can be drawn in any cloud of people. Each statistic stands beside "
                     "what it is in tables without "
                     "clusters; one declared test decides.");
  const auto& group = stored.biotypes;
  if (!group || !group->has("silhouette_standardised") || !group->has("k_tested")) {
    page.absent("Not stored: see what was not done.");
    page.end_section();
    return;
  }
  page.paragraph("Verdict: " + text_in(*group, "verdict_in_words") +
                 ". p = " + number(number_in(*group, "p"), "%.3f") + ".");
  page.table(by_clusters(*group));
  if (group->has("null_largest")) {
    const auto& observed = group->array("silhouette_standardised").number;
    const auto largest = std::max_element(observed.begin(), observed.end());
    const auto& null = group->array("null_largest").number;
    const Spread s = spread_of(null);
    Table table(
        "Null of the one declared test",
        {{"observed", ""}, {"tables without clusters", ""}, {"median", ""}, {"quartile 3", ""}});
    const double own = largest == observed.end() ? NAN : *largest;
    table.row(
        {number(own, "%.3f"), std::to_string(s.n), number(s.median, "%.3f"), number(s.q3, "%.3f")});
    page.chart("null",
               "Largest standardised silhouette over the numbers of clusters: of tables without "
               "clusters (bars) and as observed (line).",
               {{"metric", "largest standardised silhouette"},
                {"observed", short_number(own)},
                {"null", short_numbers(null)}},
               &table);
  }
  page.end_section();
}

} // namespace boldmill::report
