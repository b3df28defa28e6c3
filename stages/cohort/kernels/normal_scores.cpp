#include "stages/cohort/kernels/normal_scores.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <vector>

namespace boldmill::cohort {
namespace {

// Acklam's rational approximations, relative error 1.15e-9.
constexpr std::array<double, 6> kA = {-3.969683028665376e+01, 2.209460984245205e+02,
                                      -2.759285104469687e+02, 1.383577518672690e+02,
                                      -3.066479806614716e+01, 2.506628277459239e+00};
constexpr std::array<double, 5> kB = {-5.447609879822406e+01, 1.615858368580409e+02,
                                      -1.556989798598866e+02, 6.680131188771972e+01,
                                      -1.328068155288572e+01};
constexpr std::array<double, 6> kC = {-7.784894002430293e-03, -3.223964580411365e-01,
                                      -2.400758277161838e+00, -2.549732539343734e+00,
                                      4.374664141464968e+00,  2.938163982698783e+00};
constexpr std::array<double, 4> kD = {7.784695709041462e-03, 3.224671290700398e-01,
                                      2.445134137142996e+00, 3.754408661907416e+00};
constexpr double kLow = 0.02425;
constexpr double kRootTwoPi = 2.5066282746310005024;

template <std::size_t N>
double polynomial(const std::array<double, N>& c, double x) {
  double out = 0.0;
  for (const double v : c) out = out * x + v;
  return out;
}

double start(double p) { // p <= 1/2
  if (p < kLow) {
    const double q = std::sqrt(-2.0 * std::log(p));
    return polynomial(kC, q) / (polynomial(kD, q) * q + 1.0);
  }
  const double q = p - 0.5;
  const double r = q * q;
  return polynomial(kA, r) * q / (polynomial(kB, r) * r + 1.0);
}

} // namespace

double normal_quantile(double p) {
  if (std::isnan(p) || p < 0.0 || p > 1.0) return std::numeric_limits<double>::quiet_NaN();
  if (p == 0.0 || p == 1.0) {
    return p == 0.0 ? -std::numeric_limits<double>::infinity()
                    : std::numeric_limits<double>::infinity();
  }
  if (p > 0.5) return -normal_quantile(1.0 - p);
  double x = start(p);
  for (int step = 0; step < 2; ++step) {
    const double error = 0.5 * std::erfc(-x / std::sqrt(2.0)) - p;
    const double u = error * kRootTwoPi * std::exp(0.5 * x * x);
    x -= u / (1.0 + 0.5 * x * u);
  }
  return x;
}

Eigen::VectorXd normal_scores(const Eigen::VectorXd& values) {
  std::vector<Eigen::Index> order;
  for (Eigen::Index i = 0; i < values.size(); ++i) {
    if (!std::isnan(values[i])) order.push_back(i);
  }
  std::stable_sort(order.begin(), order.end(),
                   [&](Eigen::Index a, Eigen::Index b) { return values[a] < values[b]; });
  Eigen::VectorXd out = values;
  const auto n = static_cast<double>(order.size());
  for (std::size_t begin = 0; begin < order.size();) {
    std::size_t end = begin + 1;
    while (end < order.size() && values[order[end]] == values[order[begin]]) ++end;
    const double middle = 0.5 * static_cast<double>(begin + end); // mean rank - 1/2
    for (std::size_t i = begin; i < end; ++i) out[order[i]] = normal_quantile(middle / n);
    begin = end;
  }
  return out;
}

} // namespace boldmill::cohort
