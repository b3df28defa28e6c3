// One number a region and volume from the voxels of the region: median, first eigenvariate, least
// squares of all regions at once. Meaning and missing data: stages/regions/extraction.hpp.
#pragma once

#include <Eigen/Dense>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "stages/core/stage_info.hpp"

namespace boldmill::region_statistics {

// Of the columns of a table of voxels, those that belong to a region.
struct Members {
  std::vector<std::uint32_t> columns; // ascending
  std::vector<float> weights;         // of each; empty: all 1
  int n_voxels = 0;                   // of the region, in the mask or not
  double total_weight = 0.0;          // of those, in size
  double in_mask_weight = 0.0;        // of the members

  [[nodiscard]] double weight(std::size_t i) const {
    return weights.empty() ? 1.0 : static_cast<double>(weights[i]);
  }
};

// A view of voxel series in either memory order.
struct VoxelSeries {
  const float* data = nullptr;
  Eigen::Index n_volumes = 0;
  Eigen::Index volume_stride = 1;
  Eigen::Index voxel_stride = 1;

  [[nodiscard]] float operator()(Eigen::Index t, std::size_t column) const {
    return data[t * volume_stride + static_cast<Eigen::Index>(column) * voxel_stride];
  }
};

struct Result {
  Eigen::MatrixXf parcel_series; // T x R
  std::int64_t n_missing = 0;    // values that were not finite, once for each region they are in
};

[[nodiscard]] Result median(const VoxelSeries& series, std::span<const Members> regions,
                            double min_coverage, const Context& context);
[[nodiscard]] Result eigenvariate(const VoxelSeries& series, std::span<const Members> regions,
                                  double min_coverage, const Context& context);
[[nodiscard]] Result least_squares(const VoxelSeries& series, std::span<const Members> regions,
                                   double min_coverage, const Context& context);

// u1 s1 / sqrt(n) of y (T x n), its sign such that the loadings sum above 0; zeros for a y of
// zeros. Lanczos iteration with full reorthogonalisation from a fixed start, to a residual of 1e-12
// of the largest eigenvalue of y y'.
[[nodiscard]] Eigen::VectorXd first_eigenvariate(const Eigen::MatrixXd& y);

} // namespace boldmill::region_statistics
