// Prediction intervals and sets from out-of-fold residuals (cross-conformal prediction).
#pragma once

#include <Eigen/Dense>
#include <cstdint>
#include <vector>

namespace boldmill::cohort {

// The ceil((1 - alpha)(n + 1))-th smallest of n values, infinity when n is too small for it.
[[nodiscard]] double conformal_quantile(std::vector<double> values, double alpha);

struct Interval {
  Eigen::VectorXd lower, upper;
};
// prediction -+ the quantile of the other rows' |y - prediction|. NaN where prediction is NaN.
[[nodiscard]] Interval conformal_interval(const Eigen::VectorXd& y,
                                          const Eigen::VectorXd& prediction, double alpha);

// Label c enters unless 1 - p(c) exceeds the quantile of the other rows of label c. N x 2.
[[nodiscard]] Eigen::Array<std::uint8_t, Eigen::Dynamic, 2>
conformal_set(const Eigen::VectorXd& y, const Eigen::VectorXd& probability, double alpha);

} // namespace boldmill::cohort
