// Where the time went.
#include <algorithm>
#include <cmath>
#include <map>

#include "pipeline/report/pages.hpp"

namespace boldmill::report {
namespace {

constexpr std::size_t kMostBars = 400;

// Which participant-session a run or session belongs to.
std::map<std::string, std::size_t> rows_by_item(const Stored& stored) {
  std::map<std::string, std::size_t> out;
  for (std::size_t i = 0; i < stored.runs.run.size(); ++i) {
    out[stored.runs.run[i].run_id] = static_cast<std::size_t>(stored.runs.row[i]);
  }
  for (std::size_t row = 0; row < stored.people.participant_id.size(); ++row) {
    out[stored.session(row)] = row;
  }
  return out;
}

// The participant-session in the middle by the time it took, with a start for every stage.
void add_timeline(Page& page, const Stored& stored,
                  const std::vector<store::ResourceRecord>& resources) {
  const auto rows = rows_by_item(stored);
  std::map<std::size_t, std::vector<const store::ResourceRecord*>> by_row;
  for (const auto& one : resources) {
    const auto row = rows.find(one.item);
    if (row != rows.end() && std::isfinite(one.start_s)) by_row[row->second].push_back(&one);
  }
  if (by_row.empty()) return page.absent("When stages began is not stored.");
  std::vector<std::pair<double, std::size_t>> order;
  for (const auto& [row, own] : by_row) {
    double wall_s = 0.0;
    for (const auto* one : own) wall_s += one->wall_s;
    order.emplace_back(wall_s, row);
  }
  std::sort(order.begin(), order.end());
  const std::size_t row = order[order.size() / 2].second;
  auto own = by_row.at(row);
  std::stable_sort(own.begin(), own.end(),
                   [](const auto* a, const auto* b) { return a->start_s < b->start_s; });
  Json bars = Json::array();
  Table table("Stages of " + stored.session(row) + " in the order they began",
              {{"stage", ""},
               {"of", ""},
               {"began s", "after the first"},
               {"took s", ""},
               {"cores", "CPU time of the process over wall time"},
               {"resident MB", "most that the process is known to have held meanwhile"}});
  for (const auto* one : own) {
    if (bars.size() == kMostBars) break;
    const double begin = one->start_s - own.front()->start_s;
    table.row({one->stage, one->item, number(begin, "%.1f"), number(one->wall_s, "%.2f"),
               number(one->cores), number(one->peak_bytes / 1e6, "%.0f")});
    bars.push_back({{"stage", one->stage},
                    {"item", one->item},
                    {"a", short_number(begin)},
                    {"b", short_number(begin + one->wall_s)},
                    {"cores", short_number(one->cores)},
                    {"mb", short_number(one->peak_bytes / 1e6)}});
  }
  page.chart("timeline",
             "One participant-session, " + stored.session(row) + ", of " +
                 std::to_string(by_row.size()) +
                 " the one in the middle by time: when each stage ran, how many cores the process "
                 "used meanwhile and how much memory it held. Others that ran in the same process "
                 "count in both.",
             bars, &table);
}

} // namespace

void add_stages(Page& page, const Stored& stored) {
  page.begin_section(
      "stages", "Where the time went",
      "Wall time of every stage and CPU time of the thread that called it, summed over people, and "
      "the largest memory of the process around it.");
  struct Use {
    double wall_s = 0.0, cpu_s = 0.0, peak = 0.0;
    std::size_t n = 0;
  };
  std::map<std::string, Use> uses;
  const auto resources = stored.cohort.resources();
  for (const auto& one : resources) {
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
  Table table("Time and memory of stages", {{"stage", ""},
                                            {"times", ""},
                                            {"wall s", "sum"},
                                            {"CPU s", "sum"},
                                            {"resident MB", "largest"}});
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
  if (!uses.empty()) add_timeline(page, stored, resources);
  page.end_section();
}

} // namespace boldmill::report
