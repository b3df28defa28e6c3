// What `validate` finds out, as plain data.
#pragma once

#include <array>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "pipeline/bids/events.hpp"
#include "pipeline/bids/index.hpp"

namespace boldmill::cli {

// Events of a run that a task of the circuit definition can use.
struct EventCounts {
  std::map<std::string, std::size_t> of_condition;
  std::map<std::string, std::size_t> other; // by entry of no condition
};
// By task, for the events of a run with this BIDS task label. Called from several threads.
using CountEvents = std::function<std::map<std::string, EventCounts>(
    const std::string& label, const std::vector<bids::Event>& events)>;

struct RunCheck {
  std::string run_id, path, task;
  std::string problem; // why it would not be processed, or ""
  std::vector<std::string> warnings;
  std::array<int, 3> shape{0, 0, 0}; // zeros when the header was not read
  int n_volumes = 0;
  double tr_s = 0.0;
  int n_events = -1; // -1: no events.tsv
  std::map<std::string, EventCounts> task_events;
};

struct SessionCheck {
  std::string id, participant_id, session_id;
  std::string problem;                     // why nothing of it would be processed, or ""
  std::vector<std::string> t1w;            // that can be read, by path
  std::vector<std::string> warnings;       // about anatomy
  std::vector<std::string> table_warnings; // about scans.tsv
  std::vector<RunCheck> runs;
};

// Why not one run of the dataset can be processed, "" when at least one can. Reads headers until
// one is found.
[[nodiscard]] std::string reason_nothing_runs(const bids::BidsIndex& index);

// Opens the sidecars, the events and, with `headers`, the image headers of every session. In the
// order of the index, at any number of threads.
[[nodiscard]] std::vector<SessionCheck> check_sessions(const bids::BidsIndex& index, bool headers,
                                                       const CountEvents& count,
                                                       const Context& context);

} // namespace boldmill::cli
