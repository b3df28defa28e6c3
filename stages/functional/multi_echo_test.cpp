#include "stages/functional/multi_echo.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>

#include "stages/core/error.hpp"
#include "stages/core/random.hpp"

namespace boldmill::multi_echo {
namespace {

const Context kContext;
const std::vector<double> kTimes{0.014, 0.032, 0.050};

Grid grid_of(int n) {
  Grid grid;
  grid.shape = {n, n, n};
  grid.affine.diagonal() << 3.0, 3.0, 3.0, 1.0;
  return grid;
}

// T2* from 15 to 60 ms along i, s0 of 1000.
std::vector<Volume> decaying(const Grid& grid, const std::vector<double>& times) {
  std::vector<Volume> means(times.size(), Volume(grid));
  for (std::size_t e = 0; e < times.size(); ++e) {
    for (std::size_t v = 0; v < grid.n_voxels(); ++v) {
      const double t2star = 0.015 + 0.045 * grid.coordinates(v)[0] / (grid.shape[0] - 1.0);
      means[e].data[v] = static_cast<float>(1000.0 * std::exp(-times[e] / t2star));
    }
  }
  return means;
}

TEST(MultiEcho, ExponentialDecayIsRecoveredExactly) {
  const Grid grid = grid_of(10);
  const auto means = decaying(grid, kTimes);
  const Mask brain(grid, 1);
  const Outputs out = run({means, kTimes, brain}, {}, kContext);
  for (std::size_t v = 0; v < grid.n_voxels(); ++v) {
    const double t2star = 15.0 + 45.0 * grid.coordinates(v)[0] / 9.0;
    if (out.n_echoes.data[v] == 0) continue;
    EXPECT_NEAR(static_cast<double>(out.t2star_ms.data[v]), t2star, 1e-3);
    EXPECT_NEAR(static_cast<double>(out.s0.data[v]), 1000.0, 0.05);
    double sum = 0.0;
    double expected_sum = 0.0;
    for (std::size_t e = 0; e < out.n_echoes.data[v]; ++e) {
      expected_sum += kTimes[e] * std::exp(-1000.0 * kTimes[e] / t2star);
    }
    for (std::size_t e = 0; e < 3; ++e) {
      const double weight = static_cast<double>(out.weights[e].data[v]);
      const double expected =
          e < out.n_echoes.data[v]
              ? kTimes[e] * std::exp(-1000.0 * kTimes[e] / t2star) / expected_sum
              : 0.0;
      EXPECT_NEAR(weight, expected, 1e-5);
      sum += weight;
    }
    EXPECT_NEAR(sum, 1.0, 1e-6);
  }
  EXPECT_EQ(out.n_echoes.data[9], 3);
}

// T2* and weights of tedana 26.0.3, tests/reference/functional/multi_echo.py.
TEST(MultiEcho, AgreesWithTedana) {
  std::ifstream file(std::string(BOLDMILL_SOURCE_DIR) +
                     "/tests/reference/functional/multi_echo.tsv");
  std::string header;
  std::getline(file, header);
  const std::vector<double> times{0.0128, 0.0277, 0.0426, 0.0575};
  const Grid voxel = grid_of(1);
  int n_rows = 0;
  for (std::array<double, 9> row{}; file >> row[0]; ++n_rows) {
    for (std::size_t c = 1; c < row.size(); ++c) file >> row[c];
    std::vector<Volume> means(4, Volume(voxel));
    for (std::size_t e = 0; e < 4; ++e) means[e].data[0] = static_cast<float>(row[e]);
    const Outputs out = run({means, times, Mask(voxel, 1)}, {}, kContext);
    EXPECT_NEAR(static_cast<double>(out.t2star_ms.data[0]), 1000.0 * row[4],
                1e-5 * 1000.0 * row[4]);
    for (std::size_t e = 0; e < 4; ++e) {
      EXPECT_NEAR(static_cast<double>(out.weights[e].data[0]), row[5 + e], 1e-5);
    }
  }
  EXPECT_EQ(n_rows, 40);
}

// The threshold of echo e is a third of its mean in the voxel at the 33rd percentile of echo 1: of
// 1000 voxels in 10 steps of T2* the one of index 329 lies in step 3, T2* = 30 ms.
TEST(MultiEcho, EchoesWithoutSignalDoNotCount) {
  const Grid grid = grid_of(10);
  const auto means = decaying(grid, kTimes);
  const Mask brain(grid, 1);
  const Outputs out = run({means, kTimes, brain}, {}, kContext);
  for (int i = 0; i < 10; ++i) {
    const double t2star = 0.015 + 0.045 * i / 9.0;
    int expected = 0;
    for (const double time : kTimes) {
      if (std::exp(-time / t2star) <= std::exp(-time / 0.030) / 3.0) break;
      ++expected;
    }
    EXPECT_EQ(out.n_echoes.data[static_cast<std::size_t>(i)], expected) << i;
  }
  EXPECT_LT(out.n_echoes.data[0], 3);
}

// Under white noise of one size the fit must be near the non-linear least squares optimum: its
// error is compared with the Cramer-Rao bound of the model.
TEST(MultiEcho, NoiseOfTheFitIsNearTheCramerRaoBound) {
  const Grid grid = grid_of(24);
  constexpr double kT2 = 0.040;
  constexpr double kSigma = 5.0;
  std::vector<Volume> means(3, Volume(grid));
  Random random(4);
  for (std::size_t e = 0; e < 3; ++e) {
    for (float& x : means[e].data) {
      x = static_cast<float>(1000.0 * std::exp(-kTimes[e] / kT2) + kSigma * random.normal());
    }
  }
  const Outputs out = run({means, kTimes, Mask(grid, 1)}, {}, kContext);
  Eigen::Matrix2d fisher = Eigen::Matrix2d::Zero();
  for (const double time : kTimes) {
    const double decay = std::exp(-time / kT2);
    const Eigen::Vector2d g(decay, 1000.0 * decay * time / (kT2 * kT2));
    fisher += g * g.transpose() / (kSigma * kSigma);
  }
  const double bound_ms = 1000.0 * std::sqrt(fisher.inverse()(1, 1));
  double squares = 0.0;
  for (const float x : out.t2star_ms.data) squares += std::pow(static_cast<double>(x) - 40.0, 2);
  const double rms = std::sqrt(squares / static_cast<double>(grid.n_voxels()));
  EXPECT_LT(rms, 1.05 * bound_ms);
  EXPECT_GT(rms, 0.95 * bound_ms);
}

TEST(MultiEcho, SignalThatDoesNotDecayHasTheLongestTime) {
  const Grid grid = grid_of(3);
  std::vector<Volume> means(2, Volume(grid));
  for (Volume& mean : means) std::fill(mean.data.begin(), mean.data.end(), 100.0F);
  means[1].data[5] = 120.0F; // rises
  const std::vector<double> times{0.01, 0.03};
  const Outputs out = run({means, times, Mask(grid, 1)}, {}, kContext);
  EXPECT_FLOAT_EQ(out.t2star_ms.data[0], 500.0F);
  EXPECT_FLOAT_EQ(out.t2star_ms.data[5], 500.0F);
}

TEST(MultiEcho, VoxelsWithoutAnySignalStillHaveWeights) {
  const Grid grid = grid_of(3);
  auto means = decaying(grid, kTimes);
  for (Volume& mean : means) mean.data[7] = 0.0F;
  const Outputs out = run({means, kTimes, Mask(grid, 1)}, {}, kContext);
  EXPECT_EQ(out.n_echoes.data[7], 0);
  EXPECT_EQ(out.t2star_ms.data[7], 0.0F);
  EXPECT_NEAR(out.weights[0].data[7] + out.weights[1].data[7] + out.weights[2].data[7], 1.0F,
              1e-6F);
}

// A head that moves by a whole voxel takes its weights with it.
TEST(MultiEcho, WeightsGoAlongWithTheHead) {
  const Grid grid = grid_of(6);
  Volume weight(grid);
  Random random(1);
  for (float& x : weight.data) x = static_cast<float>(random.uniform());
  Series echo;
  echo.grid = grid;
  echo.n_volumes = 2;
  echo.data.assign(2 * grid.n_voxels(), 2.0F);
  Series sum = echo;
  std::fill(sum.data.begin(), sum.data.end(), 1.0F);
  Affine moved = Affine::Identity();
  moved(1, 3) = 3.0; // a point of the reference is a voxel further along j in volume 1
  const std::vector<Affine> poses{Affine::Identity(), moved};
  add_weighted(sum, echo, weight, poses, kContext);
  for (int j = 1; j < 6; ++j) {
    EXPECT_FLOAT_EQ(sum.volume(0)[grid.index(2, j, 3)],
                    1.0F + 2.0F * weight.data[grid.index(2, j, 3)]);
    EXPECT_NEAR(sum.volume(1)[grid.index(2, j, 3)],
                1.0F + 2.0F * weight.data[grid.index(2, j - 1, 3)], 1e-5F);
  }
}

TEST(MultiEcho, BadInputIsNamed) {
  const Grid grid = grid_of(3);
  const auto means = decaying(grid, kTimes);
  const Mask brain(grid, 1);
  const std::vector<double> falling{0.05, 0.03, 0.01};
  const std::vector<double> two{0.01, 0.02};
  EXPECT_THROW((void)run({means, falling, brain}, {}, kContext), Error);
  EXPECT_THROW((void)run({means, two, brain}, {}, kContext), Error);
  EXPECT_THROW((void)run({means, kTimes, Mask(grid, 0)}, {}, kContext), Error);
  EXPECT_THROW(
      (void)run({std::span(means).first(1), std::span(kTimes).first(1), brain}, {}, kContext),
      Error);
  auto broken = means;
  broken[1].data[3] = std::nanf("");
  EXPECT_THROW((void)run({broken, kTimes, brain}, {}, kContext), Error);
  Series sum;
  sum.grid = grid;
  sum.n_volumes = 2;
  sum.data.assign(2 * grid.n_voxels(), 0.0F);
  Series shorter = sum;
  shorter.n_volumes = 1;
  EXPECT_THROW(add_weighted(sum, shorter, means[0], {}, kContext), Error);
}

} // namespace
} // namespace boldmill::multi_echo
