// Series of the regions of several sets from an image that comes in pieces, despiked before the
// average when the configuration asks for it.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "pipeline/graph/bold_run.hpp"

namespace boldmill::graph {

class RegionSeries {
public:
  // `sets`: regions as voxels of a grid (or of a list) of n_voxels. `mask`: the voxels with signal.
  // Both must outlive it.
  RegionSeries(const std::vector<std::vector<Region>>& sets, std::size_t n_voxels, const Mask& mask,
               int n_volumes, const config::Config& config);

  // Voxels [begin, begin + values.size()) of volume t, in ascending order.
  void add(int t, std::size_t begin, std::span<const float> values);
  // Appends to result.series and result.coverage.
  void finish(int n_dummies, const Context& context, RunResult& result);

private:
  void add_voxels(int t, std::size_t begin, std::span<const float> values);

  const std::vector<std::vector<Region>>& sets_;
  const config::Config& config_;
  std::vector<extraction::ParcelAccumulator> accumulators_; // unless despiked
  std::vector<std::size_t> voxels_;                         // of any region, in the mask
  Eigen::MatrixXf columns_;                                 // T x voxels_
};

// The voxels' series that despiking holds.
[[nodiscard]] std::size_t region_series_bytes(std::size_t n_voxels, std::size_t n_volumes,
                                              const config::Config& config);

} // namespace boldmill::graph
