// Images of a run that is aligned already, in one pass over its file: every voxel of the mask is
// despiked, cleaned of nuisance signals, filtered and censored; the denoised series, the same
// smoothed, ALFF and ReHo are written beside each other. The order is XCP-D's: the maps are
// made from what is denoised and not smoothed, ALFF from the censored volumes' times.
#pragma once

#include <filesystem>
#include <optional>
#include <vector>

#include "stages/connectivity/alff.hpp"
#include "stages/connectivity/reho.hpp"
#include "stages/core/image.hpp"
#include "stages/denoise/despike.hpp"
#include "stages/denoise/nuisance_regression.hpp"

namespace boldmill::graph {

// What is not wanted is left empty.
struct VoxelFiles {
  std::filesystem::path denoised, smoothed, alff, reho;
};

struct VoxelPath {
  std::filesystem::path bold;
  Mask mask;                                    // on the grid of the file
  std::vector<std::filesystem::path> voxelwise; // series of the same shape, removed voxel by voxel
  nuisance_regression::Design design;
  nuisance_regression::Params nuisance;
  std::optional<despike::Params> despike;
  double smoothing_mm = 0.0; // FWHM, of `smoothed`
  alff::Params alff;
  reho::Params reho;
};

// Images hold the volumes kept, or with output = interpolated all after the dummies; 0 outside the
// mask and where a voxel has no value. Throws usage: alff of z-scored series, smoothed without a
// width; input and gate as the stages.
void write_voxel_images(const VoxelPath& path, const VoxelFiles& files, const Context& context);

// The series of the mask's voxels once (and of each voxel-wise regressor), and what the steps need.
[[nodiscard]] std::size_t voxel_path_bytes(std::size_t n_in_mask, std::size_t n_grid,
                                           std::size_t n_volumes, std::size_t n_voxelwise = 0);

} // namespace boldmill::graph
