// The plan of a study: which tasks, in which order, with how much memory and time. Pure: reads
// image headers, computes nothing, writes nothing.
#pragma once

#include <string>
#include <vector>

#include "pipeline/graph/study.hpp"

namespace boldmill::graph {

enum class TaskKind { anatomy, bold_run, person, cohort };
[[nodiscard]] std::string_view to_string(TaskKind kind);

struct PlanNode {
  TaskKind kind;
  std::string id;                  // "anatomy:sub-01", "bold:sub-01_task-rest", ...
  std::size_t session = 0;         // position in the index; 0 for the cohort
  std::size_t run = 0;             // position in the session, for bold_run
  std::vector<std::size_t> after;  // positions in the plan, all smaller
  std::vector<std::string> stages; // "name v1", in order
  std::size_t peak_bytes = 0;      // while it works
  double estimated_s = 0.0;
  std::string problem;        // why it will fail, known from the headers; "" when fine
  std::size_t kept_bytes = 0; // until all nodes of its session have ended
};

struct Plan {
  std::vector<PlanNode> nodes;
  [[nodiscard]] double estimated_s() const; // of all nodes on one core
};

// `participants`: anatomy, runs and persons; `group`: the cohort node.
[[nodiscard]] Plan make_plan(const Study& study, bool participants, bool group);

[[nodiscard]] std::string plan_text(const Plan& plan);
[[nodiscard]] std::string plan_json(const Plan& plan);
[[nodiscard]] std::string plan_dot(const Plan& plan);

} // namespace boldmill::graph
