#include "stages/functional/kernels/pepolar_level.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "stages/core/random.hpp"

namespace boldmill::pepolar {
namespace {

const Context kContext;

Grid small_grid() {
  Grid grid;
  grid.shape = {7, 12, 6};
  grid.affine.diagonal() << 3.0, 2.5, 4.0, 1.0;
  return grid;
}

LineImage smooth_image(int axis, double voxels_per_mm, double phase) {
  const Grid grid = small_grid();
  LineImage image;
  image.axis = axis;
  image.voxels_per_mm = voxels_per_mm;
  image.known.assign(grid.n_voxels(), 1);
  for (std::size_t v = 0; v < grid.n_voxels(); ++v) {
    const auto [i, j, k] = grid.coordinates(v);
    image.values.push_back(static_cast<float>(1.0 +
                                              0.5 * std::sin(0.7 * j + phase) * std::cos(0.5 * i) +
                                              0.2 * std::cos(0.6 * k + phase)));
  }
  return image;
}

std::vector<float> random_field(double size, std::uint64_t seed) {
  Random random(seed);
  std::vector<float> b(small_grid().n_voxels());
  for (float& x : b) x = static_cast<float>(size * random.normal());
  return b;
}

// Directional derivatives by central differences of the value.
void expect_gradient(Level& level, const std::vector<float>& b) {
  const std::vector<float> gradient = level.gradient(b);
  for (std::uint64_t seed = 20; seed < 26; ++seed) {
    const std::vector<float> direction = random_field(1.0, seed);
    double analytic = 0.0;
    for (std::size_t v = 0; v < b.size(); ++v) {
      analytic += static_cast<double>(gradient[v]) * static_cast<double>(direction[v]);
    }
    constexpr double kStep = 2e-3;
    const auto at = [&](double t) {
      std::vector<float> moved = b;
      for (std::size_t v = 0; v < b.size(); ++v) {
        moved[v] += static_cast<float>(t) * direction[v];
      }
      return level.value(moved);
    };
    const double numeric = (at(kStep) - at(-kStep)) / (2.0 * kStep);
    EXPECT_NEAR(analytic, numeric, 5e-3 * std::abs(numeric) + 5e-3) << seed;
  }
}

TEST(PepolarLevel, GradientOfTheDataAgreesWithFiniteDifferences) {
  Level level(small_grid(), {smooth_image(1, 0.4, 0.0), smooth_image(1, -0.4, 0.8)}, {0.0, 0.0},
              kContext);
  expect_gradient(level, random_field(0.15, 1));
}

TEST(PepolarLevel, GradientWithThreeImagesOnTwoAxesAgrees) {
  Level level(small_grid(),
              {smooth_image(1, 0.4, 0.0), smooth_image(1, -0.3, 0.8), smooth_image(0, 0.33, 0.4)},
              {0.05, 0.02}, kContext);
  expect_gradient(level, random_field(0.15, 2));
}

TEST(PepolarLevel, GradientOfSmoothnessAndBarrierAgrees) {
  LineImage flat = smooth_image(1, 0.4, 0.0);
  std::fill(flat.values.begin(), flat.values.end(), 0.0F);
  Level level(small_grid(), {flat, flat}, {0.5, 0.7}, kContext);
  expect_gradient(level, random_field(0.5, 3));
}

TEST(PepolarLevel, AFieldThatFoldsIsInfinite) {
  Level level(small_grid(), {smooth_image(1, 0.4, 0.0), smooth_image(1, -0.4, 0.0)}, {}, kContext);
  std::vector<float> b(small_grid().n_voxels(), 0.0F);
  EXPECT_NEAR(level.value(b), 0.0, 1e-9);
  b[small_grid().index(3, 5, 3)] = 8.0F;
  EXPECT_TRUE(std::isinf(level.value(b)));
  // And the minimiser finds its way back from it.
  EXPECT_LT(level.minimise(b, 20).value, 0.05);
}

TEST(PepolarLevel, UnknownVoxelsDoNotCount) {
  LineImage holed = smooth_image(1, -0.4, 0.8);
  std::fill(holed.known.begin(), holed.known.end(), 0);
  Level level(small_grid(), {smooth_image(1, 0.4, 0.0), holed}, {}, kContext);
  EXPECT_NEAR(level.value(std::vector<float>(small_grid().n_voxels(), 0.0F)), 0.0, 1e-12);
  EXPECT_TRUE(std::isnan(level.undistorted(1, std::vector<float>(small_grid().n_voxels()))[0]));
}

} // namespace
} // namespace boldmill::pepolar
