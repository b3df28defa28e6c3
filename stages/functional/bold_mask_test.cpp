#include "stages/functional/bold_mask.hpp"

#include <gtest/gtest.h>

#include "stages/core/error.hpp"
#include "stages/functional/kernels/head_phantom.hpp"

namespace boldmill::bold_mask {
namespace {

struct Scene {
  Volume head;
  Mask brain;
};

// The phantom's brain with a dim scalp around it, a coil profile, and noise.
Scene scene(const Grid& grid, double scalp) {
  Scene s{Volume(grid), Mask(grid)};
  Random random(2);
  std::size_t v = 0;
  for (int k = 0; k < grid.shape[2]; ++k) {
    for (int j = 0; j < grid.shape[1]; ++j) {
      for (int i = 0; i < grid.shape[0]; ++i, ++v) {
        const Eigen::Vector3d p = grid.to_mm(Eigen::Vector3d(i, j, k));
        const double r = Eigen::Vector3d(p[0] / 65.0, p[1] / 82.0, p[2] / 58.0).norm();
        const double coil = 1.0 + 0.006 * p[1];
        const double ring = r > 1.12 && r < 1.2 ? scalp : 0.0;
        s.brain.data[v] = r < 1.0 ? 1 : 0;
        s.head.data[v] = static_cast<float>(coil * (phantom::head_signal(p) + ring) +
                                            20.0 * std::abs(random.normal()));
      }
    }
  }
  return s;
}

// The phantom's edge is soft and it has a drop-out: 0.95 is what is left.
TEST(BoldMask, FindsTheBrainUnderACoilProfileAndLeavesTheScalp) {
  const Scene s = scene(phantom::scanner_grid({56, 64, 40}, {3.0, 3.0, 3.5}), 350.0);
  const Outputs out = run({&s.head, nullptr}, {}, {});
  EXPECT_GT(dice(out.mask, s.brain), 0.95);
  EXPECT_FALSE(out.doubtful);
}

TEST(BoldMask, WorksOnASlab) {
  const Scene s = scene(phantom::scanner_grid({64, 64, 18}, {3.0, 3.0, 3.8}), 350.0);
  EXPECT_GT(dice(run({&s.head, nullptr}, {}, {}).mask, s.brain), 0.95);
}

TEST(BoldMask, ScaleDoesNotMatter) {
  Scene s = scene(phantom::scanner_grid({40, 46, 30}, {4.0, 4.0, 4.5}), 350.0);
  const Mask a = run({&s.head, nullptr}, {}, {}).mask;
  for (float& v : s.head.data) v *= 1024.0F;
  EXPECT_EQ(a.data, run({&s.head, nullptr}, {}, {}).mask.data);
}

TEST(BoldMask, APriorBoundsTheMask) {
  const Scene s = scene(phantom::scanner_grid({56, 64, 40}, {3.0, 3.0, 3.5}), 900.0);
  Mask half = s.brain;
  for (std::size_t v = 0; v < half.data.size(); ++v) {
    if (half.grid.coordinates(v)[0] < 28) half.data[v] = 0;
  }
  Params params;
  params.prior_dilation_mm = 0.0;
  const Mask mask = run({&s.head, &half}, params, {}).mask;
  for (std::size_t v = 0; v < half.data.size(); ++v) EXPECT_LE(mask.data[v], half.data[v]);
  EXPECT_GT(dice(mask, half), 0.93);
}

TEST(BoldMask, RefusesEmptyReferenceAndForeignPrior) {
  const Grid grid = phantom::scanner_grid({10, 10, 10}, {4.0, 4.0, 4.0});
  const Volume empty(grid, 0.0F);
  EXPECT_THROW((void)run({&empty, nullptr}, {}, {}), Error);
  const Volume flat(grid, 3.0F);
  EXPECT_THROW((void)run({&flat, nullptr}, {}, {}), Error);
  const Scene s = scene(phantom::scanner_grid({40, 46, 30}, {4.0, 4.0, 4.5}), 0.0);
  const Mask elsewhere(grid);
  EXPECT_THROW((void)run({&s.head, &elsewhere}, {}, {}), Error);
}

} // namespace
} // namespace boldmill::bold_mask
