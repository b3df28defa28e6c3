// Elastic net by coordinate descent in glmnet's formulation, x taken as it is (no scaling):
//   gaussian: min 1/(2n) |y - b0 - X b|^2           + lambda [(1 - a)/2 |b|^2 + a |b|_1]
//   binomial: min -1/n sum [y eta - log(1 + e^eta)] + lambda [(1 - a)/2 |b|^2 + a |b|_1]
// a = alpha (0 ridge, 1 lasso); the intercept b0 is not penalised. y of binomial is 0 or 1.
// Source: Friedman 2010, doi:10.18637/jss.v033.i01. Converged when no coordinate's change moves the
// objective by more than `tolerance` times the null deviance per observation.
#pragma once

#include <Eigen/Dense>
#include <vector>

namespace boldmill::cohort {

enum class Family { gaussian, binomial };

struct ElasticNetSettings {
  Family family = Family::gaussian;
  double alpha = 0.5;
  double tolerance = 1e-9;
  int max_sweeps = 10000;
};

struct ElasticNetFit {
  double intercept = 0.0;
  Eigen::VectorXd beta; // p
  bool converged = false;
};

// Fits for every lambda in turn (descending order gives warm starts). X must be finite.
[[nodiscard]] std::vector<ElasticNetFit> elastic_net_path(const Eigen::MatrixXd& x,
                                                          const Eigen::VectorXd& y,
                                                          const std::vector<double>& lambdas,
                                                          const ElasticNetSettings& settings);

// `count` values, geometric, from L / max(alpha, 0.01) down to ratio * L, L the smallest lasso
// penalty that zeroes every coefficient. glmnet ends at ratio times its first value, which for a
// ridge (its alpha is taken as 0.001) is far too strong: the low end here does not depend on alpha.
[[nodiscard]] std::vector<double> lambda_path(const Eigen::MatrixXd& x, const Eigen::VectorXd& y,
                                              double alpha, int count, double ratio);

// The objective above at given coefficients.
[[nodiscard]] double elastic_net_objective(const Eigen::MatrixXd& x, const Eigen::VectorXd& y,
                                           const ElasticNetFit& fit, double lambda,
                                           const ElasticNetSettings& settings);

// b0 + X b, and for binomial the probability.
[[nodiscard]] Eigen::VectorXd elastic_net_predict(const Eigen::MatrixXd& x,
                                                  const ElasticNetFit& fit, Family family);

} // namespace boldmill::cohort
