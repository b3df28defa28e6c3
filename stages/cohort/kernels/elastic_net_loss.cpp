#include "stages/cohort/kernels/elastic_net_loss.hpp"

#include <algorithm>
#include <cmath>

namespace boldmill::cohort {
namespace {

constexpr double kSmallestWeight = 1e-5; // p (1 - p) of a fitted probability at 0 or 1

} // namespace

double mean_loss(Family family, const Eigen::VectorXd& eta, const Eigen::VectorXd& y) {
  const auto n = static_cast<double>(y.size());
  if (family == Family::gaussian) return 0.5 * (y - eta).squaredNorm() / n;
  if (family == Family::binomial) {
    // log(1 + t) of t in (0, 1]: log1p would not be vectorised, and gains 1e-16.
    const Eigen::ArrayXd tail = (1.0 + (-eta.array().abs()).exp()).log();
    return (eta.array().max(0.0) + tail - y.array() * eta.array()).sum() / n;
  }
  const Eigen::ArrayXd shortfall = (1.0 - (2.0 * y.array() - 1.0) * eta.array()).max(0.0);
  return 0.5 * shortfall.square().sum() / n;
}

LossSlopes loss_slopes(Family family, const Eigen::VectorXd& eta, const Eigen::VectorXd& y) {
  const auto n = static_cast<double>(y.size());
  if (family == Family::gaussian) {
    return {(eta - y) / n, Eigen::VectorXd::Constant(y.size(), 1.0 / n)};
  }
  if (family == Family::binomial) {
    const Eigen::ArrayXd p = 1.0 / (1.0 + (-eta.array()).exp());
    return {(p - y.array()) / n, (p * (1.0 - p)).max(kSmallestWeight) / n};
  }
  const Eigen::ArrayXd sign = 2.0 * y.array() - 1.0;
  const Eigen::ArrayXd shortfall = (1.0 - sign * eta.array()).max(0.0);
  return {-sign * shortfall / n, (shortfall > 0.0).cast<double>() / n};
}

double penalty(const Eigen::VectorXd& beta, double lambda, double alpha) {
  return lambda * (0.5 * (1.0 - alpha) * beta.squaredNorm() + alpha * beta.lpNorm<1>());
}

double null_intercept(Family family, const Eigen::VectorXd& y) {
  const double share = y.mean();
  if (family == Family::gaussian) return share;
  if (family == Family::squared_hinge) return 2.0 * share - 1.0;
  const double inside = std::clamp(share, 1e-12, 1.0 - 1e-12);
  return std::log(inside / (1.0 - inside));
}

double soft_threshold(double value, double threshold) {
  if (value > threshold) return value - threshold;
  if (value < -threshold) return value + threshold;
  return 0.0;
}

} // namespace boldmill::cohort
