#include "stages/core/smooth.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

namespace boldmill {
namespace {

TEST(GaussianSmooth, AnImpulseBecomesAGaussianOfTheStatedWidth) {
  Grid grid;
  grid.shape = {41, 31, 37};
  grid.affine.diagonal() << 2, 3, 2.5, 1;
  Volume impulse(grid);
  impulse.at(20, 15, 18) = 1.0F;
  const double sigma_mm = 5.0;
  const Volume smooth = gaussian_smooth(impulse, sigma_mm, Context{});
  EXPECT_NEAR(std::accumulate(smooth.data.begin(), smooth.data.end(), 0.0), 1.0, 1e-5);
  Eigen::Vector3d variance = Eigen::Vector3d::Zero();
  const Eigen::Vector3d center = grid.to_mm({20, 15, 18});
  for (std::size_t v = 0; v < smooth.data.size(); ++v) {
    const auto [i, j, k] = grid.coordinates(v);
    variance += smooth.data[v] * (grid.to_mm(Eigen::Vector3d(i, j, k)) - center).cwiseAbs2();
  }
  for (int axis = 0; axis < 3; ++axis) EXPECT_NEAR(std::sqrt(variance[axis]), sigma_mm, 0.02);
}

TEST(GaussianSmooth, AConstantStaysAndInterleavedComponentsDoNotMix) {
  const std::array<int, 3> shape{9, 8, 7};
  std::vector<float> data(9 * 8 * 7 * 2);
  for (std::size_t i = 0; i < data.size(); ++i) data[i] = i % 2 == 0 ? 3.0F : -1.0F;
  gaussian_smooth_in_place(data, shape, {1.5, 1.5, 1.5}, Context{}, 2);
  for (std::size_t i = 0; i < data.size(); ++i) EXPECT_NEAR(data[i], i % 2 == 0 ? 3.0 : -1.0, 1e-5);
}

TEST(Downsample, KeepsPositionsInMillimetres) {
  Grid grid;
  grid.shape = {40, 44, 36};
  grid.affine.diagonal() << -1, 1, 1, 1;
  grid.affine(0, 3) = 17.0;
  Volume ramp(grid);
  for (std::size_t v = 0; v < ramp.data.size(); ++v) {
    const auto [i, j, k] = grid.coordinates(v);
    const Eigen::Vector3d mm = grid.to_mm(Eigen::Vector3d(i, j, k));
    ramp.data[v] = static_cast<float>(mm[0] + 2.0 * mm[1] - mm[2]);
  }
  const Volume coarse = downsample(ramp, 4.0, Context{});
  EXPECT_EQ(coarse.grid.shape, (std::array<int, 3>{10, 11, 9}));
  const Eigen::Vector3d mm = coarse.grid.to_mm({5, 5, 4}); // away from the edges
  EXPECT_NEAR(coarse.at(5, 5, 4), mm[0] + 2.0 * mm[1] - mm[2], 1e-3);
}

} // namespace
} // namespace boldmill
