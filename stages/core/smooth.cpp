#include "stages/core/smooth.hpp"

#include <algorithm>
#include <cmath>

#include "stages/core/interpolate.hpp"
#include "stages/core/parallel.hpp"

namespace boldmill {
namespace {

std::vector<float> gaussian_kernel(double sigma) {
  const int radius = std::max(1, static_cast<int>(std::ceil(4.0 * sigma)));
  std::vector<double> weights(static_cast<std::size_t>(2 * radius + 1));
  double sum = 0.0;
  for (int i = -radius; i <= radius; ++i) {
    const double w = std::exp(-0.5 * i * i / (sigma * sigma));
    weights[static_cast<std::size_t>(i + radius)] = w;
    sum += w;
  }
  std::vector<float> kernel(weights.size());
  for (std::size_t i = 0; i < weights.size(); ++i) kernel[i] = static_cast<float>(weights[i] / sum);
  return kernel;
}

// Convolves slabs of `inner` contiguous values along an axis of n entries. The edges are repeated
// into a padded copy, so the innermost loop runs over the whole slab and vectorises for any
// `inner`.
void convolve_slab(float* slab, int n, std::size_t inner, const std::vector<float>& kernel,
                   std::vector<float>& work) {
  const auto size = static_cast<std::size_t>(n) * inner;
  const std::size_t pad = kernel.size() / 2 * inner;
  work.resize(size + 2 * pad);
  for (std::size_t x = 0; x < pad; ++x) {
    work[x] = slab[x % inner];
    work[pad + size + x] = slab[size - inner + x % inner];
  }
  std::copy(slab, slab + size, work.data() + pad);
  std::fill(slab, slab + size, 0.0F);
  for (std::size_t o = 0; o < kernel.size(); ++o) {
    const float w = kernel[o];
    const float* in = work.data() + o * inner;
    for (std::size_t x = 0; x < size; ++x) slab[x] += w * in[x];
  }
}

} // namespace

void gaussian_smooth_in_place(std::vector<float>& data, const std::array<int, 3>& shape,
                              const Eigen::Vector3d& sigma_voxels, const Context& context,
                              int components) {
  const auto nx = static_cast<std::size_t>(shape[0]);
  const auto ny = static_cast<std::size_t>(shape[1]);
  const auto nz = static_cast<std::size_t>(shape[2]);
  const auto nc = static_cast<std::size_t>(components);
  if (sigma_voxels[0] > 0.0 && shape[0] > 1) {
    const auto kernel = gaussian_kernel(sigma_voxels[0]);
    parallel_blocks(context, ny * nz, 64, [&](std::size_t begin, std::size_t end) {
      std::vector<float> work;
      for (std::size_t row = begin; row < end; ++row) {
        convolve_slab(data.data() + row * nx * nc, shape[0], nc, kernel, work);
      }
    });
  }
  if (sigma_voxels[1] > 0.0 && shape[1] > 1) {
    const auto kernel = gaussian_kernel(sigma_voxels[1]);
    parallel_blocks(context, nz, 1, [&](std::size_t begin, std::size_t end) {
      std::vector<float> work;
      for (std::size_t k = begin; k < end; ++k) {
        convolve_slab(data.data() + k * nx * ny * nc, shape[1], nx * nc, kernel, work);
      }
    });
  }
  if (sigma_voxels[2] > 0.0 && shape[2] > 1) {
    const auto kernel = gaussian_kernel(sigma_voxels[2]);
    const int radius = static_cast<int>(kernel.size() / 2);
    parallel_blocks(context, ny, 1, [&](std::size_t begin, std::size_t end) {
      const std::size_t inner = nx * nc;
      std::vector<float> work(nz * inner);
      for (std::size_t j = begin; j < end; ++j) {
        for (std::size_t k = 0; k < nz; ++k) {
          const float* from = data.data() + (k * ny + j) * inner;
          std::copy(from, from + inner, work.data() + k * inner);
        }
        for (std::size_t k = 0; k < nz; ++k) {
          float* out = data.data() + (k * ny + j) * inner;
          std::fill(out, out + inner, 0.0F);
          for (int o = -radius; o <= radius; ++o) {
            const auto source =
                static_cast<std::size_t>(std::clamp(static_cast<int>(k) + o, 0, shape[2] - 1));
            const float w = kernel[static_cast<std::size_t>(o + radius)];
            const float* in = work.data() + source * inner;
            for (std::size_t x = 0; x < inner; ++x) out[x] += w * in[x];
          }
        }
      }
    });
  }
}

Volume gaussian_smooth(Volume volume, double sigma_mm, const Context& context) {
  const Eigen::Vector3d sigma = sigma_mm * volume.grid.spacing_mm().cwiseInverse();
  gaussian_smooth_in_place(volume.data, volume.grid.shape, sigma, context);
  return volume;
}

Volume downsample(const Volume& volume, double spacing_mm, const Context& context) {
  const Eigen::Vector3d spacing = volume.grid.spacing_mm();
  Grid coarse = volume.grid;
  Eigen::Vector3d sigma = Eigen::Vector3d::Zero();
  Eigen::Vector3d offset = Eigen::Vector3d::Zero();
  Eigen::Vector3d factor = Eigen::Vector3d::Ones();
  for (int axis = 0; axis < 3; ++axis) {
    const auto a = static_cast<std::size_t>(axis);
    const int n = volume.grid.shape[a];
    const int coarse_n = std::max(1, static_cast<int>(std::lround(n * spacing[axis] / spacing_mm)));
    if (coarse_n >= n) continue;
    coarse.shape[a] = coarse_n;
    factor[axis] = static_cast<double>(n) / coarse_n;
    offset[axis] = 0.5 * (factor[axis] - 1.0);
    sigma[axis] = 0.4 * std::sqrt(factor[axis] * factor[axis] - 1.0);
  }
  if (coarse.shape == volume.grid.shape) return volume;
  coarse.affine.topRightCorner<3, 1>() = volume.grid.to_mm(offset);
  coarse.affine.topLeftCorner<3, 3>() =
      volume.grid.affine.topLeftCorner<3, 3>() * factor.asDiagonal();
  Volume smooth = volume;
  gaussian_smooth_in_place(smooth.data, smooth.grid.shape, sigma, context);
  return resample(smooth, coarse, PointMap{}, Interpolation::linear, context);
}

} // namespace boldmill
