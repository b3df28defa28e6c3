#include "stages/regions/circuit_regions.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <numbers>
#include <set>
#include <sstream>

namespace boldmill::circuit_regions {
namespace {

Grid cube(int n, double spacing) {
  Grid grid;
  grid.shape = {n, n, n};
  grid.affine.topLeftCorner<3, 3>() *= spacing;
  grid.affine.topRightCorner<3, 1>().setConstant(-0.5 * (n - 1) * spacing);
  return grid;
}

CircuitFact fact(std::string code, RegionShape shape, double volume_mm3) {
  CircuitFact f;
  f.codes = {std::move(code)};
  f.shape = shape;
  f.volume_mm3 = volume_mm3;
  f.expected_dice = 0.9;
  f.hemisphere = "M";
  return f;
}

Eigen::Vector3d center_of(const Grid& grid, std::size_t voxel) {
  const auto at = grid.coordinates(voxel);
  return grid.to_mm({at[0] * 1.0, at[1] * 1.0, at[2] * 1.0});
}

RegionSet build(const CircuitFact& f, const Placement& place, const Grid& grid) {
  return run({.facts = {&f, 1}, .placements = {&place, 1}, .target = &grid, .space = "s"}, {},
             Context{});
}

TEST(CircuitRegions, SphereHasItsVolumeAndItsRadius) {
  const Grid grid = cube(61, 1.0);
  const double radius = 8.0;
  const double volume = 4.0 / 3.0 * std::numbers::pi * std::pow(radius, 3);
  const Placement place{{3.2, -4.1, 5.3}, {3.2, -4.1, 5.3}};
  const Region region = build(fact("a", RegionShape::sphere, volume), place, grid).regions.front();
  EXPECT_DOUBLE_EQ(region.volume_mm3, std::round(volume));
  EXPECT_LT((region.center_mm - place.com_mm).norm(), 0.05);
  double largest = 0.0;
  for (const std::size_t v : region.voxels) {
    largest = std::max(largest, (center_of(grid, v) - place.com_mm).norm());
  }
  EXPECT_NEAR(largest, radius, 0.1); // the lattice count of a ball this size is within 1 %
}

TEST(CircuitRegions, CutSphereStaysNearItsPeakAndIsAHalfBallForAHalfVolume) {
  const Grid grid = cube(61, 1.0);
  const double ball = 4.0 / 3.0 * std::numbers::pi * 1000.0;
  const Placement place{{0, 0, 0}, {40.0, 0, 0}}; // far along x: the cut is nearly a plane
  const Region region =
      build(fact("a", RegionShape::cut_sphere, ball / 2.0), place, grid).regions.front();
  EXPECT_DOUBLE_EQ(region.volume_mm3, std::round(ball / 2.0));
  for (const std::size_t v : region.voxels) {
    ASSERT_LE((center_of(grid, v) - place.peak_mm).norm(), 10.0 + 1e-9);
  }
  // The centre of a half ball lies 3/8 of the radius from the plane; the curved cut adds a little.
  EXPECT_NEAR(region.center_mm.x(), 3.75, 0.4);
  EXPECT_NEAR(region.center_mm.y(), 0.0, 0.1);
}

TEST(CircuitRegions, WholeBallWhenTheVolumeIsTheBalls) {
  const Grid grid = cube(31, 2.0);
  const Placement place{{0, 0, 0}, {0, 0, 0}};
  const Region region =
      build(fact("a", RegionShape::cut_sphere, 515.0 * 8.0), place, grid).regions.front();
  // A 10 mm sphere about a voxel centre of a 2 mm grid has 515 voxels (counted by hand in
  // integers: i^2 + j^2 + k^2 <= 25).
  EXPECT_EQ(region.voxels.size(), 515U);
}

TEST(CircuitRegions, MovesWithItsPlacement) {
  const Grid grid = cube(41, 2.0);
  const CircuitFact f = fact("a", RegionShape::cut_sphere, 1000.0);
  const Placement here{{1.1, 2.3, -0.7}, {2.0, 1.0, 0.4}};
  const Eigen::Vector3d shift(6.0, -4.0, 8.0); // whole voxels
  const Region a = build(f, here, grid).regions.front();
  const Region b = build(f, {here.peak_mm + shift, here.com_mm + shift}, grid).regions.front();
  EXPECT_EQ(a.voxels.size(), b.voxels.size());
  EXPECT_LT((b.center_mm - a.center_mm - shift).norm(), 1e-9);
}

TEST(CircuitRegions, KeepsOneVoxelOfATinyRegion) {
  const Grid grid = cube(11, 4.0);
  const Placement place{{0.4, 0.1, 0}, {0.4, 0.1, 0}};
  const RegionSet set = build(fact("a", RegionShape::sphere, 10.0), place, grid);
  EXPECT_EQ(set.regions.front().voxels.size(), 1U);
}

TEST(CircuitRegions, TakesAtlasRegionsFromTheAtlasOrSaysSo) {
  const Grid grid = cube(21, 2.0);
  CircuitFact f = fact("NS4", RegionShape::atlas, 80.0);
  f.codes = {"NS4", "NT2"};
  f.atlas_label = "Amygdala_L";
  const Placement place;
  RegionSet atlas;
  atlas.grid = grid;
  Region amygdala;
  amygdala.label = "Amygdala_L";
  amygdala.voxels = {5, 6, 7};
  atlas.regions = {amygdala};
  name_regions(atlas);
  const Inputs inputs{
      .facts = {&f, 1}, .placements = {&place, 1}, .target = &grid, .atlas = &atlas, .space = "s"};
  const RegionSet set = run(inputs, {}, Context{});
  EXPECT_EQ(region_of(set, "NT2").voxels, (std::vector<std::size_t>{5, 6, 7}));
  EXPECT_EQ(&region_of(set, "NT2"), &region_of(set, "NS4"));
  EXPECT_TRUE(set.notes.empty());

  const RegionSet spheres = build(f, place, grid);
  EXPECT_EQ(spheres.regions.front().voxels.size(), 10U);
  ASSERT_EQ(spheres.notes.size(), 1U);
  EXPECT_NE(spheres.notes.front().find("NS4"), std::string::npos);

  f.atlas_label = "Hippocampus_L";
  EXPECT_THROW((void)run(inputs, {}, Context{}), Error);
  f.atlas_label = "Amygdala_L";
  atlas.grid = cube(21, 3.0);
  EXPECT_THROW((void)run(inputs, {}, Context{}), Error);
}

TEST(CircuitRegions, WarnsOfPoorStandIns) {
  const Grid grid = cube(21, 2.0);
  CircuitFact f = fact("NTN1", RegionShape::sphere, 600.0);
  f.expected_dice = 0.387;
  const RegionSet set = build(f, {}, grid);
  ASSERT_EQ(set.notes.size(), 1U);
  EXPECT_NE(set.notes.front().find("NTN1 0.38"), std::string::npos) << set.notes.front();
}

TEST(CircuitRegions, RefusesRegionsOutsideTheTarget) {
  const Grid grid = cube(11, 2.0);
  for (const RegionShape shape : {RegionShape::sphere, RegionShape::cut_sphere}) {
    EXPECT_THROW((void)build(fact("a", shape, 500.0), {{90, 0, 0}, {90, 0, 0}}, grid), Error);
  }
  const CircuitFact f = fact("a", RegionShape::sphere, 500.0);
  EXPECT_THROW((void)run({.facts = {&f, 1}, .placements = {}, .target = &grid}, {}, Context{}),
               Error);
}

TEST(CircuitMasks, StayWhatTheyAreOnTheirGridAndMoveWithTheMap) {
  const Grid grid = cube(21, 2.0);
  const CircuitFact f = fact("D4", RegionShape::cut_sphere, 1.0);
  Mask mask(grid);
  for (int i = 8; i < 12; ++i) mask.at(i, 9, 7) = 1;
  const RegionSet same =
      from_masks({.facts = {&f, 1}, .masks = {&mask, 1}, .target = &grid, .space = "s"}, Context{});
  EXPECT_EQ(same.regions.front().voxels, indices_of(mask));
  EXPECT_TRUE(std::isnan(same.regions.front().expected_dice));
  Affine target_to_masks = Affine::Identity();
  target_to_masks(2, 3) = -4.0;
  const PointMap map{{target_to_masks}};
  const RegionSet moved = from_masks(
      {.facts = {&f, 1}, .masks = {&mask, 1}, .target = &grid, .target_to_masks = &map}, Context{});
  EXPECT_NEAR(moved.regions.front().center_mm.z(), same.regions.front().center_mm.z() + 4.0, 1e-9);
  EXPECT_THROW((void)from_masks({.facts = {&f, 1}, .masks = {}, .target = &grid}, Context{}),
               Error);
}

std::string facts_text() {
  std::ifstream file(std::string(BOLDMILL_SOURCE_DIR) + "/configs/regions/circuit_regions.tsv");
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

TEST(CircuitFacts, ShippedTableHasThePublishedRegions) {
  const std::vector<CircuitFact> facts = parse_circuit_facts(facts_text(), "circuit_regions.tsv");
  ASSERT_EQ(facts.size(), 28U);
  std::set<std::string> codes;
  double volume = 0.0;
  for (const CircuitFact& f : facts) {
    codes.insert(f.codes.begin(), f.codes.end());
    volume += f.volume_mm3;
    // The published masks lie within 10 mm of their peak, so does their centre.
    EXPECT_LE((f.peak_mm - f.com_mm).norm(), 10.0) << f.codes.front();
    if (f.hemisphere == "L") {
      EXPECT_LT(f.com_mm.x(), -8.0) << f.codes.front();
    }
    if (f.hemisphere == "R") {
      EXPECT_GT(f.com_mm.x(), 8.0) << f.codes.front();
    }
    if (f.hemisphere == "M") {
      EXPECT_LT(std::abs(f.com_mm.x()), 6.0) << f.codes.front();
    }
  }
  EXPECT_EQ(codes.size(), 32U);
  // Sum of the 28 published voxel counts, 2 mm voxels.
  EXPECT_DOUBLE_EQ(volume, 8.0 * 8936.0);
}

TEST(CircuitFacts, RefusesBrokenTables) {
  const std::string text = facts_text();
  const auto broken = [&text](const std::string& what, const std::string& with) {
    std::string changed = text;
    changed.replace(changed.find(what), what.size(), with);
    return changed;
  };
  for (const std::string& bad :
       {broken("cut_sphere", "cube"), broken("3984", "-1"), broken("49.89", "x"),
        broken("\tcom_x", "\tcom"), broken("D2\t", "D1\t"), broken("0.98\t", "")}) {
    EXPECT_THROW((void)parse_circuit_facts(bad, "t"), Error);
  }
}

} // namespace
} // namespace boldmill::circuit_regions
