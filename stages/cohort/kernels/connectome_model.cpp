#include "stages/cohort/kernels/connectome_model.hpp"

#include <cmath>

#include "stages/cohort/kernels/distributions.hpp"
#include "stages/cohort/kernels/elastic_net_loss.hpp"

namespace boldmill::cohort {
namespace {

constexpr double kStabilityRidge = 1e-6; // of the two sums, scaled to SD 1

Eigen::VectorXd column_correlations(const Eigen::MatrixXd& x, const Eigen::VectorXd& y) {
  const auto n = static_cast<double>(x.rows());
  const Eigen::VectorXd target = y.array() - y.mean();
  const Eigen::VectorXd covariance = x.transpose() * target;
  Eigen::VectorXd r = Eigen::VectorXd::Zero(x.cols());
  for (Eigen::Index j = 0; j < x.cols(); ++j) {
    const double mean = x.col(j).mean();
    const double spread = x.col(j).squaredNorm() - n * mean * mean;
    if (spread > 1e-20 * n * std::max(1.0, mean * mean)) {
      r[j] = covariance[j] / std::sqrt(spread * target.squaredNorm());
    }
  }
  return r;
}

} // namespace

double critical_correlation(double p, Eigen::Index n) {
  const auto dof = static_cast<double>(n - 2);
  double low = 0.0;
  double high = 1.0;
  for (int step = 0; step < 60; ++step) {
    const double r = 0.5 * (low + high);
    const double t = r * std::sqrt(dof / (1.0 - r * r));
    (t_two_sided(t, dof) < p ? high : low) = r;
  }
  return high;
}

std::vector<ElasticNetFit> connectome_path(const Eigen::MatrixXd& x, const Eigen::VectorXd& y,
                                           const std::vector<double>& thresholds, Family family) {
  const Eigen::VectorXd r = column_correlations(x, y);
  std::vector<ElasticNetFit> out;
  for (const double threshold : thresholds) {
    const double limit = critical_correlation(threshold, x.rows());
    const Eigen::VectorXd chosen[2] = {(r.array() >= limit).cast<double>(),
                                       (r.array() <= -limit).cast<double>()};
    Eigen::MatrixXd sums(x.rows(), 2);
    double scale[2];
    for (int sign = 0; sign < 2; ++sign) {
      sums.col(sign) = x * chosen[sign];
      const double mean = sums.col(sign).mean();
      scale[sign] = std::sqrt((sums.col(sign).array() - mean).square().mean());
      sums.col(sign) /= scale[sign] > 0.0 ? scale[sign] : 1.0;
    }
    const auto fit = elastic_net_path(sums, y, {kStabilityRidge},
                                      {.family = family, .alpha = 0.0, .tolerance = 1e-10})[0];
    ElasticNetFit spread{fit.intercept, Eigen::VectorXd::Zero(x.cols()), fit.converged};
    for (int sign = 0; sign < 2; ++sign) {
      if (scale[sign] > 0.0) spread.beta += fit.beta[sign] / scale[sign] * chosen[sign];
    }
    out.push_back(std::move(spread));
  }
  return out;
}

} // namespace boldmill::cohort
