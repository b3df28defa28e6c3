// Separable Gaussian smoothing and resolution pyramids.
#pragma once

#include "stages/core/image.hpp"
#include "stages/core/stage_info.hpp"

namespace boldmill {

inline constexpr double kFwhmPerSigma = 2.354820045030949; // 2 sqrt(2 ln 2)

// Sampled Gaussian, truncated at 4 sigma and normalised; edge voxels repeated. sigma per axis in
// voxels, 0 leaves an axis alone. `components` interleaved values per voxel. In place.
void gaussian_smooth_in_place(std::vector<float>& data, const std::array<int, 3>& shape,
                              const Eigen::Vector3d& sigma_voxels, const Context& context,
                              int components = 1);

[[nodiscard]] Volume gaussian_smooth(Volume volume, double sigma_mm, const Context& context);

// Smooths against aliasing and resamples (linear) to an axis-aligned copy of the grid whose voxels
// are about `spacing_mm`; axes that are already coarser keep their samples.
[[nodiscard]] Volume downsample(const Volume& volume, double spacing_mm, const Context& context);

} // namespace boldmill
