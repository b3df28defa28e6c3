#include "stages/cohort/kernels/learning_step.hpp"

#include <utility>

namespace boldmill::cohort {

Rows Rows::select(const std::vector<Eigen::Index>& rows) const {
  Rows out;
  out.x = x(rows, Eigen::all);
  out.names = names;
  if (covariates.cols() > 0) out.covariates = covariates(rows, Eigen::all);
  out.covariate_names = covariate_names;
  for (const Eigen::Index row : rows) {
    const auto r = static_cast<std::size_t>(row);
    if (!is_reference.empty()) out.is_reference.push_back(is_reference[r]);
    if (!batch.empty()) out.batch.push_back(batch[r]);
  }
  return out;
}

FittedRows fit_apply_steps(const std::vector<LearningStep>& steps, const Rows& training) {
  FittedRows out;
  const Rows* now = &training; // the first step makes the only copy
  for (const LearningStep& step : steps) {
    out.steps.push_back(step.fit(*now));
    out.rows = out.steps.back()(*now);
    now = &out.rows;
  }
  if (steps.empty()) out.rows = training;
  return out;
}

FittedSteps fit_steps(const std::vector<LearningStep>& steps, const Rows& training) {
  return fit_apply_steps(steps, training).steps;
}

Rows apply_steps(const FittedSteps& steps, const Rows& rows) {
  Rows out;
  const Rows* now = &rows;
  for (const auto& apply : steps) {
    out = apply(*now);
    now = &out;
  }
  return steps.empty() ? rows : out;
}

} // namespace boldmill::cohort
