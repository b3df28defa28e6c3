#include "stages/functional/smoothness.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "stages/core/error.hpp"
#include "stages/core/random.hpp"
#include "stages/core/smooth.hpp"

namespace boldmill::smoothness {
namespace {

const Context kContext;

// White noise smoothed by a Gaussian of the given FWHM, on voxels of 2, 2.5 and 3 mm, with a mean
// and a drift per voxel that must not count.
Series noise(double fwhm_mm) {
  Series series;
  series.grid.shape = {32, 30, 24};
  series.grid.affine.diagonal() << 2.0, 2.5, 3.0, 1.0;
  series.n_volumes = 30;
  const std::size_t n = series.grid.n_voxels();
  series.data.resize(n * 30);
  Random random(5);
  std::vector<float> slope(n);
  for (float& x : slope) x = static_cast<float>(random.normal());
  for (int t = 0; t < 30; ++t) {
    Volume volume(series.grid);
    for (float& x : volume.data) x = static_cast<float>(random.normal());
    if (fwhm_mm > 0.0) volume = gaussian_smooth(volume, fwhm_mm / kFwhmPerSigma, kContext);
    for (std::size_t v = 0; v < n; ++v) {
      series.volume(t)[v] = volume.data[v] + 1000.0F + 0.2F * slope[v] * static_cast<float>(t);
    }
  }
  return series;
}

TEST(Smoothness, TheKernelThatSmoothedWhiteNoiseIsFound) {
  for (const double fwhm : {6.0, 8.0}) {
    const Series series = noise(fwhm);
    Mask mask(series.grid, 0);
    for (std::size_t v = 0; v < mask.data.size(); ++v) { // away from the smoothing's borders
      const auto [i, j, k] = series.grid.coordinates(v);
      mask.data[v] = i > 4 && i < 27 && j > 4 && j < 25 && k > 3 && k < 20 ? 1 : 0;
    }
    const Outputs out = run({series, mask, 0}, kContext);
    for (int a = 0; a < 3; ++a) EXPECT_NEAR(out.fwhm_mm[a], fwhm, 0.05 * fwhm) << a;
    EXPECT_NEAR(out.mean_mm, fwhm, 0.03 * fwhm);
  }
}

TEST(Smoothness, DummiesDoNotCount) {
  Series series = noise(6.0);
  const Mask mask(series.grid, 1);
  const double steady = run({series, mask, 3}, kContext).mean_mm;
  for (int t = 0; t < 3; ++t) {
    for (std::size_t v = 0; v < mask.data.size(); ++v) series.volume(t)[v] += 500.0F;
  }
  EXPECT_EQ(run({series, mask, 3}, kContext).mean_mm, steady);
}

TEST(Smoothness, BadInputIsNamedAndConstantVoxelsAreLeftOut) {
  Series series = noise(6.0);
  Mask mask(series.grid, 1);
  const double whole = run({series, mask, 0}, kContext).mean_mm;
  for (int t = 0; t < 30; ++t) series.volume(t)[1000] = 7.0F;
  EXPECT_NEAR(run({series, mask, 0}, kContext).mean_mm, whole, 0.01);
  EXPECT_THROW((void)run({series, mask, 27}, kContext), Error);
  Mask none(series.grid, 0);
  EXPECT_TRUE(std::isnan(run({series, none, 0}, kContext).mean_mm));
  mask.grid.shape = {30, 32, 24};
  EXPECT_THROW((void)run({series, mask, 0}, kContext), Error);
}

} // namespace
} // namespace boldmill::smoothness
