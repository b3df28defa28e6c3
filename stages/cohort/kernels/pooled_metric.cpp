#include "stages/cohort/kernels/pooled_metric.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "stages/cohort/kernels/distributions.hpp"
#include "stages/cohort/kernels/metrics.hpp"

namespace boldmill::cohort {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr double kZ975 = 1.959963984540054;
constexpr double kNearlyOne = 1.0 - 1e-12;

// Of the placement values: share of the other class ranked on the right side of each row.
double delong_variance(const Eigen::VectorXd& y, const Eigen::VectorXd& score) {
  std::vector<double> by_class[2];
  for (Eigen::Index i = 0; i < y.size(); ++i) by_class[y[i] > 0.5 ? 1 : 0].push_back(score[i]);
  for (auto& scores : by_class) std::sort(scores.begin(), scores.end());
  double variance = 0.0;
  for (int own = 0; own < 2; ++own) {
    const auto& other = by_class[1 - own];
    const auto n = static_cast<double>(by_class[own].size());
    double sum = 0.0;
    double squares = 0.0;
    for (const double s : by_class[own]) {
      const auto [low, high] = std::equal_range(other.begin(), other.end(), s);
      const double below =
          (static_cast<double>(low - other.begin()) + 0.5 * static_cast<double>(high - low)) /
          static_cast<double>(other.size());
      sum += below;
      squares += below * below;
    }
    if (n > 1.0) variance += std::max(0.0, (squares - sum * sum / n) / (n - 1.0)) / n;
  }
  const double pairs = static_cast<double>(by_class[0].size() * by_class[1].size());
  return std::max(variance, 0.25 / (pairs * pairs));
}

} // namespace

MetricInGroup metric_in_group(bool binary, const Eigen::VectorXd& y,
                              const Eigen::VectorXd& prediction,
                              const std::vector<Eigen::Index>& rows) {
  std::vector<Eigen::Index> known;
  for (const Eigen::Index row : rows) {
    if (!std::isnan(y[row]) && !std::isnan(prediction[row])) known.push_back(row);
  }
  MetricInGroup out{static_cast<int>(known.size()), kNaN, kNaN, kNaN, kNaN, kNaN};
  if (known.size() < 4) return out;
  const Eigen::VectorXd outcome = y(known);
  const Eigen::VectorXd predicted = prediction(known);
  out.value = binary ? auc(outcome, predicted) : correlation(outcome, predicted);
  if (std::isnan(out.value)) return out;
  if (binary) {
    out.transformed = out.value;
    out.variance = delong_variance(outcome, predicted);
  } else {
    out.transformed = std::atanh(std::clamp(out.value, -kNearlyOne, kNearlyOne));
    out.variance = 1.0 / (static_cast<double>(known.size()) - 3.0);
  }
  const double half = kZ975 * std::sqrt(out.variance);
  const double low = out.transformed - half;
  const double high = out.transformed + half;
  out.lower = binary ? std::max(0.0, low) : std::tanh(low);
  out.upper = binary ? std::min(1.0, high) : std::tanh(high);
  return out;
}

PooledMetric pool_groups(bool binary, const std::vector<MetricInGroup>& groups) {
  PooledMetric out{0, kNaN, kNaN, kNaN, kNaN, kNaN, kNaN, kNaN};
  double sum_w = 0.0, sum_w2 = 0.0, sum_wx = 0.0, sum_wx2 = 0.0;
  for (const MetricInGroup& g : groups) {
    if (std::isnan(g.transformed)) continue;
    const double w = 1.0 / g.variance;
    ++out.n_groups;
    sum_w += w;
    sum_w2 += w * w;
    sum_wx += w * g.transformed;
    sum_wx2 += w * g.transformed * g.transformed;
  }
  if (out.n_groups < 2) return out;
  const double df = out.n_groups - 1.0;
  out.q = std::max(0.0, sum_wx2 - sum_wx * sum_wx / sum_w);
  out.q_p = chi_square_tail(out.q, df);
  out.i2 = out.q > df ? (out.q - df) / out.q : 0.0;
  out.tau2 = std::max(0.0, (out.q - df) / (sum_w - sum_w2 / sum_w));
  double total = 0.0, mean = 0.0;
  for (const MetricInGroup& g : groups) {
    if (std::isnan(g.transformed)) continue;
    total += 1.0 / (g.variance + out.tau2);
    mean += g.transformed / (g.variance + out.tau2);
  }
  mean /= total;
  const double half = kZ975 / std::sqrt(total);
  out.value = binary ? mean : std::tanh(mean);
  out.lower = binary ? std::max(0.0, mean - half) : std::tanh(mean - half);
  out.upper = binary ? std::min(1.0, mean + half) : std::tanh(mean + half);
  return out;
}

} // namespace boldmill::cohort
