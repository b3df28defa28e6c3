#include "pipeline/graph/voxel_moments.hpp"

#include <gtest/gtest.h>

#include <cmath>

namespace boldmill::graph {
namespace {

// Voxel v of volume t is 100 (v + 1) + d_t with d = -1, 1, -1, 1 after a dummy far off: mean
// 100 (v + 1), SD sqrt(4 / 3). The last voxel is constant and has no tSNR.
Series example(int n_voxels) {
  Series series;
  series.grid.shape = {n_voxels, 1, 1};
  series.n_volumes = 5;
  for (int t = 0; t < 5; ++t) {
    for (int v = 0; v < n_voxels; ++v) {
      const float change = t == 0 ? 5000.0F : (t % 2 == 0 ? 1.0F : -1.0F);
      series.data.push_back(100.0F * static_cast<float>(v + 1) +
                            (v + 1 < n_voxels ? change : 0.0F));
    }
  }
  return series;
}

void expect_right(const VoxelMoments& found) {
  const double sd = std::sqrt(4.0 / 3.0);
  const std::vector<float> mean{0.0F, 200.0F, 300.0F, 400.0F, 500.0F};
  for (std::size_t v = 0; v < mean.size(); ++v) {
    EXPECT_NEAR(found.mean.data[v], mean[v], 1e-4) << v;
    EXPECT_NEAR(found.sd.data[v], v == 0 || v == 4 ? 0.0 : sd, 1e-6) << v;
  }
  EXPECT_NEAR(found.tsnr, 300.0 / sd, 1e-9);
}

TEST(VoxelMoments, AreThoseOfTheVolumesAfterTheDummiesInsideTheMask) {
  const Series series = example(5);
  Mask mask(series.grid, 1);
  mask.data[0] = 0;
  expect_right(moments_of(series, mask, 1, {}));
  VoxelSums sums(5, 1);
  for (int t = 0; t < 5; ++t) { // in blocks of three and two voxels
    sums.add({t, 0, {series.volume(t), 3}});
    sums.add({t, 3, {series.volume(t) + 3, 2}});
  }
  expect_right(sums.moments(mask, 5));
}

TEST(VoxelMoments, WithoutAVoxelThatVariesThereIsNoSnr) {
  const Series series = example(1);
  EXPECT_TRUE(std::isnan(moments_of(series, Mask(series.grid, 1), 0, {}).tsnr));
  EXPECT_TRUE(std::isnan(moments_of(series, Mask(series.grid, 0), 0, {}).tsnr));
}

} // namespace
} // namespace boldmill::graph
