// Copies voxels of a series that lies volume after volume into columns whose time is contiguous.
#pragma once

#include <Eigen/Dense>
#include <cstddef>
#include <span>

#include "stages/core/image.hpp"

namespace boldmill {

// T x voxels.size()
[[nodiscard]] inline Eigen::MatrixXf gather_columns(const Series& series,
                                                    std::span<const std::size_t> voxels) {
  Eigen::MatrixXf columns(series.n_volumes, static_cast<Eigen::Index>(voxels.size()));
  for (int t = 0; t < series.n_volumes; ++t) {
    const float* volume = series.volume(t);
    for (std::size_t v = 0; v < voxels.size(); ++v) {
      columns(t, static_cast<Eigen::Index>(v)) = volume[voxels[v]];
    }
  }
  return columns;
}

} // namespace boldmill
