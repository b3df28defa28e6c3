#include "stages/cohort/kernels/effect_sizes.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "stages/cohort/kernels/distributions.hpp"

namespace boldmill::cohort {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

// x in [low, high] with f(x) = 0 of a decreasing f, to the last bits.
template <class F>
double root_of_decreasing(double low, double high, F&& f) {
  for (int i = 0; i < 200; ++i) {
    const double middle = 0.5 * (low + high);
    if (middle <= low || middle >= high) break;
    (f(middle) > 0.0 ? low : high) = middle;
  }
  return 0.5 * (low + high);
}

// P(T <= t), t >= 0: a mixture of incomplete beta functions, which F tails are.
double noncentral_upper(double t, double df, double ncp) {
  const double half = 0.5 * ncp * ncp;
  double sum = 0.0;
  double seen = 0.0; // of the weights p_j: what is left bounds the rest of the sum
  const double log_half = std::log(half);
  for (int j = 0; j < 100000; ++j) {
    const double log_p = half > 0.0 ? -half + j * log_half - std::lgamma(j + 1.0)
                                    : (j == 0 ? 0.0 : -std::numeric_limits<double>::infinity());
    const double p = std::exp(log_p);
    if (p < 1e-25 && j < half) continue;
    // I_x(a, b), x = t^2 / (t^2 + df), is 1 - the tail of F with 2a and 2b degrees of freedom.
    const auto beta = [&](double a) { return 1.0 - f_tail(t * t / (2.0 * a), 2.0 * a, df); };
    sum += p * beta(j + 0.5);
    if (half > 0.0) {
      const double log_q = -half + j * log_half - std::lgamma(j + 1.5);
      sum += ncp / std::sqrt(2.0) * std::exp(log_q) * beta(j + 1.0);
    }
    seen += p;
    if (j > half && 1.0 - seen < 1e-14) break;
    if (j > half && p < 1e-18) break;
  }
  return normal_tail(ncp) + 0.5 * sum;
}

} // namespace

double t_critical(double confidence, double df) {
  if (!(df > 0.0)) return kNaN;
  return root_of_decreasing(0.0, 1e8,
                            [&](double t) { return t_two_sided(t, df) - (1.0 - confidence); });
}

double noncentral_t_cdf(double t, double df, double ncp) {
  if (std::isnan(t) || std::isnan(ncp) || !(df > 0.0)) return kNaN;
  if (t >= 0.0) return std::clamp(noncentral_upper(t, df, ncp), 0.0, 1.0);
  return std::clamp(1.0 - noncentral_upper(-t, df, -ncp), 0.0, 1.0);
}

Bounds noncentrality_bounds(double t, double df, double confidence) {
  if (!std::isfinite(t) || !(df > 0.0)) return {kNaN, kNaN};
  const double tail = 0.5 * (1.0 - confidence);
  // The centre moves with t sqrt(1 + t^2 / 2 df); ten such widths hold both ends.
  const double width = 10.0 * std::sqrt(1.0 + t * t / (2.0 * df)) + 5.0;
  const auto at = [&](double p) {
    return root_of_decreasing(t - width, t + width,
                              [&](double ncp) { return noncentral_t_cdf(t, df, ncp) - p; });
  };
  return {at(1.0 - tail), at(tail)};
}

double hedges_factor(double df) {
  if (!(df > 1.0)) return kNaN;
  return std::exp(std::lgamma(0.5 * df) - 0.5 * std::log(0.5 * df) - std::lgamma(0.5 * (df - 1.0)));
}

Bounds correlation_bounds(double r, double n, double n_partialled, double confidence) {
  const double df = n - n_partialled - 3.0;
  if (std::isnan(r) || !(df > 0.0)) return {kNaN, kNaN};
  const double half = normal_quantile(0.5 + 0.5 * confidence) / std::sqrt(df);
  return {std::tanh(std::atanh(r) - half), std::tanh(std::atanh(r) + half)};
}

Bounds wilson_bounds(double successes, double n, double confidence) {
  if (!(n > 0.0)) return {kNaN, kNaN};
  const double z = normal_quantile(0.5 + 0.5 * confidence);
  const double p = successes / n;
  const double centre = (p + z * z / (2.0 * n)) / (1.0 + z * z / n);
  const double half = z / (1.0 + z * z / n) * std::sqrt(p * (1.0 - p) / n + z * z / (4.0 * n * n));
  return {std::max(0.0, centre - half), std::min(1.0, centre + half)};
}

Eigen::VectorXd benjamini_hochberg(const Eigen::VectorXd& p) {
  std::vector<Eigen::Index> order;
  for (Eigen::Index i = 0; i < p.size(); ++i) {
    if (!std::isnan(p[i])) order.push_back(i);
  }
  std::stable_sort(order.begin(), order.end(), [&](auto a, auto b) { return p[a] > p[b]; });
  Eigen::VectorXd out = Eigen::VectorXd::Constant(p.size(), kNaN);
  double least = 1.0;
  const auto n = static_cast<double>(order.size());
  for (std::size_t i = 0; i < order.size(); ++i) { // from the largest p down
    least = std::min(least, p[order[i]] * n / (n - static_cast<double>(i)));
    out[order[i]] = least;
  }
  return out;
}

} // namespace boldmill::cohort
