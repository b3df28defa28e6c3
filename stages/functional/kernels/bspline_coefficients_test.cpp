#include "stages/functional/kernels/bspline_coefficients.hpp"

#include <gtest/gtest.h>

#include <limits>

#include "stages/core/interpolate.hpp"
#include "stages/core/random.hpp"

namespace boldmill {
namespace {

std::vector<float> random_volume(const Shape3& shape, std::uint64_t seed) {
  Random random(seed);
  std::vector<float> v(static_cast<std::size_t>(shape[0]) * static_cast<std::size_t>(shape[1]) *
                       static_cast<std::size_t>(shape[2]));
  for (float& x : v) x = static_cast<float>(1000.0 + 100.0 * random.normal());
  return v;
}

// The plain double-precision kernel of core is the oracle; single precision leaves about 1e-6.
TEST(BsplineCoefficients, AgreesWithThePlainKernelEverywhereInside) {
  for (const Shape3 shape :
       {Shape3{17, 12, 9}, Shape3{5, 4, 3}, Shape3{2, 2, 2}, Shape3{8, 6, 1}}) {
    const auto volume = random_volume(shape, 3);
    auto plain = volume;
    bspline_prefilter(plain.data(), shape);
    BsplineCoefficients fast;
    fast.interpolate(volume.data(), shape);
    Random random(5);
    for (int n = 0; n < 2000; ++n) {
      const double x = random.uniform(-0.5, shape[0] - 0.5);
      const double y = random.uniform(-0.5, shape[1] - 0.5);
      const double z = random.uniform(-0.5, shape[2] - 0.5);
      const auto fx = static_cast<float>(x);
      const auto fy = static_cast<float>(y);
      const auto fz = static_cast<float>(z);
      ASSERT_TRUE(fast.inside(fx, fy, fz));
      EXPECT_NEAR(fast.evaluate(fx, fy, fz), sample_bspline(plain.data(), shape, fx, fy, fz), 0.02);
    }
  }
}

TEST(BsplineCoefficients, InterpolatesTheSamplesAndReusesItsMemory) {
  BsplineCoefficients fast;
  for (const Shape3 shape : {Shape3{9, 11, 7}, Shape3{20, 6, 5}, Shape3{9, 11, 7}}) {
    const auto volume = random_volume(shape, 8);
    fast.interpolate(volume.data(), shape);
    std::size_t v = 0;
    for (int k = 0; k < shape[2]; ++k) {
      for (int j = 0; j < shape[1]; ++j) {
        for (int i = 0; i < shape[0]; ++i, ++v) {
          EXPECT_NEAR(
              fast.evaluate(static_cast<float>(i), static_cast<float>(j), static_cast<float>(k)),
              volume[v], 0.01);
        }
      }
    }
  }
}

TEST(BsplineCoefficients, OutsideIsMoreThanHalfAVoxelAway) {
  BsplineCoefficients fast;
  const auto volume = random_volume({4, 5, 6}, 1);
  fast.interpolate(volume.data(), {4, 5, 6});
  EXPECT_TRUE(fast.inside(-0.5F, 4.5F, 5.5F));
  EXPECT_FALSE(fast.inside(-0.51F, 0.0F, 0.0F));
  EXPECT_FALSE(fast.inside(0.0F, 4.51F, 0.0F));
  EXPECT_FALSE(fast.inside(0.0F, 0.0F, std::numeric_limits<float>::quiet_NaN()));
}

// Smoothing a plane wave multiplies it by the product of the transfer functions.
TEST(BsplineCoefficients, SmoothingHasTheTransferFunctionOfGaussianAndSpline) {
  const Shape3 shape{40, 6, 6};
  const double f = 2.0 * 3.14159265358979 / 10.0;
  std::vector<float> volume;
  for (int n = 0; n < 36; ++n) {
    for (int i = 0; i < 40; ++i) volume.push_back(static_cast<float>(std::cos(f * i)));
  }
  BsplineCoefficients smooth;
  smooth.smooth(volume.data(), shape, {1.0, 0.7, 0.0});
  const double gauss = std::exp(-0.5 * f * f);
  const double spline = (4.0 + 2.0 * std::cos(f)) / 6.0;
  EXPECT_NEAR(smooth.evaluate(20.0F, 2.3F, 3.1F), gauss * spline, 2e-3);
  EXPECT_NEAR(smooth.evaluate(25.0F, 2.3F, 3.1F), -gauss * spline, 2e-3);
}

TEST(BsplineCoefficients, NonFiniteVoxelsCountAsZero) {
  auto volume = random_volume({6, 6, 6}, 4);
  auto zeroed = volume;
  volume[100] = std::numeric_limits<float>::quiet_NaN();
  volume[7] = std::numeric_limits<float>::infinity();
  zeroed[100] = zeroed[7] = 0.0F;
  BsplineCoefficients a;
  BsplineCoefficients b;
  a.interpolate(volume.data(), {6, 6, 6});
  b.interpolate(zeroed.data(), {6, 6, 6});
  EXPECT_EQ(a.evaluate(2.2F, 3.3F, 1.1F), b.evaluate(2.2F, 3.3F, 1.1F));
}

} // namespace
} // namespace boldmill
