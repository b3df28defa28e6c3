// Gaussian smoothing as scipy, and with it nilearn and XCP-D, smooths images: a sampled Gaussian
// cut at 4 sigma rounded to a voxel, the image mirrored at its edges (c b a | a b c). Everything
// else here smooths by smooth.hpp.
#pragma once

#include <array>
#include <vector>

#include "stages/core/image.hpp"
#include "stages/core/stage_info.hpp"

namespace boldmill {

// One volume, i fastest, in place. sigma per axis in voxels, 0 leaves an axis alone.
void mirrored_smooth_in_place(std::vector<float>& data, const std::array<int, 3>& shape,
                              const Eigen::Vector3d& sigma_voxels, const Context& context);

// The weights, from -round(4 sigma) on; their sum is 1.
[[nodiscard]] std::vector<double> mirrored_gaussian(double sigma_voxels);

// Which of n voxels stands for the i-th, also beyond the edges.
[[nodiscard]] inline int mirrored_index(int i, int n) {
  while (i < 0 || i >= n) i = i < 0 ? -1 - i : 2 * n - 1 - i;
  return i;
}

} // namespace boldmill
