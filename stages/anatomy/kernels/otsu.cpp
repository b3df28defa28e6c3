#include "stages/anatomy/kernels/otsu.hpp"

#include <algorithm>
#include <array>
#include <cmath>

namespace boldmill::anatomy {

float otsu_threshold(const std::vector<float>& values) {
  constexpr std::size_t kBins = 256;
  std::vector<float> finite;
  finite.reserve(values.size());
  std::copy_if(values.begin(), values.end(), std::back_inserter(finite),
               [](float value) { return std::isfinite(value); });
  if (finite.empty()) return 0.0F;
  const auto top = finite.begin() + static_cast<std::ptrdiff_t>((finite.size() - 1) * 999 / 1000);
  std::nth_element(finite.begin(), top, finite.end());
  const double high = *top;
  const double low = *std::min_element(finite.begin(), finite.end());
  if (!(high > low)) return static_cast<float>(low);
  std::array<double, kBins> histogram{};
  for (const float value : finite) {
    const double bin = (value - low) / (high - low) * kBins;
    histogram[static_cast<std::size_t>(std::clamp(bin, 0.0, kBins - 1.0))] += 1.0;
  }
  double total = 0.0;
  for (std::size_t b = 0; b < kBins; ++b) total += static_cast<double>(b) * histogram[b];
  const double n = static_cast<double>(finite.size());
  double below = 0.0;
  double sum_below = 0.0;
  double best = -1.0;
  std::size_t best_bin = 0;
  for (std::size_t b = 0; b + 1 < kBins; ++b) {
    below += histogram[b];
    sum_below += static_cast<double>(b) * histogram[b];
    if (below == 0.0 || below == n) continue;
    const double difference = sum_below / below - (total - sum_below) / (n - below);
    const double between = below * (n - below) * difference * difference;
    if (between > best) {
      best = between;
      best_bin = b;
    }
  }
  return static_cast<float>(low + (high - low) * static_cast<double>(best_bin + 1) / kBins);
}

} // namespace boldmill::anatomy
