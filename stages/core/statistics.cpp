#include "stages/core/statistics.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "stages/core/error.hpp"

namespace boldmill {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

void drop_missing(std::vector<double>& values) {
  std::erase_if(values, [](double value) { return std::isnan(value); });
}

} // namespace

double mean(std::span<const double> values) {
  double sum = 0.0;
  std::size_t n = 0;
  for (const double value : values) {
    if (std::isnan(value)) continue;
    sum += value;
    ++n;
  }
  return n == 0 ? kNaN : sum / static_cast<double>(n);
}

double standard_deviation(std::span<const double> values) {
  const double center = mean(values);
  double sum = 0.0;
  std::size_t n = 0;
  for (const double value : values) {
    if (std::isnan(value)) continue;
    sum += (value - center) * (value - center);
    ++n;
  }
  return n < 2 ? kNaN : std::sqrt(sum / static_cast<double>(n - 1));
}

double quantile(std::vector<double> values, double q) {
  drop_missing(values);
  if (values.empty()) return kNaN;
  const double position = q * static_cast<double>(values.size() - 1);
  const auto low = static_cast<std::size_t>(position);
  const auto nth = values.begin() + static_cast<std::ptrdiff_t>(low);
  std::nth_element(values.begin(), nth, values.end());
  const double below = *nth;
  if (low + 1 >= values.size()) return below;
  const double above = *std::min_element(nth + 1, values.end());
  return below + (position - static_cast<double>(low)) * (above - below);
}

double median(std::vector<double> values) { return quantile(std::move(values), 0.5); }

double median_absolute_deviation(std::vector<double> values) {
  drop_missing(values);
  const double center = median(values);
  for (double& value : values) value = std::abs(value - center);
  return median(std::move(values));
}

double pearson(std::span<const double> a, std::span<const double> b) {
  if (a.size() != b.size()) throw Error(ErrorKind::internal, "pearson: lengths differ");
  double mean_a = 0.0;
  double mean_b = 0.0;
  std::size_t n = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (std::isnan(a[i]) || std::isnan(b[i])) continue;
    mean_a += a[i];
    mean_b += b[i];
    ++n;
  }
  if (n < 2) return kNaN;
  mean_a /= static_cast<double>(n);
  mean_b /= static_cast<double>(n);
  double saa = 0.0;
  double sbb = 0.0;
  double sab = 0.0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (std::isnan(a[i]) || std::isnan(b[i])) continue;
    saa += (a[i] - mean_a) * (a[i] - mean_a);
    sbb += (b[i] - mean_b) * (b[i] - mean_b);
    sab += (a[i] - mean_a) * (b[i] - mean_b);
  }
  if (!(saa > 0.0) || !(sbb > 0.0)) return kNaN;
  return std::clamp(sab / std::sqrt(saa * sbb), -1.0, 1.0);
}

} // namespace boldmill
