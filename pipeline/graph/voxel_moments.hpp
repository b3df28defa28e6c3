// Mean and SD over time of every voxel of a brain, and the median of their ratio: one pass serves
// the temporal SNR of a run and its picture.
#pragma once

#include <vector>

#include "pipeline/image_io/nifti.hpp"
#include "stages/core/image.hpp"
#include "stages/core/stage_info.hpp"

namespace boldmill::graph {

struct VoxelMoments {
  Volume mean, sd;   // on the grid of the mask, 0 outside it; SD over n - 1
  double tsnr = 0.0; // median over the voxels that vary
};

// Of the volumes after the dummies. Cost O(T P).
[[nodiscard]] VoxelMoments moments_of(const Series& series, const Mask& mask, int n_dummies,
                                      const Context& context);

// The same of a series that comes block by block, volume after volume.
class VoxelSums {
public:
  VoxelSums(std::size_t n_voxels, int n_dummies)
      : n_dummies_(n_dummies), first_(n_voxels), sum_(n_voxels), squares_(n_voxels) {}

  void add(const image_io::SeriesBlock& block);
  [[nodiscard]] VoxelMoments moments(const Mask& mask, int n_volumes) const;

private:
  int n_dummies_;
  std::vector<float> first_;
  std::vector<double> sum_, squares_;
};

} // namespace boldmill::graph
