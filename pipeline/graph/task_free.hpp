// Task-free measures of a person: from resting runs, or from the residuals of task runs (nuisance,
// drift and the task's regressors removed per run, z-scored per run, one run after the other; Fair
// 2007, doi:10.1016/j.neuroimage.2006.11.051).
#pragma once

#include <span>
#include <string>
#include <vector>

#include "pipeline/config/config.hpp"
#include "pipeline/graph/nuisance.hpp"
#include "stages/circuits/intrinsic_measures.hpp"

namespace boldmill::graph {

// Of each run the first or the second half of the volumes kept (rounded down, the rest).
[[nodiscard]] std::vector<std::uint8_t> half_of(std::span<const std::uint8_t> keep, bool second);

struct TaskFreeRun {
  std::size_t index = 0; // of the session's run
  std::string run_id;
  Eigen::MatrixXf series; // T x R of the circuit set, denoised, volumes not kept NaN
  std::vector<std::uint8_t> keep;
  std::vector<double> coverage;
  int n_regressed = 0;
};
struct TaskFreeInputs {
  const taxonomy::Taxonomy* taxonomy = nullptr;
  const std::vector<std::string>* regions = nullptr; // codes of the columns
  std::vector<TaskFreeRun> runs;
  bool residual = false; // the runs are one series
  std::string no_runs_reason;
};
struct TaskFree {
  std::vector<intrinsic_measures::Measure> measures; // of the whole definition, in its order
  std::vector<double> half_difference;               // first minus second half, NaN unknown
  // By run of the inputs: T x M, see measure_covariance.
  std::vector<Eigen::MatrixXd> influence;
};
// Errors: gate when too few volumes are kept.
[[nodiscard]] TaskFree task_free_measures(const TaskFreeInputs& inputs,
                                          const config::Config& config, const Context& context);

// The series of a task run without nuisance, drift and `task_columns` (T x K).
// Errors: gate and input as nuisance_regression.
[[nodiscard]] TaskFreeRun residual_run(const RunResult& run, std::size_t set,
                                       std::span<const std::uint8_t> keep,
                                       const Eigen::MatrixXd& task_columns,
                                       const config::Config& config, const Context& context);

} // namespace boldmill::graph
