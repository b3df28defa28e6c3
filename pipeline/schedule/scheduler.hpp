// Runs a graph of tasks over TBB under a memory budget. A failing task never touches its siblings:
// what leaves a body becomes a Failure, and only its dependents are skipped, with the reason.
#pragma once

#include <cstddef>
#include <functional>
#include <stop_token>
#include <string>
#include <vector>

#include "stages/core/outcome.hpp"
#include "stages/core/stage_info.hpp"

namespace boldmill::schedule {

struct Task {
  std::string id;                 // unique, shown to people
  std::vector<std::size_t> after; // indices of tasks that must have ended; all below this one's
  bool needs_success = true;      // skipped when one of `after` did not succeed
  std::size_t peak_bytes = 0;     // declared, while it works
  std::size_t kept_bytes = 0;     // from its start until every task of its group has ended
  std::size_t group = 0;          // a participant-session; tasks that keep nothing may share one
  double estimated_s = 0.0;
  std::function<void(const Context&)> body;
  // Called once when the task failed or was skipped, before its dependents start. Must not throw.
  std::function<void(const Failure&)> on_failure;
};

enum class State { pending, running, done, failed, skipped, stopped };

struct Report {
  State state = State::pending;
  Failure failure;     // failed, skipped
  double wall_s = 0.0; // running time
  double cpu_s = 0.0;  // of the thread that ran the body
};

struct Event {
  std::size_t task;
  State state;
  std::size_t n_ended;
  std::size_t n_tasks;
  double remaining_s;     // estimate from the work that has ended; NaN at the start
  std::size_t n_held = 0; // could start now but for the memory budget
};

struct Options {
  int slots = 1;                // tasks at once, and threads
  std::size_t budget_bytes = 0; // of the whole process; 0: unlimited
  std::size_t base_bytes = 0;   // of it what is held whatever runs
  std::stop_token stop;         // no task is started after a request; running bodies see it too
  bool stop_on_first_failure = false;
  std::function<void(const Event&)> on_event; // called under a lock, from any thread
};

// Returns when every task has ended. Tasks are admitted in index order, smaller ones may overtake
// one that does not fit yet. A task that can never fit fails by name before it starts. After a
// disk failure nothing more is started. Reports are in task order.
// A group of which a task has started holds what its tasks keep and room for its largest one, so
// that it can always go on one task at a time: groups cannot starve each other with what they keep.
[[nodiscard]] std::vector<Report> execute(const std::vector<Task>& tasks, const Options& options);

} // namespace boldmill::schedule
