#include "pipeline/graph/definition_regions.hpp"

#include <gtest/gtest.h>

namespace boldmill::graph {
namespace {

Grid small_grid() {
  Grid grid;
  grid.shape = {20, 20, 20};
  grid.affine.diagonal() << 2.0, 2.0, 2.0, 1.0;
  return grid;
}

RegionSet set_with(const std::string& name, const std::string& label) {
  RegionSet set;
  set.name = name;
  set.grid = small_grid();
  Region region;
  region.label = label;
  region.voxels = {1, 2, 3};
  set.regions.push_back(region);
  name_regions(set);
  return set;
}

taxonomy::Taxonomy with(const std::string& definition, double volume_mm3 = 4000.0) {
  taxonomy::Taxonomy t;
  taxonomy::Region region;
  region.code = "X";
  region.mask = "x";
  region.definition = definition;
  region.com_x_mm = region.com_y_mm = region.com_z_mm = 20.0;
  region.volume_mm3 = volume_mm3;
  t.regions = {region};
  return t;
}

RegionSet made(const taxonomy::Taxonomy& t, const PointMap& map = {}) {
  const std::vector<RegionSet> atlases{set_with("AAL", "Insula_L")};
  return definition_regions(t, set_with("published", "D1"), atlases, map, {});
}

std::string refusal(const taxonomy::Taxonomy& t) {
  try {
    (void)made(t);
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::usage);
    return error.what();
  }
  return {};
}

TEST(DefinitionRegions, ComeFromAtlasesSpheresAndPublishedCodes) {
  const RegionSet label = made(with("label AAL:Insula_L"));
  EXPECT_EQ(label.regions[0].label, "X");
  EXPECT_EQ(label.regions[0].voxels, (std::vector<std::size_t>{1, 2, 3}));
  const RegionSet ball = made(with("sphere"));
  EXPECT_NEAR(ball.regions[0].volume_mm3, 4000.0, 300.0); // voxels of 8 mm3 on a ball of 9.8 mm
  EXPECT_LT((ball.regions[0].center_mm - Eigen::Vector3d(20, 20, 20)).norm(), 1e-9);
  PointMap shift;
  Affine step = Affine::Identity();
  step(0, 3) = 4.0;
  shift.then(step);
  EXPECT_NEAR(made(with("sphere"), shift).regions[0].center_mm.x(), 24.0, 1e-9);
  taxonomy::Taxonomy known = with("sphere10_neurosynth");
  known.regions[0].code = "D1";
  EXPECT_EQ(made(known).regions[0].voxels.size(), 3U);
}

TEST(DefinitionRegions, WhatIsNotThereIsNamed) {
  EXPECT_NE(refusal(with("label Power:V1")).find("atlas Power is not among target.atlases"),
            std::string::npos);
  EXPECT_NE(refusal(with("label AAL:Nothing")).find("atlas AAL has no region Nothing"),
            std::string::npos);
  EXPECT_NE(refusal(with("label AAL")).find("expected label ATLAS:NAME"), std::string::npos);
  EXPECT_NE(refusal(with("sphere", 0.0)).find("volume_mm3"), std::string::npos);
  EXPECT_NE(refusal(with("cube")).find("no published region has this code"), std::string::npos);
  taxonomy::Taxonomy far = with("sphere");
  far.regions[0].com_x_mm = 500.0;
  EXPECT_NE(refusal(far).find("outside the target's grid"), std::string::npos);
}

} // namespace
} // namespace boldmill::graph
