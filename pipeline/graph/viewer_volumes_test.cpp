#include "pipeline/graph/viewer_volumes.hpp"

#include <gtest/gtest.h>

#include <cmath>

namespace boldmill::graph {
namespace {

// A ball of 30 mm in a head of 60 mm, on a grid whose first axis runs to the left.
struct Head {
  TargetSpace target;
  Head() {
    Grid grid;
    grid.shape = {70, 70, 70};
    grid.affine(0, 0) = -2.0;
    grid.affine(0, 3) = 70.0;
    grid.affine(1, 1) = grid.affine(2, 2) = 2.0;
    grid.affine(1, 3) = grid.affine(2, 3) = -70.0;
    target.space = "ball";
    target.brain = Volume(grid, 9000.0F); // beyond the mask: never to be seen
    target.mask = Mask(grid, 0);
    for (std::size_t v = 0; v < target.mask.data.size(); ++v) {
      const auto at = grid.coordinates(v);
      const Eigen::Vector3d mm = grid.to_mm(Eigen::Vector3d(at[0], at[1], at[2]));
      if (mm.norm() > 30.0) continue;
      target.mask.data[v] = 1;
      target.brain.data[v] = static_cast<float>(100.0 + mm.x()); // grows to the right
    }
    target.grid = grid;
    Region right;
    for (const std::size_t v : indices_of(target.mask)) {
      if (grid.to_mm(Eigen::Vector3d(grid.coordinates(v)[0], 0, 0)).x() > 5.0) {
        right.voxels.push_back(v);
      }
    }
    target.sets.push_back({});
    target.sets.back().name = "halves";
    target.sets.back().regions = {Region{}, right};
  }
};

std::size_t at(const store::VolumeRecord& volume, double x, double y, double z) {
  Grid grid;
  grid.shape = volume.shape;
  grid.affine = volume.affine;
  const Eigen::Vector3d voxel = grid.to_voxel({x, y, z});
  return grid.index(static_cast<int>(std::lround(voxel[0])),
                    static_cast<int>(std::lround(voxel[1])),
                    static_cast<int>(std::lround(voxel[2])));
}

TEST(ViewerVolumes, ShowTheBrainOnlyAndTheRightOnTheRight) {
  const Head head;
  const auto volumes = template_volumes(head.target, {});
  ASSERT_EQ(volumes.size(), 2U);
  const auto& grey = volumes[0];
  EXPECT_EQ(grey.name, "template");
  EXPECT_EQ(grey.space, "ball");
  EXPECT_LT(grey.shape[0], 30);                            // the box of the ball, not of the head
  for (const double x : {-24.0, -10.0, 0.0, 10.0, 24.0}) { // 0.5 and 99.5 % lie near 28 mm
    const double share = (x + 28.0) / 56.0;
    EXPECT_NEAR(grey.grey[at(grey, x, 0, 0)], 3.0 + 252.0 * share, 14.0) << x;
  }
  Grid grid;
  grid.shape = grey.shape;
  grid.affine = grey.affine;
  for (std::size_t v = 0; v < grey.grey.size(); ++v) {
    const auto voxel = grid.coordinates(v);
    const double radius = grid.to_mm(Eigen::Vector3d(voxel[0], voxel[1], voxel[2])).norm();
    if (radius > 33.0) {
      EXPECT_EQ(grey.grey[v], 0) << radius;
    }
    if (radius < 28.0) {
      EXPECT_GE(grey.grey[v], 3) << radius;
    }
  }
  EXPECT_EQ(volumes[1].name, "halves");
  EXPECT_EQ(volumes[1].region[at(volumes[1], 15, 0, 0)], 2);
  EXPECT_EQ(volumes[1].region[at(volumes[1], -15, 0, 0)], 0);
}

TEST(ViewerVolumes, AnImageIsSeenWhereItsPointsLie) {
  const Head head;
  Affine moved = Affine::Identity(); // template to image: the image lies 10 mm to the right
  moved(0, 3) = 10.0;
  const auto volume =
      grey_volume("t1w", head.target.brain, head.target.mask, head.target, PointMap{{moved}}, {});
  EXPECT_GT(volume.grey[at(volume, -27, 0, 0)], 0); // 17 mm left of the middle of the ball
  EXPECT_EQ(volume.grey[at(volume, 25, 0, 0)], 0);  // 35 mm right of it: outside
}

} // namespace
} // namespace boldmill::graph
