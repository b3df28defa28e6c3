#include "stages/functional/boldref.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "stages/core/error.hpp"
#include "stages/functional/kernels/head_phantom.hpp"

namespace boldmill::boldref {
namespace {

double rms_difference(const Volume& a, const float* b) {
  double sum = 0.0;
  for (std::size_t v = 0; v < a.data.size(); ++v) {
    const double d = static_cast<double>(a.data[v]) - static_cast<double>(b[v]);
    sum += d * d;
  }
  return std::sqrt(sum / static_cast<double>(a.data.size()));
}

TEST(Boldref, ChoosesTheLastTwentyOfTheFirstForty) {
  const Grid grid = phantom::scanner_grid({20, 24, 12}, {8.0, 8.0, 9.0});
  const Series series =
      phantom::moving_head(grid, std::vector<Affine>(45, Affine::Identity()), 0.0, 1);
  const Outputs out = run({series, 0}, {}, {});
  ASSERT_EQ(out.volumes.size(), 20U);
  EXPECT_EQ(out.volumes.front(), 20);
  EXPECT_EQ(out.volumes.back(), 39);
  EXPECT_LT(rms_difference(out.reference, series.volume(0)), 0.5);
  Params with_dummies;
  with_dummies.use_dummies = true;
  EXPECT_EQ(run({series, 3}, with_dummies, {}).volumes.size(), 3U);
  EXPECT_EQ(run({series, 45}, {}, {}).volumes, std::vector<int>{44});
}

// Noise of the median of 20 falls to about 1.25 / sqrt(20) = 0.28 of one volume's; one wild volume
// does not move it. Alignment adds a little: 0.4.
TEST(Boldref, IsQuieterThanAVolumeAndRobust) {
  const Grid grid = phantom::scanner_grid({40, 48, 24}, {4.0, 4.0, 4.5});
  Random random(3);
  std::vector<Affine> motion = phantom::random_motion(21, 0.4, 0.4, random);
  motion[10] = Affine::Identity();
  Series series = phantom::moving_head(grid, motion, 30.0, 4);
  for (std::size_t v = 0; v < grid.n_voxels(); ++v) series.volume(5)[v] *= 3.0F;
  const Series clean = phantom::moving_head(grid, {Affine::Identity()}, 0.0, 1);
  // Rician noise has a floor in air; the comparison is inside the head.
  double noisy = 0.0;
  double quiet = 0.0;
  Params params;
  params.n_average = 21;
  const Outputs out = run({series, 0}, params, {});
  ASSERT_TRUE(out.aligned);
  ASSERT_EQ(out.volumes[out.volumes.size() / 2], 10);
  for (std::size_t v = 0; v < grid.n_voxels(); ++v) {
    if (clean.data[v] < 400.0F) continue;
    noisy += std::pow(series.volume(10)[v] - clean.data[v], 2);
    quiet += std::pow(out.reference.data[v] - clean.data[v], 2);
  }
  EXPECT_LT(std::sqrt(quiet / noisy), 0.4);
}

TEST(Boldref, OneVolumeIsItsOwnReference) {
  const Grid grid = phantom::scanner_grid({20, 24, 12}, {8.0, 8.0, 9.0});
  const Series series = phantom::moving_head(grid, {Affine::Identity()}, 5.0, 1);
  const Outputs out = run({series, 0}, {}, {});
  EXPECT_EQ(rms_difference(out.reference, series.volume(0)), 0.0);
}

TEST(Boldref, RefusesARunWithoutContrast) {
  Series series;
  series.grid = phantom::scanner_grid({20, 24, 12}, {8.0, 8.0, 9.0});
  series.n_volumes = 3;
  series.data.assign(3 * series.grid.n_voxels(), 7.0F);
  EXPECT_THROW((void)run({series, 0}, {}, {}), Error);
}

} // namespace
} // namespace boldmill::boldref
