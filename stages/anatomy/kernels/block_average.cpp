#include "stages/anatomy/kernels/block_average.hpp"

#include <algorithm>
#include <cmath>

#include "stages/core/parallel.hpp"

namespace boldmill::anatomy {

std::array<int, 3> block_factors(const Grid& grid, double spacing_mm) {
  const Eigen::Vector3d spacing = grid.spacing_mm();
  std::array<int, 3> factors{1, 1, 1};
  for (std::size_t a = 0; a < 3; ++a) {
    const long nearest = std::lround(spacing_mm / spacing[static_cast<int>(a)]);
    factors[a] = static_cast<int>(std::clamp(nearest, 1L, static_cast<long>(grid.shape[a])));
  }
  return factors;
}

Volume block_average(const Volume& image, double spacing_mm, const Context& context) {
  const auto f = block_factors(image.grid, spacing_mm);
  if (f == std::array<int, 3>{1, 1, 1}) return image;
  const auto& shape = image.grid.shape;
  Grid grid = image.grid;
  for (std::size_t a = 0; a < 3; ++a) {
    grid.shape[a] = (shape[a] + f[a] - 1) / f[a];
    grid.affine.col(static_cast<int>(a)) *= f[a];
  }
  const Eigen::Vector3d first(0.5 * (f[0] - 1), 0.5 * (f[1] - 1), 0.5 * (f[2] - 1));
  grid.affine.topRightCorner<3, 1>() = image.grid.to_mm(first);
  Volume out(grid);
  parallel_blocks(
      context, static_cast<std::size_t>(grid.shape[2]), 1, [&](std::size_t slice, std::size_t) {
        const int k = static_cast<int>(slice);
        const int k_end = std::min(shape[2], (k + 1) * f[2]);
        for (int j = 0; j < grid.shape[1]; ++j) {
          const int j_end = std::min(shape[1], (j + 1) * f[1]);
          float* row = &out.at(0, j, k);
          for (int kk = k * f[2]; kk < k_end; ++kk) {
            for (int jj = j * f[1]; jj < j_end; ++jj) {
              const float* in = &image.at(0, jj, kk);
              for (int i = 0; i < grid.shape[0]; ++i) {
                const int i_end = std::min(shape[0], (i + 1) * f[0]);
                float sum = 0.0F;
                for (int ii = i * f[0]; ii < i_end; ++ii) sum += in[ii];
                row[i] += sum / static_cast<float>(i_end - i * f[0]);
              }
            }
          }
          const float rows = static_cast<float>((k_end - k * f[2]) * (j_end - j * f[1]));
          for (int i = 0; i < grid.shape[0]; ++i) row[i] /= rows;
        }
      });
  return out;
}

} // namespace boldmill::anatomy
