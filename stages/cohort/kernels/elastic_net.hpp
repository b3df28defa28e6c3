// Elastic net in glmnet's formulation, x taken as it is (no scaling):
//   gaussian: min 1/(2n) |y - b0 - X b|^2           + lambda [(1 - a)/2 |b|^2 + a |b|_1]
//   binomial: min -1/n sum [y eta - log(1 + e^eta)] + lambda [(1 - a)/2 |b|^2 + a |b|_1]
//   squared_hinge (a = 0): min 1/(2n) sum max(0, 1 - s eta)^2 + lambda/2 |b|^2, s = 2 y - 1
// a = alpha (0 ridge, 1 lasso); the intercept b0 is not penalised. y of the last two is 0 or 1.
// Sources: Friedman 2010, doi:10.18637/jss.v033.i01; strong rules: Tibshirani 2012,
// doi:10.1111/j.1467-9868.2011.01004.x; linear SVM in the primal: Chapelle 2007,
// doi:10.1162/neco.2007.19.5.1155. Converged when no coordinate's change moves the objective by
// more than `tolerance` times the null deviance per observation.
#pragma once

#include <Eigen/Dense>
#include <memory>
#include <vector>

namespace boldmill::cohort {

enum class Family { gaussian, binomial, squared_hinge };

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

// One training set, many paths: what does not depend on the mixing (means, cross-products, the
// rotation of a ridge with more columns than rows) is computed once, when first needed. Keeps a
// reference to x.
class ElasticNetProblem {
public:
  ElasticNetProblem(const Eigen::MatrixXd& x, const Eigen::VectorXd& y, Family family);
  ElasticNetProblem(Eigen::MatrixXd&&, const Eigen::VectorXd&, Family) = delete;
  ~ElasticNetProblem();
  ElasticNetProblem(const ElasticNetProblem&) = delete;
  ElasticNetProblem& operator=(const ElasticNetProblem&) = delete;

  // Fits for every lambda in turn (descending order gives warm starts). X must be finite.
  [[nodiscard]] std::vector<ElasticNetFit> path(const std::vector<double>& lambdas,
                                                const ElasticNetSettings& settings);

private:
  struct State;
  std::unique_ptr<State> state_;
};

// The same for one path.
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
// n x fits, one product for all.
[[nodiscard]] Eigen::MatrixXd elastic_net_predict_all(const Eigen::MatrixXd& x,
                                                      const std::vector<ElasticNetFit>& fits,
                                                      Family family);

} // namespace boldmill::cohort
