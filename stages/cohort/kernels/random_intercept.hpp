// y = X b + u of the person + e, by restricted maximum likelihood (REML).
#pragma once

#include <Eigen/Dense>
#include <vector>

namespace boldmill::cohort {

struct RandomIntercept {
  Eigen::VectorXd coefficients; // c
  double residual_sd = 0.0;
  double ratio = 0.0;     // variance between people / residual variance
  bool estimable = false; // X has full rank and something is left over
};
// person: n ids 0..; x: n x c of full rank. The likelihood is profiled over the ratio, found by
// golden section on log(1 + ratio), 0 included. The first column of x is 1. No NaN.
[[nodiscard]] RandomIntercept fit_random_intercept(const Eigen::VectorXd& y,
                                                   const Eigen::MatrixXd& x,
                                                   const std::vector<int>& person);
// Expected intercept of every person given the residuals of his rows: shrunk mean, per row.
[[nodiscard]] Eigen::VectorXd expected_intercepts(const Eigen::VectorXd& residual,
                                                  const std::vector<int>& person, double ratio);

} // namespace boldmill::cohort
