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

// Gathers columns while a file streams by, so that others can look at the same blocks.
class ColumnCollector {
public:
  // `voxels`: of the grid, ascending, alive as long as this.
  ColumnCollector(std::span<const std::size_t> voxels, std::size_t n_grid, int n_volumes,
                  int first = 0);
  void add(const SeriesBlock& block, const Context& context); // in file order
  [[nodiscard]] Eigen::MatrixXf take() { return std::move(columns_); }

private:
  void turn(Eigen::Index begin, Eigen::Index n, const Context& context);

  std::span<const std::size_t> voxels_;
  std::size_t n_grid_;
  int first_;
  std::size_t next_ = 0;    // of voxels_, in the volume being read
  Eigen::MatrixXf columns_; // (n_volumes - first) x voxels
  Eigen::MatrixXf staged_;  // voxels x the volumes not yet turned
};

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
