#include "stages/denoise/tissue_signals.hpp"

#include <gtest/gtest.h>

namespace boldmill::tissue_signals {
namespace {

// 9 x 9 x 9, brain everywhere; value = 100 in a 5-cube about the middle, 10 elsewhere, plus t.
struct Phantom {
  Series bold;
  Mask cube, brain;
  Phantom() {
    bold.grid.shape = {9, 9, 9};
    bold.n_volumes = 3;
    cube = Mask(bold.grid);
    brain = Mask(bold.grid, 1);
    for (int k = 2; k < 7; ++k) {
      for (int j = 2; j < 7; ++j) {
        for (int i = 2; i < 7; ++i) cube.at(i, j, k) = 1;
      }
    }
    for (int t = 0; t < 3; ++t) {
      for (const std::uint8_t inside : cube.data) {
        bold.data.push_back(static_cast<float>(inside != 0 ? 100 + t : 10 + t));
      }
    }
  }
};

TEST(TissueSignals, AveragesTheErodedMasks) {
  const Phantom p;
  const Outputs out = run(
      {.bold = &p.bold, .csf = &p.cube, .white_matter = &p.brain, .brain = &p.brain}, Params{}, {});
  EXPECT_EQ(out.csf.n_voxels, 27U);
  EXPECT_EQ(out.csf.erosion_steps, 1);
  EXPECT_EQ(out.white_matter.n_voxels, 343U);
  EXPECT_EQ(out.global_signal.n_voxels, 729U);
  for (int t = 0; t < 3; ++t) {
    EXPECT_DOUBLE_EQ(out.csf.mean[t], 100 + t);
    EXPECT_NEAR(out.white_matter.mean[t], (125 * 100 + 218 * 10) / 343.0 + t, 1e-12);
    EXPECT_NEAR(out.global_signal.mean[t], (125 * 100 + 604 * 10) / 729.0 + t, 1e-12);
  }
}

TEST(TissueSignals, ErodesLessRatherThanToNothing) {
  const Phantom p;
  const Params params{.csf_erosion_steps = 3, .white_matter_erosion_steps = 0, .min_voxels = 28};
  const Outputs out = run(
      {.bold = &p.bold, .csf = &p.cube, .white_matter = &p.cube, .brain = &p.brain}, params, {});
  EXPECT_EQ(out.csf.erosion_steps, 0);
  EXPECT_EQ(out.csf.n_voxels, 125U);
}

TEST(TissueSignals, AbsentTissueIsMissingAndNaNVoxelsAreIgnored) {
  Phantom p;
  p.bold.volume(1)[0] = NAN;
  const Mask empty(p.bold.grid);
  const Outputs out = run({.bold = &p.bold, .csf = &empty, .brain = &p.brain}, Params{}, {});
  EXPECT_TRUE(std::isnan(out.csf.mean[0]) && std::isnan(out.white_matter.mean[0]));
  EXPECT_NEAR(out.global_signal.mean[1], (125 * 101 + 603 * 11) / 728.0, 1e-12);
}

TEST(TissueSignals, RefusesOtherGridsAndAnEmptyBrain) {
  const Phantom p;
  const Mask empty(p.bold.grid);
  EXPECT_THROW((void)run({.bold = &p.bold, .brain = &empty}, Params{}, {}), Error);
  EXPECT_THROW((void)run({.bold = &p.bold}, Params{}, {}), Error);
  Grid other = p.bold.grid;
  other.affine(1, 3) = 1;
  const Mask moved(other, 1);
  EXPECT_THROW((void)run({.bold = &p.bold, .brain = &moved}, Params{}, {}), Error);
}

} // namespace
} // namespace boldmill::tissue_signals
