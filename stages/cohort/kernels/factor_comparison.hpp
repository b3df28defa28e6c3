// Factors or clusters? Density of held-out people under factor models, and under clusters with the
// same factors inside them. The chain is learned on each training part.
#pragma once

#include <Eigen/Dense>
#include <cstdint>
#include <vector>

#include "stages/cohort/kernels/learning_step.hpp"

namespace boldmill::cohort {

struct ComparisonOptions {
  int max_factors = 10, folds = 5;
  int clusters = 2;
  std::uint64_t seed = 1;
};
struct FactorComparison {
  Eigen::VectorXd log_density;                        // 0..max_factors, mean over held-out people
  int factors = 0;                                    // where it is largest
  double clusters_gain = 0.0, clusters_gain_se = 0.0; // mean over people, and its standard error
};
// Controls (Rows::is_reference) serve the chain only; people with a missing feature take no part.
[[nodiscard]] FactorComparison compare_factors(const Rows& rows,
                                               const std::vector<LearningStep>& chain,
                                               const ComparisonOptions& options);

} // namespace boldmill::cohort
