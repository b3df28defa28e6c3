#include "stages/anatomy/kernels/local_contrast.hpp"

#include <algorithm>
#include <cmath>

#include "stages/core/smooth.hpp"

namespace boldmill::anatomy {

Volume local_contrast(const Volume& image, double sigma_mm, double floor, const Context& context) {
  const std::size_t n = image.data.size();
  double sum = 0.0;
  double squares = 0.0;
  for (const float value : image.data) {
    sum += value;
    squares += static_cast<double>(value) * value;
  }
  const double mean = sum / static_cast<double>(n);
  const double variance = std::max(0.0, squares / static_cast<double>(n) - mean * mean);
  const float least = static_cast<float>(floor * floor * variance);

  Volume out = image;
  for (float& value : out.data) value -= static_cast<float>(mean);
  Volume square = out;
  for (float& value : square.data) value *= value;
  const Volume local_mean = gaussian_smooth(out, sigma_mm, context);
  const Volume local_square = gaussian_smooth(std::move(square), sigma_mm, context);
  for (std::size_t v = 0; v < n; ++v) {
    const float m = local_mean.data[v];
    const float local = std::max(0.0F, local_square.data[v] - m * m);
    out.data[v] = (out.data[v] - m) / std::sqrt(local + least + 1e-20F);
  }
  return out;
}

} // namespace boldmill::anatomy
