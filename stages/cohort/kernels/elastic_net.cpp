#include "stages/cohort/kernels/elastic_net.hpp"

#include <algorithm>
#include <cmath>

#include "stages/cohort/kernels/column_descent.hpp"
#include "stages/cohort/kernels/elastic_net_loss.hpp"
#include "stages/cohort/kernels/wide_path.hpp"

namespace boldmill::cohort {
namespace {

constexpr double kSmallestAlpha = 1e-2;   // in the penalty a path starts from
constexpr Eigen::Index kFewColumns = 256; // all in one cross-product matrix

} // namespace

struct ElasticNetProblem::State {
  const Eigen::MatrixXd& x;
  Eigen::VectorXd y;
  Family family;
  std::unique_ptr<ColumnDescent> all; // every column, no coefficients
  std::unique_ptr<Rotation> rotation;

  [[nodiscard]] double small(double tolerance) const {
    const Eigen::VectorXd null = Eigen::VectorXd::Constant(y.size(), null_intercept(family, y));
    // Of the variance a tenth: sweeps over cross-products are cheap, and glmnet ends as near.
    const double scale = family == Family::gaussian ? 0.2 : 1.0;
    return tolerance * std::max(scale * mean_loss(family, null, y), 1e-300);
  }
};

ElasticNetProblem::ElasticNetProblem(const Eigen::MatrixXd& x, const Eigen::VectorXd& y,
                                     Family family)
    : state_(new State{x, y, family, nullptr, nullptr}) {}
ElasticNetProblem::~ElasticNetProblem() = default;

std::vector<ElasticNetFit> ElasticNetProblem::path(const std::vector<double>& lambdas,
                                                   const ElasticNetSettings& settings) {
  State& s = *state_;
  if (s.x.cols() == 0) { // e.g. a covariate with one level only
    return std::vector<ElasticNetFit>(lambdas.size(),
                                      {null_intercept(s.family, s.y), Eigen::VectorXd(0), true});
  }
  const double small = s.small(settings.tolerance);
  const bool rotate = settings.alpha == 0.0 && s.x.cols() > s.x.rows();
  if (!rotate && settings.alpha > 0.0 && s.x.cols() > kFewColumns) {
    return screened_path(s.x, s.y, lambdas, settings, small);
  }
  if (rotate && !s.rotation) s.rotation = std::make_unique<Rotation>(s.x);
  std::unique_ptr<ColumnDescent> rotated;
  if (rotate) {
    rotated = std::make_unique<ColumnDescent>(s.y, s.family);
    rotated->append_all(s.rotation->columns());
  } else if (!s.all) {
    s.all = std::make_unique<ColumnDescent>(s.y, s.family);
    s.all->append_all(s.x);
  }
  ColumnDescent descent = rotate ? *rotated : *s.all;
  std::vector<ElasticNetFit> fits;
  if (s.family == Family::gaussian && settings.alpha == 0.0) {
    fits = descent.ridge(lambdas);
  } else {
    for (const double lambda : lambdas) {
      const bool converged = descent.solve(lambda, small, settings);
      fits.push_back({descent.intercept(), descent.beta(), converged});
    }
  }
  return rotate ? s.rotation->back(fits) : fits;
}

std::vector<ElasticNetFit> elastic_net_path(const Eigen::MatrixXd& x, const Eigen::VectorXd& y,
                                            const std::vector<double>& lambdas,
                                            const ElasticNetSettings& settings) {
  return ElasticNetProblem(x, y, settings.family).path(lambdas, settings);
}

std::vector<double> lambda_path(const Eigen::MatrixXd& x, const Eigen::VectorXd& y, double alpha,
                                int count, double ratio) {
  const Eigen::VectorXd centred = y.array() - y.mean(); // so the columns need not be
  double lasso = 0.0;
  if (x.cols() > 0) {
    lasso = (x.transpose() * centred).cwiseAbs().maxCoeff() / static_cast<double>(x.rows());
  }
  if (!(lasso > 0.0)) lasso = 1.0;
  lasso *= 1.0 + 1e-12; // rounding must not let a coefficient in at the first penalty
  const double first = lasso / std::max(alpha, kSmallestAlpha);
  const double step = count == 1 ? 1.0 : std::pow(ratio * lasso / first, 1.0 / (count - 1));
  std::vector<double> out;
  for (int i = 0; i < count; ++i) out.push_back(first * std::pow(step, i));
  return out;
}

double elastic_net_objective(const Eigen::MatrixXd& x, const Eigen::VectorXd& y,
                             const ElasticNetFit& fit, double lambda,
                             const ElasticNetSettings& settings) {
  const Eigen::VectorXd eta = (x * fit.beta).array() + fit.intercept;
  return mean_loss(settings.family, eta, y) + penalty(fit.beta, lambda, settings.alpha);
}

Eigen::VectorXd elastic_net_predict(const Eigen::MatrixXd& x, const ElasticNetFit& fit,
                                    Family family) {
  const Eigen::VectorXd eta = (x * fit.beta).array() + fit.intercept;
  if (family == Family::binomial) return 1.0 / (1.0 + (-eta.array()).exp());
  return eta;
}

Eigen::MatrixXd elastic_net_predict_all(const Eigen::MatrixXd& x,
                                        const std::vector<ElasticNetFit>& fits, Family family) {
  const auto n_fits = static_cast<Eigen::Index>(fits.size());
  std::vector<Eigen::Index> used; // columns with a coefficient in any fit
  for (Eigen::Index j = 0; j < x.cols(); ++j) {
    if (std::any_of(fits.begin(), fits.end(), [j](const auto& f) { return f.beta[j] != 0.0; })) {
      used.push_back(j);
    }
  }
  Eigen::MatrixXd beta(static_cast<Eigen::Index>(used.size()), n_fits);
  Eigen::RowVectorXd intercept(n_fits);
  for (Eigen::Index l = 0; l < n_fits; ++l) {
    beta.col(l) = fits[static_cast<std::size_t>(l)].beta(used);
    intercept[l] = fits[static_cast<std::size_t>(l)].intercept;
  }
  const bool whole = used.size() == static_cast<std::size_t>(x.cols());
  Eigen::MatrixXd eta;
  if (whole)
    eta.noalias() = x * beta;
  else
    eta.noalias() = x(Eigen::all, used) * beta;
  eta.rowwise() += intercept;
  if (family == Family::binomial) return 1.0 / (1.0 + (-eta.array()).exp());
  return eta;
}

} // namespace boldmill::cohort
