// Small regressions: weighted least squares with classical or robust errors, logistic regression by
// maximum likelihood, ridge with its penalty from leave-one-out residuals. Designs bring their own
// column of ones, but for the ridge. Nothing here knows missing values.
#pragma once

#include <Eigen/Dense>
#include <vector>

namespace boldmill::cohort {

enum class Errors { classical, hc3 };

struct LinearFit {
  Eigen::VectorXd beta;       // q, NaN: explained by other columns
  Eigen::MatrixXd covariance; // q x q, NaN likewise
  double residual_sd = 0.0;   // sqrt(sum w e^2 / df)
  double degrees_of_freedom = 0.0;
  [[nodiscard]] double t(Eigen::Index column) const;
  [[nodiscard]] double p_value(Eigen::Index column) const; // two-sided, Student
};
// `weights`: empty, or one a row. hc3: sum of x x' w^2 e^2 / (1 - h)^2 between the inverses
// (MacKinnon & White 1985, doi:10.1016/0304-4076(85)90158-7).
[[nodiscard]] LinearFit linear_fit(const Eigen::MatrixXd& x, const Eigen::VectorXd& y,
                                   const Eigen::VectorXd& weights, Errors errors);

struct WaldTest {
  double f = 0.0, df1 = 0.0, df2 = 0.0, p_value = 1.0; // NaN: nothing to test
};
// That all of `columns` are 0; those without an estimate do not count.
[[nodiscard]] WaldTest wald_test(const LinearFit& fit, const std::vector<Eigen::Index>& columns);

struct LogisticFit {
  Eigen::VectorXd beta;
  Eigen::MatrixXd covariance;
  bool converged = false; // false: separation, or dependent columns
};
[[nodiscard]] LogisticFit logistic_fit(const Eigen::MatrixXd& x, const Eigen::VectorXd& y);
[[nodiscard]] Eigen::VectorXd logistic_probability(const Eigen::MatrixXd& x,
                                                   const Eigen::VectorXd& beta);

struct RidgeFit {
  double intercept = 0.0;
  Eigen::VectorXd beta;
  double lambda = 0.0; // of |y - a - X b|^2 + lambda |b|^2
  Eigen::VectorXd loo; // residuals of leaving out each row, at that lambda
  [[nodiscard]] Eigen::VectorXd predict(const Eigen::MatrixXd& x) const {
    return (x * beta).array() + intercept;
  }
};
// The lambda of the list with the least sum of squared leave-one-out residuals (exactly, from the
// hat matrix); of equals the larger. Without columns: the mean.
[[nodiscard]] RidgeFit ridge_fit(const Eigen::MatrixXd& x, const Eigen::VectorXd& y,
                                 const std::vector<double>& lambdas);

} // namespace boldmill::cohort
