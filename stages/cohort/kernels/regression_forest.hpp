// Mean of regression trees on bootstrap samples (Breiman 2001, doi:10.1023/A:1010933404324), every
// node split by the column, of mtry drawn at random, and the midpoint that reduce the sum of
// squares most. Each tree has a seed of its own: results do not depend on threads. Cost O(trees
// mtry n log^2 n).
#pragma once

#include <Eigen/Dense>
#include <cstdint>

#include "stages/core/stage_info.hpp"

namespace boldmill::cohort {

struct ForestOptions {
  int trees = 500;
  int mtry = 0;     // 0: floor(sqrt(columns))
  int min_node = 5; // nodes of that many rows are not split
  std::uint64_t seed = 1;
};
// Predictions for `rows` (m x p) of the forest of x (n x p) and y; no missing values.
[[nodiscard]] Eigen::VectorXd forest_predictions(const Eigen::MatrixXd& x, const Eigen::VectorXd& y,
                                                 const Eigen::MatrixXd& rows,
                                                 const ForestOptions& options,
                                                 const Context& context);

} // namespace boldmill::cohort
