// Executes a study's plan: each node becomes a task of the scheduler.
#pragma once

#include "pipeline/cache/claim.hpp"
#include "pipeline/graph/plan.hpp"
#include "pipeline/schedule/journal.hpp"
#include "pipeline/schedule/scheduler.hpp"

namespace boldmill::schedule {

struct StudyResult {
  std::vector<RunLine> runs;   // of every participant-session, in plan order
  std::vector<RunLine> people; // participant-sessions whose shard could not be written
  std::size_t n_people_done = 0;
  bool interrupted = false;
  std::optional<Failure> fatal; // disk full, internal
  double wall_s = 0.0;
};

struct StudyOptions {
  int nprocs = 1;
  std::size_t budget_bytes = 0;
  bool stop_on_first_failure = false;
  std::stop_token stop;
  std::function<void(const graph::PlanNode&, const Event&)> on_event;
  // With claims, what another process works on is left to it, and waited for at the end: the result
  // has every participant-session whoever made it. Null: this process is alone.
  cache::Claims* claims = nullptr;
  Journal* journal = nullptr; // null: nothing is said of the progress
};

// The plan must hold participants' nodes only (the cohort is a step of its own, see graph/cohort).
[[nodiscard]] StudyResult run_study(const graph::Study& study, const graph::Plan& plan,
                                    const StudyOptions& options);

} // namespace boldmill::schedule
