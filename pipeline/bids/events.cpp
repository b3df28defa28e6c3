#include "pipeline/bids/events.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "pipeline/bids/text.hpp"
#include "pipeline/bids/tsv.hpp"
#include "stages/core/error.hpp"

namespace boldmill::bids {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

[[noreturn]] void refuse(const Table& table, std::size_t row, const std::string& what) {
  throw Error(ErrorKind::input, display(table.source(), 1000) + ", line " +
                                    std::to_string(table.line(row)) + ": " + what);
}

} // namespace

std::vector<Event> read_events(const std::filesystem::path& path) {
  const Table table = read_tsv(path);
  const std::vector<double> onset = table.numbers("onset");
  const std::vector<double> duration = table.numbers("duration");
  const auto trial_type = table.find("trial_type");
  // A response time that is not a number does not stop the analysis of the stimuli.
  const auto response = table.find("response_time");
  const auto modulation = table.find("modulation");
  const std::vector<double> weight =
      modulation ? table.numbers(*modulation) : std::vector<double>(table.n_rows(), 1.0);
  std::vector<Event> events;
  for (std::size_t row = 0; row < table.n_rows(); ++row) {
    if (!std::isfinite(onset[row])) refuse(table, row, "onset: found n/a, expected seconds");
    if (duration[row] < 0.0 || std::isinf(duration[row])) {
      refuse(table, row, "duration: found " + format_number(duration[row]) + ", expected >= 0 s");
    }
    Event event{onset[row], duration[row], {}, kNaN, weight[row], {}};
    if (trial_type) event.trial_type = table.cell(row, *trial_type);
    if (response) event.response_time_s = parse_number(table.cell(row, *response)).value_or(kNaN);
    for (std::size_t i = 0; i < table.n_columns(); ++i) {
      const std::string& name = table.names()[i];
      if (name == "onset" || name == "duration" || i == trial_type || i == modulation) continue;
      event.other.emplace(name, table.cell(row, i));
    }
    events.push_back(std::move(event));
  }
  std::stable_sort(events.begin(), events.end(),
                   [](const Event& a, const Event& b) { return a.onset_s < b.onset_s; });
  return events;
}

std::vector<std::string> check_events(const std::vector<Event>& events, double run_length_s) {
  std::size_t late = 0, early = 0, no_duration = 0, no_type = 0;
  for (const Event& event : events) {
    late += event.onset_s >= run_length_s ? 1 : 0;
    early += event.onset_s < 0.0 ? 1 : 0;
    no_duration += std::isnan(event.duration_s) ? 1 : 0;
    no_type += event.trial_type.empty() ? 1 : 0;
  }
  std::vector<std::string> warnings;
  const auto add = [&](std::size_t count, const std::string& what) {
    if (count == 0) return;
    warnings.push_back(std::to_string(count) + " of " + std::to_string(events.size()) + " events " +
                       what);
  };
  if (events.empty()) warnings.emplace_back("no events");
  add(late, "begin after the end of the run (" + format_number(run_length_s) + " s)");
  add(early, "begin before the first volume");
  add(no_duration, "have no duration");
  add(no_type, "have no trial_type");
  return warnings;
}

} // namespace boldmill::bids
