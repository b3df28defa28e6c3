// Gram matrices and the Ledoit-Wolf shrunk covariance.
// Source: Ledoit & Wolf 2004, doi:10.1016/S0047-259X(03)00096-4.
#pragma once

#include <Eigen/Dense>

#include "stages/core/stage_info.hpp"

namespace boldmill::connectivity {

// x'x, in fixed tiles: the same bits at any number of threads.
[[nodiscard]] Eigen::MatrixXd gram(const Eigen::MatrixXd& x, const Context& context);
// x'y, the same way.
[[nodiscard]] Eigen::MatrixXd cross(const Eigen::MatrixXd& x, const Eigen::MatrixXd& y,
                                    const Context& context);

// Covariance (1 - shrinkage) x'x / n + shrinkage mu I as a ridge on a scaled Gram matrix:
// scale x'x + ridge I.
struct Shrinkage {
  double shrinkage = 0.0; // 0..1
  double scale = 0.0;     // (1 - shrinkage) / n
  double ridge = 0.0;     // shrinkage mu, mu = trace / regions
};

// `x`: centred, n x regions. One region is not shrunk, as in scikit-learn.
[[nodiscard]] Shrinkage ledoit_wolf(const Eigen::MatrixXd& x, const Context& context);

// Inverse of a symmetric positive definite matrix by Cholesky. False when it is not definite to
// 1e-12 of its diagonal (then `out` is unspecified).
[[nodiscard]] bool invert_definite(const Eigen::MatrixXd& matrix, Eigen::MatrixXd& out);

} // namespace boldmill::connectivity
