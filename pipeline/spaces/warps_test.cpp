#include "pipeline/spaces/warps.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>

#include "pipeline/image_io/nifti.hpp"
#include "pipeline/spaces/region_sources.hpp"
#include "stages/core/statistics.hpp"

namespace boldmill::spaces {
namespace {

namespace fs = std::filesystem;

class Warps : public ::testing::Test {
protected:
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "boldmill-warps-XXXXXX").string();
    folder_ = ::mkdtemp(name.data());
  }
  void TearDown() override { fs::remove_all(folder_); }

  // An ellipsoid with an inner structure of `waves` half waves, 4 mm voxels.
  TemplateInfo phantom(const std::string& space, double half_length_mm, double waves) const {
    Grid grid;
    grid.shape = {44, 52, 44};
    grid.affine.topLeftCorner<3, 3>() *= 4.0;
    grid.affine.topRightCorner<3, 1>() << -86.0, -102.0, -86.0;
    Volume brain(grid);
    for (std::size_t v = 0; v < brain.data.size(); ++v) {
      const auto at = grid.coordinates(v);
      const Eigen::Vector3d p = grid.to_mm({at[0] * 1.0, at[1] * 1.0, at[2] * 1.0});
      const Eigen::Vector3d u(p.x() / 65.0, p.y() / half_length_mm, p.z() / 60.0);
      if (u.norm() > 1.0) continue;
      brain.data[v] = static_cast<float>(
          100.0 + 40.0 * std::cos(waves * u.x()) * std::cos(waves * u.y() + 0.5) +
          20.0 * std::sin(waves * u.z()));
    }
    const fs::path path = folder_ / ("tpl-" + space + "_T1w.nii.gz");
    image_io::write_volume(path, brain);
    return template_from_files({.brain = path});
  }
  fs::path folder_;
};

TEST_F(Warps, AreNotNeededWithinASpace) {
  TemplateInfo a, b;
  a.space = b.space = "MNI305";
  const SpaceMap map = space_map(a, b, {}, Context{});
  EXPECT_TRUE(map.identity);
  EXPECT_TRUE(map.from_to_to.steps.empty());
  EXPECT_NE(describe(map).find("share MNI305"), std::string::npos);
}

TEST_F(Warps, RecoverAKnownStretch) {
  const TemplateInfo from = phantom("A", 75.0, 6.0), to = phantom("B", 82.5, 6.0);
  const SpaceMap map = space_map(from, to, {}, Context{});
  EXPECT_GT(map.dice, 0.98);
  EXPECT_LT(map.dice_before, map.dice);
  EXPECT_GT(map.correlation, 0.97);
  EXPECT_LT(map.correlation_before, map.correlation);
  // B is A stretched by 1.1 along y. Voxels are 4 mm: a quarter of one is what can be asked.
  for (const double y : {-50.0, -20.0, 10.0, 40.0}) {
    const Eigen::Vector3d point(15.0, y, -10.0), truth(15.0, 1.1 * y, -10.0);
    EXPECT_LT((map.from_to_to(point) - truth).norm(), 1.0) << y;
    EXPECT_LT((map.to_to_from(truth) - point).norm(), 1.0) << y;
  }
  EXPECT_LT(map.round_trip_mm, 0.5);
  EXPECT_EQ(map.from_sha256, from.sha256);
}

TEST_F(Warps, AreRefusedWhenTheFitIsPoor) {
  const TemplateInfo from = phantom("A", 75.0, 6.0), to = phantom("B", 75.0, 11.0);
  try {
    (void)space_map(from, to, {.min_dice = 0.0, .min_correlation = 0.999}, Context{});
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::gate);
    EXPECT_NE(std::string(error.what()).find("correlation"), std::string::npos) << error.what();
  }
}

// The committed positions were computed with another program (ANTs, see the table's header): two
// independent warps between the real templates must agree.
TEST_F(Warps, AgreeWithTheIndependentWarpAtTheCircuitRegions) {
  const char* given = std::getenv("BOLDMILL_TEST_DATA");
  const fs::path data =
      given != nullptr ? fs::path(given) : fs::path(BOLDMILL_SOURCE_DIR) / "../shared/data";
  const fs::path brain = data / "templates/MNI152NLin6Asym/MNI152_T1_1mm_brain.nii.gz";
  const auto found = find_templates(default_search_path());
  const auto niivue = template_of_space(found, "MNI152NLin2009cAsym");
  const auto facts = load_circuit_facts();
  const auto table = niivue ? carried_placements(niivue->sha256, facts) : std::nullopt;
  if (!fs::exists(brain) || !table) GTEST_SKIP() << "templates not found";
  const TemplateInfo nlin6 =
      template_from_files({.brain = brain, .space = std::string(kCircuitSpace)});
  const SpaceMap map = space_map(nlin6, *niivue, {}, Context{});
  EXPECT_GT(map.correlation, map.correlation_before + 0.1);
  std::vector<double> apart_mm;
  for (std::size_t r = 0; r < facts.size(); ++r) {
    apart_mm.push_back((map.from_to_to(facts[r].com_mm) - (*table)[r].com_mm).norm());
    EXPECT_LT(apart_mm.back(), 3.5) << facts[r].codes.front();
  }
  // The regions move by 2.3 mm on average: agreement must be far better than doing nothing.
  EXPECT_LT(mean(apart_mm), 1.1);
}

} // namespace
} // namespace boldmill::spaces
