#include "stages/regions/map_atlas.hpp"

#include <gtest/gtest.h>

#include <limits>

namespace boldmill::map_atlas {
namespace {

Grid grid_of(std::array<int, 3> shape, double spacing) {
  Grid grid;
  grid.shape = shape;
  grid.affine.diagonal() << spacing, spacing, spacing, 1;
  return grid;
}

TEST(MapAtlas, TakesTheVoxelsAboveTheThresholdWithTheirWeights) {
  Volume map(grid_of({5, 1, 1}, 2.0));
  map.data = {0.0F, 0.25F, -0.5F, std::numeric_limits<float>::quiet_NaN(), 0.75F};
  const Outputs out = run({.map = &map, .target = &map.grid, .label = "a", .index = 3}, {}, {});
  EXPECT_FALSE(out.resampled);
  EXPECT_EQ(out.region.label, "a");
  EXPECT_EQ(out.region.index, 3);
  EXPECT_EQ(out.region.voxels, (std::vector<std::size_t>{1, 2, 4}));
  EXPECT_EQ(out.region.weights, (std::vector<float>{0.25F, -0.5F, 0.75F}));
  EXPECT_NEAR(out.region.center_mm.x(), (0.25 * 2 + 0.5 * 4 + 0.75 * 8) / 1.5, 1e-12);
  const Outputs high = run({.map = &map, .target = &map.grid}, {.threshold = 0.6}, {});
  EXPECT_EQ(high.region.voxels, (std::vector<std::size_t>{4}));
  EXPECT_TRUE(
      run({.map = &map, .target = &map.grid}, {.threshold = 1.0}, {}).region.voxels.empty());
}

TEST(MapAtlas, OnAnotherGridALinearMapStaysLinear) {
  Volume map(grid_of({9, 9, 9}, 2.0));
  for (std::size_t v = 0; v < map.data.size(); ++v) {
    map.data[v] = static_cast<float>(map.grid.coordinates(v)[0]);
  }
  const Grid target = grid_of({5, 5, 5}, 3.0); // 0 to 12 mm, within 0 to 16
  const Outputs out = run({.map = &map, .target = &target}, {}, {});
  EXPECT_TRUE(out.resampled);
  ASSERT_EQ(out.region.voxels.size(), 100U); // all but those at x = 0
  for (std::size_t i = 0; i < out.region.voxels.size(); ++i) {
    const double x_mm = 3.0 * target.coordinates(out.region.voxels[i])[0];
    EXPECT_NEAR(out.region.weights[i], x_mm / 2.0, 1e-5);
  }
}

} // namespace
} // namespace boldmill::map_atlas
