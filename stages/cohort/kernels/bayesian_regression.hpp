// Bayesian linear regression with a variance that follows covariates and a sinh-arcsinh warp of the
// response (Fraza 2021, doi:10.1016/j.neuroimage.2021.118715). Equations: METHOD.md,
// normative_model.
#pragma once

#include <Eigen/Dense>
#include <vector>

namespace boldmill::cohort {

// g(u) = sinh(b asinh(u) - a): a is skewness, b tails; a = 0, b = 1 changes nothing.
struct Warp {
  double a = 0.0, log_b = 0.0;
  [[nodiscard]] double forward(double u) const;
  [[nodiscard]] double inverse(double g) const;
};

struct RegressionData {
  Eigen::VectorXd u;      // n, response, about centred and scaled
  Eigen::MatrixXd x;      // n x c
  std::vector<int> block; // c: columns that share a prior precision, 0..; -1: nearly flat prior
  Eigen::MatrixXd v;      // n x r, design of the log variance, the first column 1
};
struct Hyper {
  Eigen::VectorXd log_precision; // one a block
  Eigen::VectorXd variance;      // r
  Warp warp;
  [[nodiscard]] Eigen::VectorXd packed(bool with_warp) const;
  [[nodiscard]] static Hyper unpacked(const Eigen::VectorXd& theta, Eigen::Index blocks,
                                      Eigen::Index r);
};
struct Posterior {
  Eigen::VectorXd weights;    // c
  Eigen::MatrixXd covariance; // c x c
  double log_evidence = 0.0;  // of u, with the Jacobian of the warp
};
[[nodiscard]] Posterior posterior(const RegressionData& data, const Hyper& hyper);

// -log evidence with its gradient in packed parameters, weak priors included.
[[nodiscard]] double objective(const RegressionData& data, const Eigen::VectorXd& theta,
                               Eigen::Index blocks, Eigen::VectorXd& gradient);

struct FittedRegression {
  Hyper hyper;
  Posterior posterior;
  int iterations = 0;
  bool converged = false;
};
// Hyperparameters where the evidence is largest. Not converged is an outcome, not an error.
[[nodiscard]] FittedRegression fit_regression(const RegressionData& data, bool with_warp);

} // namespace boldmill::cohort
