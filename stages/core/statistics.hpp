// Small robust statistics. NaN means missing: every function here ignores NaN in its input and
// returns NaN when nothing is left. Sums accumulate in double.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace boldmill {

[[nodiscard]] double mean(std::span<const double> values);
[[nodiscard]] double standard_deviation(std::span<const double> values); // divisor n - 1
[[nodiscard]] double median(std::vector<double> values);
// Median absolute deviation about the median, unscaled.
[[nodiscard]] double median_absolute_deviation(std::vector<double> values);
// Linear interpolation between order statistics (numpy's default), q in [0, 1].
[[nodiscard]] double quantile(std::vector<double> values, double q);
// Pearson correlation over pairs with both present; NaN when either is constant or n < 2.
[[nodiscard]] double pearson(std::span<const double> a, std::span<const double> b);

} // namespace boldmill
