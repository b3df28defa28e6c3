#include "stages/regions/spheres.hpp"

#include <gtest/gtest.h>

#include <numbers>

#include "stages/regions/test_series.hpp"

namespace boldmill::spheres {
namespace {

std::vector<Seed> four_seeds() {
  return parse_seeds("6 6 6\n9 6 6\n0.4 14.2 11.1\n17 1 1\n", "seeds.txt");
}

TEST(Spheres, AgreeWithNilearn) {
  const extraction::Reference reference;
  const std::vector<Seed> seeds = four_seeds();
  const RegionSet set =
      run({.seeds = seeds, .target = &reference.series.grid}, {.radius_mm = 4.5}, {});
  const extraction::Outputs out = extraction::run(
      {.series = &reference.series, .regions = &set.regions, .mask = &reference.mask},
      {.min_coverage = 0.0}, {});
  const Eigen::MatrixXd expected = extraction::read_matrix("spheres.tsv");
  ASSERT_EQ(out.parcel_series.cols(), expected.cols());
  // Float of the result.
  EXPECT_LT((out.parcel_series.cast<double>() - expected).cwiseAbs().maxCoeff(), 3e-5);
}

TEST(Spheres, HaveTheVolumeOfASphereWhateverTheHandedness) {
  Grid right;
  right.shape = {40, 44, 38};
  right.affine << 1.3, 0, 0, -26, 0, 1.1, 0, -24, 0, 0, 1.2, -23, 0, 0, 0, 1;
  Grid left = right; // the same places, x stored from right to left
  left.affine(0, 0) = -1.3;
  left.affine(0, 3) = -26 + 1.3 * 39;
  const std::vector<Seed> seeds = parse_seeds("a -4.2 3.1 1.7 9\n", "s");
  const Region a = run({.seeds = seeds, .target = &right}, {}, {}).regions.at(0);
  const Region b = run({.seeds = seeds, .target = &left}, {}, {}).regions.at(0);
  const double volume = 4.0 / 3.0 * std::numbers::pi * 729.0;
  EXPECT_NEAR(a.volume_mm3, volume, 0.02 * volume);
  EXPECT_EQ(a.voxels.size(), b.voxels.size());
  EXPECT_LT((a.center_mm - b.center_mm).norm(), 1e-9);
  EXPECT_LT((a.center_mm - seeds[0].center_mm).norm(), 0.1);
}

TEST(Spheres, WithoutRadiusHoldTheVoxelOfThePoint) {
  const Grid grid = extraction::grid_of({4, 4, 4});
  const std::vector<Seed> seeds = parse_seeds("3.4 6.2 8.9\n-40 0 0\n", "s");
  const RegionSet set = run({.seeds = seeds, .target = &grid}, {.radius_mm = 0.0}, {});
  EXPECT_EQ(set.regions[0].voxels, (std::vector<std::size_t>{grid.index(1, 2, 3)}));
  EXPECT_TRUE(set.regions[1].voxels.empty());
  ASSERT_EQ(set.notes.size(), 1U);
  EXPECT_NE(set.notes[0].find("sphere-2"), std::string::npos);
}

TEST(Spheres, OverlapIsAllowedRefusedOrGivenToTheNearest) {
  const Grid grid = extraction::grid_of({9, 5, 5});
  const std::vector<Seed> seeds = parse_seeds("l 9 6 6\nr 15 6 6\n", "s"); // voxels 3 and 5 of x
  const Inputs inputs{.seeds = seeds, .target = &grid};
  const RegionSet both = run(inputs, {.radius_mm = 4.0}, {});
  EXPECT_EQ(both.regions[0].voxels.size(), 7U);
  EXPECT_EQ(both.regions[1].voxels.size(), 7U);
  const RegionSet nearest = run(inputs, {.radius_mm = 4.0, .overlap = "nearest"}, {});
  EXPECT_EQ(nearest.regions[0].voxels.size(), 7U) << "the voxel half-way is the first one's";
  EXPECT_EQ(nearest.regions[1].voxels.size(), 6U);
  EXPECT_THROW((void)run(inputs, {.radius_mm = 4.0, .overlap = "refuse"}, {}), Error);
  EXPECT_NO_THROW((void)run(inputs, {.radius_mm = 2.0, .overlap = "refuse"}, {}));
}

TEST(Spheres, ReadsTheTablesOfTheField) {
  const std::vector<Seed> dosenbach =
      parse_seeds("number,x,y,z,name,network\n1,6,64,3,vmPFC,default\n2,29,57,18,aPFC,fp\n"
                  "3,-29,57,10,aPFC,fp\n",
                  "d");
  ASSERT_EQ(dosenbach.size(), 3U);
  EXPECT_EQ(dosenbach[0].label, "vmPFC");
  EXPECT_EQ(dosenbach[2].label, "aPFC_3");
  EXPECT_EQ(dosenbach[2].center_mm, Eigen::Vector3d(-29, 57, 10));
  EXPECT_TRUE(std::isnan(dosenbach[0].radius_mm));
  const std::vector<Seed> power = parse_seeds("ROI,X,Y,Z\n1,-25,-98,-12\n", "p");
  EXPECT_EQ(power[0].label, "sphere-1");
  const std::vector<Seed> seitzman = parse_seeds(
      "x y z radius(mm) netWorkbenchLabel netName\n-56.16 -44.76 -24.23 5 0 none\n", "s");
  EXPECT_EQ(seitzman[0].radius_mm, 5.0);
  EXPECT_EQ(seitzman[0].center_mm.x(), -56.16);
  const std::vector<Seed> plain = parse_seeds("PCC\t0\t-50\t28\t8\n", "t");
  EXPECT_EQ(plain[0].label, "PCC");
  EXPECT_EQ(plain[0].radius_mm, 8.0);
}

TEST(Spheres, RefusesWhatIsNoTable) {
  for (const char* text :
       {"", "a b\n", "x,y\n1,2\n", "1 2 3\n1 2\n", "1 2 3\n1 b 3\n", "a 1 2 3 -1\n", "x,y,z\n"}) {
    try {
      (void)parse_seeds(text, "seeds.tsv");
      ADD_FAILURE() << "accepted: " << text;
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::input);
      EXPECT_EQ(std::string(error.what()).rfind("seeds.tsv", 0), 0U) << error.what();
    }
  }
}

TEST(RegionSets, UniteWithUniqueNames) {
  const Grid grid = extraction::grid_of({4, 4, 4});
  const std::vector<Seed> seeds = parse_seeds("a 0 0 0\nb 3 3 3\n", "s");
  const RegionSet one = run({.seeds = seeds, .target = &grid, .name = "one"}, {}, {});
  RegionSet two = run({.seeds = seeds, .target = &grid, .name = "two"}, {}, {});
  two.regions[1].label = "c";
  const RegionSet all = united({one, two}, "both");
  ASSERT_EQ(all.regions.size(), 4U);
  EXPECT_EQ(all.regions[0].label, "one_a");
  EXPECT_EQ(all.regions[1].label, "b");
  EXPECT_EQ(all.regions[2].label, "two_a");
  EXPECT_EQ(all.regions[3].index, 4);
  EXPECT_EQ(&region_of(all, "c"), &all.regions[3]);
  two.grid.shape[0] = 5;
  EXPECT_THROW((void)united({one, two}, "both"), Error);
  EXPECT_THROW((void)united({}, "none"), Error);
}

} // namespace
} // namespace boldmill::spheres
