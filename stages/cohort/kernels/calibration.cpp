#include "stages/cohort/kernels/calibration.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "stages/cohort/kernels/distributions.hpp"
#include "stages/cohort/kernels/normal_scores.hpp"

namespace boldmill::cohort {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr int kTerms = 100;

double kolmogorov_p(double distance, double n) {
  const double root = std::sqrt(n);
  const double lambda = (root + 0.12 + 0.11 / root) * distance;
  if (lambda < 0.2) return 1.0; // the series does not converge there, p is 1 to 12 digits
  double sum = 0.0;
  for (int k = 1; k <= kTerms; ++k) {
    sum += (k % 2 == 1 ? 2.0 : -2.0) * std::exp(-2.0 * k * k * lambda * lambda);
  }
  return std::clamp(sum, 0.0, 1.0);
}

} // namespace

Calibration calibration(const Eigen::VectorXd& z, const std::vector<double>& centiles) {
  std::vector<double> values;
  for (const double v : z) {
    if (!std::isnan(v)) values.push_back(v);
  }
  std::sort(values.begin(), values.end());
  Calibration out;
  out.n = static_cast<int>(values.size());
  if (out.n < 3) {
    out.mean = out.sd = out.skewness = out.excess_kurtosis = out.ks = out.ks_p = kNaN;
    out.coverage.assign(centiles.size(), kNaN);
    return out;
  }
  const Eigen::Map<const Eigen::ArrayXd> v(values.data(), out.n);
  const double n = out.n;
  out.mean = v.mean();
  const Eigen::ArrayXd centred = v - out.mean;
  const double second = centred.square().mean();
  out.sd = std::sqrt(second * n / (n - 1.0));
  out.skewness = centred.cube().mean() / std::pow(second, 1.5);
  out.excess_kurtosis = centred.square().square().mean() / (second * second) - 3.0;
  for (int i = 0; i < out.n; ++i) {
    const double below = 1.0 - normal_tail(v[i]);
    out.ks = std::max({out.ks, below - i / n, (i + 1) / n - below});
  }
  out.ks_p = kolmogorov_p(out.ks, n);
  for (const double centile : centiles) {
    const double limit = normal_quantile(centile);
    const auto under = std::upper_bound(values.begin(), values.end(), limit) - values.begin();
    out.coverage.push_back(static_cast<double>(under) / n);
  }
  return out;
}

} // namespace boldmill::cohort
