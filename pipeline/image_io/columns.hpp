// A 4-D file as columns, one voxel each with its time contiguous, and back. The file is read or
// written once; beyond the columns memory is two dozen volumes of the voxels.
#pragma once

#include <Eigen/Dense>
#include <cstdint>
#include <filesystem>
#include <span>
#include <vector>

#include "pipeline/image_io/nifti.hpp"

namespace boldmill::image_io {

// (n_volumes - first) x voxels.size() from volume `first` on. `voxels`: of the grid, ascending.
[[nodiscard]] Eigen::MatrixXf read_columns(const std::filesystem::path& path,
                                           std::span<const std::size_t> voxels, int first,
                                           const Context& context);

// `consume` gets the volumes where keep is not 0 (T, or empty: all) in order, whole grids: 0
// outside `voxels` and where a value is not finite. The span is valid during the call.
void for_each_kept_volume(const Eigen::Map<const Eigen::MatrixXf>& columns,
                          std::span<const std::size_t> voxels, const Grid& grid,
                          std::span<const std::uint8_t> keep, const Context& context,
                          const std::function<void(std::span<const float>)>& consume);

[[nodiscard]] std::size_t columns_bytes(std::size_t n_voxels, std::size_t n_volumes);

} // namespace boldmill::image_io
