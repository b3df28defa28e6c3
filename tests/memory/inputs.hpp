// Images for the memory tests: what they show matters little, their sizes and types do.
#pragma once

#include <string>

#include "stages/functional/kernels/head_phantom.hpp"
#include "stages/functional/kernels/volume_source.hpp"

namespace boldmill::memory_test {

// A still head with noise; the head is computed once.
inline Series noisy_head(const Grid& grid, int n_volumes, std::uint64_t seed = 1) {
  Series series;
  series.grid = grid;
  series.n_volumes = n_volumes;
  series.tr_s = 2.0;
  series.data.resize(grid.n_voxels() * static_cast<std::size_t>(n_volumes));
  Random random(seed);
  Volume head(grid);
  phantom::sample_head(grid, {}, random, head.data.data());
  std::uint64_t state = seed;
  for (std::size_t i = 0; i < series.data.size(); ++i) {
    state = state * 6364136223846793005U + 1442695040888963407U;
    const float noise = static_cast<float>(state >> 40U) / 16777216.0F - 0.5F;
    series.data[i] = head.data[i % head.data.size()] + 20.0F + 30.0F * noise;
  }
  return series;
}

inline Volume first_volume(const Series& series) {
  Volume out(series.grid);
  std::copy_n(series.data.begin(), out.data.size(), out.data.begin());
  return out;
}

inline Mask head_mask(const Grid& grid, double share = 1.0) {
  Mask mask(grid);
  for (std::size_t v = 0; v < mask.data.size(); ++v) {
    const auto [i, j, k] = grid.coordinates(v);
    const Eigen::Vector3d p = grid.to_mm(Eigen::Vector3d(i, j, k));
    mask.data[v] = Eigen::Vector3d(p[0] / 65.0, p[1] / 82.0, p[2] / 58.0).norm() < share ? 1 : 0;
  }
  return mask;
}

// As the program reads a run it keeps as integers: every reader has a volume of its own.
inline VolumeSource buffered(const Series& series) {
  return {series.grid, series.n_volumes, series.tr_s, [&series](int t, std::vector<float>& buffer) {
            buffer.assign(series.volume(t), series.volume(t) + series.grid.n_voxels());
            return static_cast<const float*>(buffer.data());
          }};
}

inline Grid bold_grid(bool large) {
  return large ? phantom::scanner_grid({64, 64, 40}, {3.5, 3.5, 3.5})
               : phantom::scanner_grid({40, 48, 30}, {5.0, 5.0, 5.0});
}

inline std::string text(const Grid& grid, int n_volumes = 0) {
  std::string out = std::to_string(grid.shape[0]) + "x" + std::to_string(grid.shape[1]) + "x" +
                    std::to_string(grid.shape[2]);
  if (n_volumes > 0) out += "x" + std::to_string(n_volumes);
  return out;
}

} // namespace boldmill::memory_test
