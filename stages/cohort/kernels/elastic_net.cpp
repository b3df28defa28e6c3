#include "stages/cohort/kernels/elastic_net.hpp"

#include <algorithm>
#include <cmath>

namespace boldmill::cohort {
namespace {

constexpr int kMaxReweightings = 200;
constexpr double kSmallestAlpha = 1e-2;  // in the penalty a path starts from
constexpr double kSmallestWeight = 1e-5; // p (1 - p) of a fitted probability at 0 or 1

double soft_threshold(double value, double threshold) {
  if (value > threshold) return value - threshold;
  if (value < -threshold) return value + threshold;
  return 0.0;
}

// min over b of 1/2 b'A b - c'b + lambda [(1 - a)/2 |b|^2 + a |b|_1]: covariance updates, with the
// gradient c - A b kept up to date. `active` visits cycle over non-zero coefficients until settled.
class CovarianceDescent {
public:
  CovarianceDescent(Eigen::MatrixXd gram, Eigen::VectorXd moment,
                    const ElasticNetSettings& settings)
      : gram_(std::move(gram)), gradient_(std::move(moment)), settings_(settings) {}

  // Continues from `beta`; the largest decrease allowed to remain is `small` (objective units).
  bool solve(Eigen::VectorXd& beta, double lambda, double small) {
    for (int sweep = 0; sweep < settings_.max_sweeps; ++sweep) {
      if (sweep_all(beta, lambda, false) < small) return true;
      while (sweep_all(beta, lambda, true) >= small && sweep < settings_.max_sweeps) ++sweep;
    }
    return false;
  }
  void start(const Eigen::VectorXd& beta) { gradient_.noalias() -= gram_ * beta; }

private:
  double sweep_all(Eigen::VectorXd& beta, double lambda, bool only_active) {
    const double ridge = lambda * (1.0 - settings_.alpha);
    const double lasso = lambda * settings_.alpha;
    double largest = 0.0;
    for (Eigen::Index j = 0; j < beta.size(); ++j) {
      if (only_active && beta[j] == 0.0) continue;
      const double curvature = gram_(j, j);
      if (curvature <= 0.0) continue;
      const double before = beta[j];
      const double after =
          soft_threshold(gradient_[j] + curvature * before, lasso) / (curvature + ridge);
      if (after == before) continue;
      const double change = after - before;
      beta[j] = after;
      gradient_.noalias() -= change * gram_.col(j);
      largest = std::max(largest, curvature * change * change);
    }
    return largest;
  }

  Eigen::MatrixXd gram_;
  Eigen::VectorXd gradient_;
  ElasticNetSettings settings_;
};

// The same by residuals, for more columns than a Gram matrix is worth. Weights w_i >= 0 sum to 1:
// min 1/2 sum w (z - b0 - x b)^2 + penalty.
class ResidualDescent {
public:
  ResidualDescent(const Eigen::MatrixXd& x, const ElasticNetSettings& settings)
      : x_(x), settings_(settings) {}

  bool solve(const Eigen::VectorXd& weight, Eigen::VectorXd& residual, ElasticNetFit& fit,
             double lambda, double small) const {
    const Eigen::VectorXd curvature = x_.cwiseAbs2().transpose() * weight;
    const double total = weight.sum();
    for (int sweep = 0; sweep < settings_.max_sweeps; ++sweep) {
      if (sweep_all(weight, total, curvature, residual, fit, lambda, false) < small) return true;
      while (sweep_all(weight, total, curvature, residual, fit, lambda, true) >= small &&
             sweep < settings_.max_sweeps) {
        ++sweep;
      }
    }
    return false;
  }

private:
  double sweep_all(const Eigen::VectorXd& weight, double total, const Eigen::VectorXd& curvature,
                   Eigen::VectorXd& residual, ElasticNetFit& fit, double lambda,
                   bool only_active) const {
    const double ridge = lambda * (1.0 - settings_.alpha);
    const double lasso = lambda * settings_.alpha;
    const double shift = weight.dot(residual) / total;
    fit.intercept += shift;
    residual.array() -= shift;
    double largest = total * shift * shift;
    for (Eigen::Index j = 0; j < fit.beta.size(); ++j) {
      if ((only_active && fit.beta[j] == 0.0) || curvature[j] <= 0.0) continue;
      const double before = fit.beta[j];
      const double gradient = x_.col(j).dot(weight.cwiseProduct(residual));
      const double after =
          soft_threshold(gradient + curvature[j] * before, lasso) / (curvature[j] + ridge);
      if (after == before) continue;
      fit.beta[j] = after;
      residual.noalias() -= (after - before) * x_.col(j);
      largest = std::max(largest, curvature[j] * (after - before) * (after - before));
    }
    return largest;
  }

  const Eigen::MatrixXd& x_;
  ElasticNetSettings settings_;
};

std::vector<ElasticNetFit> gaussian_path(const Eigen::MatrixXd& x, const Eigen::VectorXd& y,
                                         const std::vector<double>& lambdas,
                                         const ElasticNetSettings& settings) {
  const auto n = static_cast<double>(x.rows());
  const Eigen::RowVectorXd x_mean = x.colwise().mean();
  const double y_mean = y.mean();
  const Eigen::MatrixXd centred = x.rowwise() - x_mean;
  const Eigen::VectorXd target = y.array() - y_mean;
  const double small = settings.tolerance * std::max(target.squaredNorm() / n, 1e-300);
  std::vector<ElasticNetFit> path;
  ElasticNetFit fit{0.0, Eigen::VectorXd::Zero(x.cols()), false};
  const bool few_columns = x.cols() <= 2000;
  CovarianceDescent by_gram(
      few_columns ? Eigen::MatrixXd(centred.transpose() * centred / n) : Eigen::MatrixXd(),
      few_columns ? Eigen::VectorXd(centred.transpose() * target / n) : Eigen::VectorXd(),
      settings);
  const ResidualDescent by_residual(centred, settings);
  const Eigen::VectorXd weight = Eigen::VectorXd::Constant(x.rows(), 1.0 / n);
  Eigen::VectorXd residual = target;
  for (const double lambda : lambdas) {
    fit.intercept = 0.0;
    fit.converged = few_columns ? by_gram.solve(fit.beta, lambda, small)
                                : by_residual.solve(weight, residual, fit, lambda, small);
    ElasticNetFit result = fit;
    result.intercept = y_mean - x_mean.dot(fit.beta);
    path.push_back(std::move(result));
  }
  return path;
}

double mean_log_loss(const Eigen::VectorXd& eta, const Eigen::VectorXd& y) {
  double sum = 0.0;
  for (Eigen::Index i = 0; i < y.size(); ++i) {
    sum += std::max(eta[i], 0.0) + std::log1p(std::exp(-std::abs(eta[i]))) - y[i] * eta[i];
  }
  return sum / static_cast<double>(y.size());
}

double penalty(const Eigen::VectorXd& beta, double lambda, double alpha) {
  return lambda * (0.5 * (1.0 - alpha) * beta.squaredNorm() + alpha * beta.lpNorm<1>());
}

Eigen::VectorXd logistic(const Eigen::VectorXd& eta) { return 1.0 / (1.0 + (-eta.array()).exp()); }

// Iteratively reweighted least squares about the current fit, each step by coordinate descent, the
// step halved while the objective grows.
void binomial_fit(const Eigen::MatrixXd& x, const Eigen::VectorXd& y, double lambda, double small,
                  const ElasticNetSettings& settings, ElasticNetFit& fit) {
  const auto n = static_cast<double>(x.rows());
  const bool few_columns = x.cols() < x.rows();
  Eigen::VectorXd eta = (x * fit.beta).array() + fit.intercept;
  double objective = mean_log_loss(eta, y) + penalty(fit.beta, lambda, settings.alpha);
  fit.converged = false;
  for (int step = 0; step < kMaxReweightings; ++step) {
    const Eigen::VectorXd p = logistic(eta);
    const Eigen::VectorXd weight = (p.array() * (1.0 - p.array())).max(kSmallestWeight) / n;
    ElasticNetFit next = fit;
    if (few_columns) {
      // Weighted centring takes the intercept out of the quadratic problem.
      const double total = weight.sum();
      const Eigen::RowVectorXd center = weight.transpose() * x / total;
      const Eigen::MatrixXd centred = x.rowwise() - center;
      const Eigen::MatrixXd weighted = centred.array().colwise() * weight.array();
      const Eigen::VectorXd working = (y - p) / n;
      CovarianceDescent descent(
          weighted.transpose() * centred,
          centred.transpose() * working + weighted.transpose() * (centred * fit.beta), settings);
      descent.start(next.beta);
      descent.solve(next.beta, lambda, 0.1 * small);
      next.intercept = fit.intercept + working.sum() / total - center.dot(next.beta - fit.beta);
    } else {
      Eigen::VectorXd residual = (y - p).array() / n / weight.array();
      const ResidualDescent descent(x, settings);
      descent.solve(weight, residual, next, lambda, 0.1 * small);
    }
    const double before = objective;
    for (int halving = 0; halving < 30; ++halving) {
      eta = (x * next.beta).array() + next.intercept;
      objective = mean_log_loss(eta, y) + penalty(next.beta, lambda, settings.alpha);
      if (objective <= before + small) break;
      next.beta = 0.5 * (next.beta + fit.beta);
      next.intercept = 0.5 * (next.intercept + fit.intercept);
    }
    fit.beta = next.beta;
    fit.intercept = next.intercept;
    if (before - objective < small) {
      fit.converged = true;
      return;
    }
  }
}

std::vector<ElasticNetFit> binomial_path(const Eigen::MatrixXd& x, const Eigen::VectorXd& y,
                                         const std::vector<double>& lambdas,
                                         const ElasticNetSettings& settings) {
  const double share = std::clamp(y.mean(), 1e-12, 1.0 - 1e-12);
  const double null_loss = -share * std::log(share) - (1.0 - share) * std::log(1.0 - share);
  const double small = settings.tolerance * std::max(null_loss, 1e-300);
  ElasticNetFit fit{std::log(share / (1.0 - share)), Eigen::VectorXd::Zero(x.cols()), false};
  std::vector<ElasticNetFit> path;
  for (const double lambda : lambdas) {
    binomial_fit(x, y, lambda, small, settings, fit);
    path.push_back(fit);
  }
  return path;
}

} // namespace

std::vector<ElasticNetFit> elastic_net_path(const Eigen::MatrixXd& x, const Eigen::VectorXd& y,
                                            const std::vector<double>& lambdas,
                                            const ElasticNetSettings& settings) {
  return settings.family == Family::gaussian ? gaussian_path(x, y, lambdas, settings)
                                             : binomial_path(x, y, lambdas, settings);
}

std::vector<double> lambda_path(const Eigen::MatrixXd& x, const Eigen::VectorXd& y, double alpha,
                                int count, double ratio) {
  const Eigen::VectorXd centred = y.array() - y.mean();
  const Eigen::MatrixXd x_centred = x.rowwise() - x.colwise().mean().eval();
  double lasso = 0.0;
  if (x.cols() > 0) {
    lasso = (x_centred.transpose() * centred).cwiseAbs().maxCoeff() / static_cast<double>(x.rows());
  }
  if (!(lasso > 0.0)) lasso = 1.0;
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
  const double loss = settings.family == Family::gaussian
                          ? 0.5 * (y - eta).squaredNorm() / static_cast<double>(y.size())
                          : mean_log_loss(eta, y);
  return loss + penalty(fit.beta, lambda, settings.alpha);
}

Eigen::VectorXd elastic_net_predict(const Eigen::MatrixXd& x, const ElasticNetFit& fit,
                                    Family family) {
  const Eigen::VectorXd eta = (x * fit.beta).array() + fit.intercept;
  return family == Family::gaussian ? eta : logistic(eta);
}

} // namespace boldmill::cohort
