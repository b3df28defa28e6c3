#include "stages/cohort/kernels/policy.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "stages/cohort/kernels/regression.hpp"

namespace boldmill::cohort {
namespace {

Estimate with_normal_bounds(double value, double se, double confidence) {
  const double half = normal_quantile(0.5 + 0.5 * confidence) * se;
  return {value, se, {value - half, value + half}};
}

} // namespace

ArmScores arm_scores(const Eigen::VectorXd& y, const Eigen::VectorXd& in_b,
                     const Eigen::MatrixXd& predicted, const Eigen::VectorXd& e_b,
                     const Eigen::VectorXd& present, double least) {
  ArmScores out{predicted, predicted};
  for (Eigen::Index i = 0; i < y.size(); ++i) {
    if (std::isnan(y[i])) continue;
    const Eigen::Index arm = in_b[i] > 0.5 ? 1 : 0;
    const double e = std::max(least, arm == 1 ? e_b[i] : 1.0 - e_b[i]);
    out.score(i, arm) += (y[i] - predicted(i, arm)) / (e * std::max(least, present[i]));
  }
  return out;
}

Estimate mean_estimate(const Eigen::VectorXd& values, double confidence) {
  const auto n = static_cast<double>(values.size());
  const double mean = values.mean();
  const double variance = n > 1.0 ? (values.array() - mean).square().sum() / (n - 1.0)
                                  : std::numeric_limits<double>::quiet_NaN();
  return with_normal_bounds(mean, std::sqrt(variance / n), confidence);
}

PolicyValue policy_value(const ArmScores& scores, double sign, double confidence) {
  const Eigen::VectorXd a = scores.score.col(0);
  const Eigen::VectorXd b = scores.score.col(1);
  const Eigen::VectorXd gives_b =
      (sign * (scores.predicted.col(1) - scores.predicted.col(0)).array() > 0.0).cast<double>();
  const Eigen::VectorXd rule =
      gives_b.cwiseProduct(b) + (1.0 - gives_b.array()).matrix().cwiseProduct(a);
  PolicyValue out;
  out.n = static_cast<int>(a.size());
  out.share_b = gives_b.mean();
  out.rule = mean_estimate(rule, confidence);
  out.all_a = mean_estimate(a, confidence);
  out.all_b = mean_estimate(b, confidence);
  out.gain_over_a = mean_estimate(sign * (rule - a), confidence);
  out.gain_over_b = mean_estimate(sign * (rule - b), confidence);
  out.effect_b = mean_estimate(sign * (b - a), confidence);
  return out;
}

BenefitCalibration benefit_calibration(const ArmScores& scores, double sign, int n_groups,
                                       double confidence) {
  const Eigen::VectorXd predicted = sign * (scores.predicted.col(1) - scores.predicted.col(0));
  const Eigen::VectorXd observed = sign * (scores.score.col(1) - scores.score.col(0));
  const Eigen::Index n = predicted.size();
  BenefitCalibration out;
  Eigen::MatrixXd x(n, 2);
  x << Eigen::VectorXd::Ones(n), predicted;
  const LinearFit fit = linear_fit(x, observed, {}, Errors::hc3);
  const auto estimate = [&](Eigen::Index c) {
    return with_normal_bounds(fit.beta[c], std::sqrt(fit.covariance(c, c)), confidence);
  };
  out.intercept = estimate(0);
  out.slope = estimate(1);
  std::vector<Eigen::Index> order(static_cast<std::size_t>(n));
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](auto i, auto j) { return predicted[i] < predicted[j]; });
  for (int g = 0; g < n_groups; ++g) {
    const auto begin = static_cast<std::size_t>(n * g / n_groups);
    const auto end = static_cast<std::size_t>(n * (g + 1) / n_groups);
    if (end <= begin) continue;
    const std::vector<Eigen::Index> own(order.begin() + static_cast<std::ptrdiff_t>(begin),
                                        order.begin() + static_cast<std::ptrdiff_t>(end));
    const Eigen::VectorXd effect = observed(own);
    out.groups.push_back(
        {static_cast<int>(own.size()), predicted(own).mean(), mean_estimate(effect, confidence)});
  }
  return out;
}

} // namespace boldmill::cohort
