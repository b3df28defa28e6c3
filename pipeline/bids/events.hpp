// events.tsv of a task run.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace boldmill::bids {

struct Event {
  double onset_s = 0.0;                     // from the first volume in the file; may be negative
  double duration_s = 0.0;                  // >= 0; 0 is an impulse; NaN when missing
  std::string trial_type;                   // "" when missing
  double response_time_s = 0.0;             // NaN when missing
  double modulation = 1.0;                  // column `modulation`, 1 when there is none
  std::map<std::string, std::string> other; // further columns, "" missing
};

// Sorted by onset, ties in file order. Error{input} with file and line: no onset or duration
// column, an onset that is missing or not a number, a negative duration.
[[nodiscard]] std::vector<Event> read_events(const std::filesystem::path& path);

// Lines that do not prevent use: onsets after the end of the run, unsorted onsets, missing
// duration.
[[nodiscard]] std::vector<std::string> check_events(const std::vector<Event>& events,
                                                    double run_length_s);

} // namespace boldmill::bids
