// The losses of the elastic net and what Newton's method needs of them.
#pragma once

#include <Eigen/Dense>

#include "stages/cohort/kernels/elastic_net.hpp"

namespace boldmill::cohort {

// Mean loss at eta; gaussian: half the mean square.
[[nodiscard]] double mean_loss(Family family, const Eigen::VectorXd& eta, const Eigen::VectorXd& y);

// Derivatives of the mean loss with respect to eta, by row.
struct LossSlopes {
  Eigen::VectorXd first;  // n
  Eigen::VectorXd second; // n, >= a small positive number for binomial
};
[[nodiscard]] LossSlopes loss_slopes(Family family, const Eigen::VectorXd& eta,
                                     const Eigen::VectorXd& y);

[[nodiscard]] double penalty(const Eigen::VectorXd& beta, double lambda, double alpha);
// What the path starts from: no coefficients, the best intercept.
[[nodiscard]] double null_intercept(Family family, const Eigen::VectorXd& y);
[[nodiscard]] double soft_threshold(double value, double threshold);

} // namespace boldmill::cohort
