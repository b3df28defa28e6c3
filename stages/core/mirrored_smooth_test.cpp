#include "stages/core/mirrored_smooth.hpp"

#include <gtest/gtest.h>

namespace boldmill {
namespace {

// scipy.ndimage.gaussian_filter1d([0, 0, 1, 0, 2, 5.], 0.8), scipy 1.15.3
TEST(MirroredSmooth, IsScipysFilterAlongEachAxis) {
  const std::vector<float> line{0, 0, 1, 0, 2, 5};
  const std::vector<double> expected{0.02235106, 0.2291922,  0.5447008,
                                     0.79668744, 2.27124986, 4.13581865};
  const double sigma = 0.8;
  for (std::size_t axis = 0; axis < 3; ++axis) {
    std::array<int, 3> shape{1, 1, 1};
    shape[axis] = 6;
    Eigen::Vector3d sigmas = Eigen::Vector3d::Zero();
    sigmas[static_cast<Eigen::Index>(axis)] = sigma;
    std::vector<float> data = line;
    mirrored_smooth_in_place(data, shape, sigmas, Context{});
    for (std::size_t i = 0; i < 6; ++i) EXPECT_NEAR(data[i], expected[i], 2e-6) << axis << i;
  }
}

// The image stands between mirrors, so nothing is lost; a constant stays, also under a filter that
// reaches over the whole image.
TEST(MirroredSmooth, KeepsConstantsAndSums) {
  const std::array<int, 3> shape{70, 5, 4};
  std::vector<float> flat(1400, 3.0F);
  mirrored_smooth_in_place(flat, shape, {2.0, 3.0, 0.5}, Context{});
  for (const float value : flat) EXPECT_NEAR(value, 3.0F, 1e-5F);
  std::vector<float> data(1400, 0.0F);
  for (const std::size_t v : {0UL, 69UL, 300UL, 1399UL}) data[v] = 10.0F;
  mirrored_smooth_in_place(data, shape, {2.0, 3.0, 0.5}, Context{});
  double sum = 0.0;
  for (const float value : data) sum += static_cast<double>(value);
  EXPECT_NEAR(sum, 40.0, 1e-4);
}

} // namespace
} // namespace boldmill
