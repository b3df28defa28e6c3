// Factor analysis by maximum likelihood: x = mean + loadings f + e, f ~ N(0, I), e of independent
// columns. The dimensional alternative to clusters. No missing values.
#pragma once

#include <Eigen/Dense>

namespace boldmill::cohort {

struct FactorModel {
  Eigen::RowVectorXd mean;  // p
  Eigen::MatrixXd loadings; // p x q
  Eigen::VectorXd noise;    // p, variances
  int iterations = 0;
  bool converged = true;

  // Expected factors given the columns: n x q.
  [[nodiscard]] Eigen::MatrixXd scores(const Eigen::MatrixXd& x) const;
  // Log density of every row (n), of x around `centre` instead of the mean when that has entries.
  [[nodiscard]] Eigen::VectorXd log_density(const Eigen::MatrixXd& x,
                                            const Eigen::RowVectorXd& centre = {}) const;
};

// Alternates the loadings that are best given the noise (eigenvectors of the scaled covariance,
// divisor n) with the noise they leave; noise never falls under 0.005 of a column's variance. At
// most 1,000 passes, until the mean log-likelihood gains less than 1e-8. Loadings point to a
// positive sum. q < p.
[[nodiscard]] FactorModel fit_factors(const Eigen::MatrixXd& x, int q);

} // namespace boldmill::cohort
