#include "stages/core/interpolate.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "stages/core/random.hpp"

namespace boldmill {
namespace {

Volume polynomial_volume(const Shape3& shape) {
  Grid grid;
  grid.shape = shape;
  Volume volume(grid);
  for (std::size_t v = 0; v < volume.data.size(); ++v) {
    const auto [i, j, k] = grid.coordinates(v);
    volume.data[v] = static_cast<float>(1.0 + 2.0 * i - 0.5 * j + 0.25 * k);
  }
  return volume;
}

TEST(SampleLinear, ReproducesALinearFunctionBetweenSamples) {
  const Volume volume = polynomial_volume({7, 6, 5});
  EXPECT_NEAR(sample_linear(volume.data.data(), volume.grid.shape, 2.3, 1.7, 3.2),
              1.0 + 2.0 * 2.3 - 0.5 * 1.7 + 0.25 * 3.2, 1e-5);
}

TEST(SampleLinear, GivesTheOutsideValueBeyondHalfAVoxel) {
  const Volume volume = polynomial_volume({4, 4, 4});
  EXPECT_EQ(sample_linear(volume.data.data(), volume.grid.shape, -0.51, 0, 0, -7.0F), -7.0F);
  EXPECT_EQ(sample_linear(volume.data.data(), volume.grid.shape, -0.49, 0, 0, -7.0F), 1.0F);
}

TEST(Bspline, InterpolatesTheSamples) {
  Grid grid;
  grid.shape = {23, 9, 18}; // one axis below, two above the truncation horizon of the prefilter
  Volume volume(grid);
  Random random(3);
  for (float& value : volume.data) value = static_cast<float>(random.normal());
  std::vector<float> coefficients = volume.data;
  bspline_prefilter(coefficients.data(), grid.shape);
  for (std::size_t v = 0; v < volume.data.size(); ++v) {
    const auto [i, j, k] = grid.coordinates(v);
    ASSERT_NEAR(sample_bspline(coefficients.data(), grid.shape, i, j, k), volume.data[v], 2e-6);
  }
}

TEST(Bspline, IsThirdOrderAccurateOnASmoothFunction) {
  // Interpolation error of a sinusoid of period 12 voxels is below 1e-3 of its amplitude.
  Grid grid;
  grid.shape = {48, 4, 4};
  Volume volume(grid);
  const auto f = [](double x) { return std::sin(2.0 * M_PI * x / 12.0); };
  for (std::size_t v = 0; v < volume.data.size(); ++v) {
    volume.data[v] = static_cast<float>(f(grid.coordinates(v)[0]));
  }
  bspline_prefilter(volume.data.data(), grid.shape);
  for (double x = 12.0; x < 36.0; x += 0.37) {
    EXPECT_NEAR(sample_bspline(volume.data.data(), grid.shape, x, 1.5, 1.5), f(x), 1e-3);
  }
}

TEST(Resample, AKnownShiftMovesTheImageTheRightWay) {
  Grid grid;
  grid.shape = {10, 8, 6};
  grid.affine.diagonal() << -2, 2, 3, 1; // left-handed on purpose
  Volume source(grid);
  source.at(4, 3, 2) = 1.0F;
  Affine target_to_source = Affine::Identity();
  target_to_source(0, 3) =
      2.0; // looks 2 mm to the right: the bright voxel appears 2 mm to the left
  for (const auto kind :
       {Interpolation::nearest, Interpolation::linear, Interpolation::cubic_bspline}) {
    const Volume moved = resample(source, grid, PointMap{}.then(target_to_source), kind, Context{});
    EXPECT_NEAR(moved.at(5, 3, 2), 1.0F, 1e-5);
    EXPECT_NEAR(moved.at(4, 3, 2), 0.0F, 1e-5);
  }
}

} // namespace
} // namespace boldmill
