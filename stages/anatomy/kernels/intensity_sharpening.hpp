// The step of N3/N4 that sharpens the distribution of log intensities. Sources: Sled, Zijdenbos &
// Evans 1998, IEEE Trans. Med. Imaging 17:87, doi:10.1109/42.668698; Tustison et al. 2010,
// doi:10.1109/TMI.2010.2046908. See METHOD.md.
#pragma once

#include <cstddef>
#include <vector>

namespace boldmill::anatomy {

struct SharpeningSettings {
  std::size_t bins = 200;
  double fwhm = 0.15;  // of the log field's assumed Gaussian distribution
  double noise = 0.01; // of the Wiener filter, added to the squared spectrum
};

// Evenly spaced bins: bin b has its centre at low + b * step.
struct Histogram {
  double low = 0.0;
  double step = 0.0; // 0: all values are the same
  std::vector<double> counts;

  Histogram() = default;
  Histogram(double lowest, double highest, std::size_t bins)
      : low(lowest), step((highest - lowest) / static_cast<double>(bins - 1)), counts(bins, 0.0) {}
  // Triangular Parzen window: shares a value in [lowest, highest] among its two nearest centres.
  void add(double value) {
    const double position = (value - low) / step;
    const auto bin = static_cast<std::size_t>(position);
    if (bin + 1 < counts.size()) {
      const double share = position - static_cast<double>(bin);
      counts[bin] += 1.0 - share;
      counts[bin + 1] += share;
    } else {
      counts.back() += 1.0;
    }
  }
  Histogram& operator+=(const Histogram& other);
};

// The expected undistorted value of every observed one, piecewise linear between bin centres.
struct IntensityMap {
  double low = 0.0;
  double step = 0.0;
  std::vector<double> expected;

  [[nodiscard]] double operator()(double value) const {
    const double position = (value - low) / step;
    const auto bin = static_cast<std::size_t>(position);
    if (bin + 1 >= expected.size()) return expected.back();
    return expected[bin] +
           (expected[bin + 1] - expected[bin]) * (position - static_cast<double>(bin));
  }
};

// E(u | v) of a histogram with step > 0: Wiener deconvolution by the Gaussian, negative densities
// set to zero, then the mean of u over the posterior. Bins that cannot be explained map to zero.
[[nodiscard]] IntensityMap sharpen(const Histogram& histogram, const SharpeningSettings& settings);

} // namespace boldmill::anatomy
