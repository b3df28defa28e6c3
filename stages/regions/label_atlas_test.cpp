#include "stages/regions/label_atlas.hpp"

#include <gtest/gtest.h>
#include <tbb/global_control.h>
#include <tbb/task_arena.h>

namespace boldmill::label_atlas {
namespace {

Grid grid_of(std::array<int, 3> shape, Eigen::Vector3d spacing, Eigen::Vector3d origin) {
  Grid grid;
  grid.shape = shape;
  for (int a = 0; a < 3; ++a) {
    grid.affine(a, a) = spacing[a];
    grid.affine(a, 3) = origin[a];
  }
  return grid;
}

// Two boxes of 2 x 3 x 4 voxels of 2 mm, label 3 left and label 5 right of x = 0.
LabelImage two_boxes() {
  LabelImage image(grid_of({20, 20, 20}, {2, 2, 2}, {-19, -19, -19}));
  for (int k = 5; k < 9; ++k) {
    for (int j = 6; j < 9; ++j) {
      for (int i = 0; i < 2; ++i) {
        image.at(4 + i, j, k) = 3;
        image.at(14 + i, j, k) = 5;
      }
    }
  }
  return image;
}

// One label on both sides, symmetric: x = -9 .. -1 and 1 .. 9 mm.
LabelImage bilateral(double origin_x) {
  LabelImage image(grid_of({20, 6, 6}, {2, 2, 2}, {origin_x, 0, 0}));
  for (int i = 5; i < 15; ++i) image.at(i, 2, 3) = 7;
  return image;
}

TEST(LabelAtlas, KeepsAnAtlasOnItsOwnGrid) {
  const LabelImage atlas = two_boxes();
  const std::vector<LabelRow> table{{3, "left box"}, {5, "right box"}, {9, "nowhere"}};
  const Outputs out =
      run({.labels = &atlas, .table = table, .target = &atlas.grid, .space = "s"}, {}, Context{});
  ASSERT_EQ(out.regions.regions.size(), 2U);
  EXPECT_FALSE(out.split);
  const Region& left = region_of(out.regions, "left box");
  EXPECT_EQ(left.index, 3);
  EXPECT_EQ(left.voxels.size(), 24U);
  EXPECT_DOUBLE_EQ(left.volume_mm3, 192.0);
  // Voxels 4 and 5 of x: -19 + 2 * 4.5; 6..8 of y: -19 + 2 * 7; 5..8 of z: -19 + 2 * 6.5.
  EXPECT_NEAR((left.center_mm - Eigen::Vector3d(-10, -5, -6)).norm(), 0.0, 1e-12);
  EXPECT_EQ(out.rows_without_voxels, std::vector<int>{9});
  EXPECT_TRUE(out.labels_without_row.empty());
  EXPECT_THROW((void)region_of(out.regions, "nowhere"), Error);
}

TEST(LabelAtlas, FollowsThePointMap) {
  const LabelImage atlas = two_boxes();
  Affine target_to_atlas = Affine::Identity();
  target_to_atlas(1, 3) = 4.0; // the atlas lies 4 mm further forward
  const PointMap map{{target_to_atlas}};
  const Outputs out =
      run({.labels = &atlas, .target = &atlas.grid, .target_to_atlas = &map}, {}, Context{});
  EXPECT_NEAR((region_of(out.regions, "label-3").center_mm - Eigen::Vector3d(-10, -9, -6)).norm(),
              0.0, 1e-12);
}

TEST(LabelAtlas, DoesNotDependOnTheAtlasStorageOrder) {
  const LabelImage atlas = two_boxes();
  LabelImage mirrored(atlas.grid); // same places, x stored right to left
  mirrored.grid.affine(0, 0) = -2.0;
  mirrored.grid.affine(0, 3) = 19.0;
  for (int k = 0; k < 20; ++k) {
    for (int j = 0; j < 20; ++j) {
      for (int i = 0; i < 20; ++i) mirrored.at(i, j, k) = atlas.at(19 - i, j, k);
    }
  }
  const Grid target = grid_of({16, 15, 14}, {2.5, 2.5, 3}, {-18, -18, -18});
  const Outputs a = run({.labels = &atlas, .target = &target}, {}, Context{});
  const Outputs b = run({.labels = &mirrored, .target = &target}, {}, Context{});
  ASSERT_EQ(a.regions.regions.size(), b.regions.regions.size());
  for (std::size_t r = 0; r < a.regions.regions.size(); ++r) {
    EXPECT_EQ(a.regions.regions[r].voxels, b.regions.regions[r].voxels);
  }
}

TEST(LabelAtlas, SplitsAtlasesThatLabelBothHemispheresAlike) {
  const LabelImage atlas = bilateral(-19);
  const std::vector<LabelRow> table{{7, "Insula"}};
  const Outputs out = run({.labels = &atlas, .table = table, .target = &atlas.grid}, {}, Context{});
  EXPECT_TRUE(out.split);
  ASSERT_EQ(out.regions.regions.size(), 2U);
  EXPECT_EQ(out.regions.regions[0].label, "Insula_L");
  EXPECT_EQ(out.regions.regions[0].index, 13);
  EXPECT_EQ(out.regions.regions[1].label, "Insula_R");
  EXPECT_EQ(out.regions.regions[1].index, 14);
  EXPECT_DOUBLE_EQ(out.regions.regions[0].center_mm.x(), -5.0);
  EXPECT_DOUBLE_EQ(out.regions.regions[1].center_mm.x(), 5.0);
  EXPECT_EQ(out.n_midline_voxels, 0U);
  ASSERT_EQ(out.regions.notes.size(), 1U);
  EXPECT_NE(out.regions.notes[0].find("split at x = 0"), std::string::npos);

  const Outputs whole =
      run({.labels = &atlas, .target = &atlas.grid}, {.split_hemispheres = "never"}, Context{});
  ASSERT_EQ(whole.regions.regions.size(), 1U);
  EXPECT_EQ(whole.regions.regions[0].voxels.size(), 10U);
}

TEST(LabelAtlas, LeavesOutTheMidlinePlaneOfASplit) {
  const LabelImage atlas = bilateral(-18); // x = -8 .. 10 with a voxel centre at 0
  const Outputs out = run({.labels = &atlas, .target = &atlas.grid}, {}, Context{});
  ASSERT_EQ(out.regions.regions.size(), 2U);
  EXPECT_EQ(out.n_midline_voxels, 1U);
  EXPECT_EQ(out.regions.regions[0].voxels.size(), 4U);
  EXPECT_EQ(out.regions.regions[1].voxels.size(), 5U);
}

TEST(LabelAtlas, SaysWhichLabelsAreTooSmallOnTheTarget) {
  LabelImage atlas = two_boxes();
  atlas.at(10, 10, 10) = 8;
  const Outputs out = run({.labels = &atlas, .target = &atlas.grid}, {.min_voxels = 2}, Context{});
  EXPECT_EQ(out.labels_lost, std::vector<int>{8});
  EXPECT_EQ(out.regions.regions.size(), 2U);
  ASSERT_EQ(out.regions.notes.size(), 1U);
  EXPECT_NE(out.regions.notes[0].find("label-8"), std::string::npos);
}

TEST(LabelAtlas, SameBitsAtAnyNumberOfThreads) {
  const LabelImage atlas = two_boxes();
  const Grid target = grid_of({60, 60, 60}, {0.7, 0.7, 0.7}, {-20, -20, -20});
  const auto with_threads = [&](int n) {
    const tbb::global_control limit(tbb::global_control::max_allowed_parallelism,
                                    static_cast<std::size_t>(n));
    tbb::task_arena arena(n);
    return arena.execute([&] { return run({.labels = &atlas, .target = &target}, {}, Context{}); });
  };
  const Outputs one = with_threads(1), eight = with_threads(8);
  ASSERT_EQ(one.regions.regions.size(), 2U);
  for (std::size_t r = 0; r < 2; ++r) {
    EXPECT_EQ(one.regions.regions[r].voxels, eight.regions.regions[r].voxels);
    EXPECT_EQ(one.regions.regions[r].center_mm, eight.regions.regions[r].center_mm);
  }
}

TEST(LabelAtlas, RefusesImagesThatAreNoAtlas) {
  const auto kind_of = [](const LabelImage& image, const Grid& target) {
    try {
      (void)run({.labels = &image, .target = &target, .name = "A"}, {}, Context{});
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  LabelImage image = two_boxes();
  const Grid far = grid_of({4, 4, 4}, {1, 1, 1}, {500, 500, 500});
  EXPECT_NE(kind_of(image, far).find("on the target grid"), std::string::npos);
  image.at(0, 0, 0) = -4;
  EXPECT_NE(kind_of(image, image.grid).find("found the label -4"), std::string::npos);
  const LabelImage empty(image.grid);
  EXPECT_NE(kind_of(empty, image.grid).find("found no label"), std::string::npos);
  LabelImage same = two_boxes();
  const std::vector<LabelRow> twice{{3, "x"}, {5, "x"}};
  EXPECT_THROW((void)run({.labels = &same, .table = twice, .target = &same.grid}, {}, Context{}),
               Error);
}

TEST(LabelLayers, LoseNothingWhenRegionsOverlap) {
  RegionSet set;
  set.grid = grid_of({6, 1, 1}, {1, 1, 1}, {0, 0, 0});
  const std::vector<std::vector<std::size_t>> voxels{{0, 1, 2}, {2, 3}, {4, 5}, {1, 2, 3}};
  for (std::size_t r = 0; r < voxels.size(); ++r) {
    Region region;
    region.label = std::string(1, static_cast<char>('a' + r));
    region.index = static_cast<int>(r) + 1;
    region.voxels = voxels[r];
    set.regions.push_back(region);
  }
  const LabelLayers layers = label_layers(set);
  EXPECT_EQ(layers.images.size(), 3U);
  EXPECT_EQ(layers.layer, (std::vector<std::size_t>{0, 1, 0, 2}));
  for (std::size_t r = 0; r < voxels.size(); ++r) {
    const LabelImage& image = layers.images[layers.layer[r]];
    std::vector<std::size_t> held;
    for (std::size_t v = 0; v < image.data.size(); ++v) {
      if (image.data[v] == set.regions[r].index) held.push_back(v);
    }
    EXPECT_EQ(held, voxels[r]);
  }
}

} // namespace
} // namespace boldmill::label_atlas
