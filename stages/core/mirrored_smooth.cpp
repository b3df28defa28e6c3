#include "stages/core/mirrored_smooth.hpp"

#include <algorithm>
#include <cmath>

#include "stages/core/parallel.hpp"

namespace boldmill {
namespace {

constexpr std::size_t kWidth = 64; // values side by side that are filtered at once
constexpr std::size_t kItems = 32; // strips of them for a task

// A volume as outer x n x inner values, filtered along n.
struct Axis {
  std::size_t outer = 1, n = 1, inner = 1;
};

// The strip of `width` values at `at`, n of them `inner` apart. What lies beyond the edges is
// copied too, so that the innermost loop runs over everything and vectorises for any width.
void filter_strip(float* at, const Axis& axis, std::size_t width, const std::vector<float>& taps,
                  std::vector<float>& work) {
  const int n = static_cast<int>(axis.n);
  const int reach = static_cast<int>(taps.size() / 2);
  const std::size_t size = axis.n * width;
  work.assign(size + (size + 2 * static_cast<std::size_t>(reach) * width), 0.0F);
  float* out = work.data();
  float* in = work.data() + size;
  for (int i = -reach; i < n + reach; ++i) {
    const float* from = at + static_cast<std::size_t>(mirrored_index(i, n)) * axis.inner;
    std::copy(from, from + width, in + static_cast<std::size_t>(i + reach) * width);
  }
  for (std::size_t k = 0; k < taps.size(); ++k) {
    const float w = taps[k];
    const float* shifted = in + k * width;
    for (std::size_t x = 0; x < size; ++x) out[x] += w * shifted[x];
  }
  for (std::size_t i = 0; i < axis.n; ++i) {
    std::copy(out + i * width, out + (i + 1) * width, at + i * axis.inner);
  }
}

void filter_axis(std::vector<float>& data, const Axis& axis, double sigma, const Context& context) {
  const std::vector<double> exact = mirrored_gaussian(sigma);
  const std::vector<float> taps(exact.begin(), exact.end());
  const std::size_t strips = (axis.inner + kWidth - 1) / kWidth;
  parallel_blocks(context, axis.outer * strips, kItems, [&](std::size_t begin, std::size_t end) {
    std::vector<float> work;
    for (std::size_t item = begin; item < end; ++item) {
      const std::size_t first = item % strips * kWidth;
      const std::size_t width = std::min(kWidth, axis.inner - first);
      filter_strip(data.data() + item / strips * axis.n * axis.inner + first, axis, width, taps,
                   work);
    }
  });
}

} // namespace

std::vector<double> mirrored_gaussian(double sigma_voxels) {
  const int reach = static_cast<int>(4.0 * sigma_voxels + 0.5);
  std::vector<double> taps;
  double sum = 0.0;
  for (int k = -reach; k <= reach; ++k) {
    taps.push_back(std::exp(-0.5 * k * k / (sigma_voxels * sigma_voxels)));
    sum += taps.back();
  }
  for (double& tap : taps) tap /= sum;
  return taps;
}

void mirrored_smooth_in_place(std::vector<float>& data, const std::array<int, 3>& shape,
                              const Eigen::Vector3d& sigma_voxels, const Context& context) {
  const auto nx = static_cast<std::size_t>(shape[0]);
  const auto ny = static_cast<std::size_t>(shape[1]);
  const auto nz = static_cast<std::size_t>(shape[2]);
  const std::array<Axis, 3> axes{{{ny * nz, nx, 1}, {nz, ny, nx}, {1, nz, nx * ny}}};
  for (std::size_t a = 0; a < 3; ++a) {
    const double sigma = sigma_voxels[static_cast<Eigen::Index>(a)];
    if (sigma > 0.0) filter_axis(data, axes[a], sigma, context);
  }
}

} // namespace boldmill
