#include "stages/connectivity/correlation.hpp"

#include <gtest/gtest.h>
#include <tbb/global_control.h>
#include <tbb/task_arena.h>

#include <cmath>

#include "stages/core/random.hpp"
#include "stages/core/statistics.hpp"

namespace boldmill::correlation {
namespace {

Eigen::MatrixXf noise(Eigen::Index rows, Eigen::Index columns, std::uint64_t seed) {
  Random random(seed);
  Eigen::MatrixXf out(rows, columns);
  for (float& value : out.reshaped()) value = static_cast<float>(random.normal());
  return out;
}

Outputs of(const Eigen::MatrixXf& x, std::span<const std::uint8_t> keep = {}, int n_regressed = 0) {
  const Inputs inputs{{x.data(), x.rows(), x.cols()}, keep, n_regressed};
  return run(inputs, Params{}, {});
}

// numpy 2.4.6: np.corrcoef([[1,2,4,7,11,3,5,2,8,6],[2,1,3,6,9,4,5,1,7,8],[9,1,8,2,7,3,6,4,5,5]])
TEST(Correlation, AgreesWithNumpy) {
  Eigen::MatrixXf x(10, 3);
  x.col(0) << 1, 2, 4, 7, 11, 3, 5, 2, 8, 6;
  x.col(1) << 2, 1, 3, 6, 9, 4, 5, 1, 7, 8;
  x.col(2) << 9, 1, 8, 2, 7, 3, 6, 4, 5, 5;
  const Outputs out = of(x);
  const double expected[3] = {0.9172790596530244, 0.08215324920814494, 0.13470397652008118};
  for (std::size_t e = 0; e < 3; ++e) {
    EXPECT_NEAR(out.correlation[e], expected[e], 1e-14);
    EXPECT_NEAR(out.fisher_z[e], std::atanh(expected[e]), 1e-14);
  }
}

TEST(Correlation, EdgesAreTheUpperTriangleRowByRow) {
  const auto pairs = edges(5);
  ASSERT_EQ(pairs.size(), 10U);
  for (std::size_t e = 0; e < pairs.size(); ++e) {
    EXPECT_EQ(edge_index(pairs[e].first, pairs[e].second, 5), e);
    EXPECT_EQ(edge_index(pairs[e].second, pairs[e].first, 5), e);
  }
  EXPECT_EQ(pairs[4], (std::pair<std::size_t, std::size_t>{1, 2}));
}

TEST(Correlation, IgnoresScaleShiftAndCensoredVolumes) {
  Eigen::MatrixXf x = noise(80, 4, 1);
  std::vector<std::uint8_t> keep(80, 1);
  for (const std::size_t t : {0U, 17U, 18U, 79U}) keep[t] = 0;
  const Outputs before = of(x, keep);
  x.col(1) = x.col(1) * 4.0F;
  x.col(2).array() += 8.0F;
  for (const Eigen::Index t : {0, 17, 18, 79}) x.row(t).setConstant(1e6F);
  const Outputs after = of(x, keep);
  EXPECT_EQ(after.n_volumes, 76);
  for (std::size_t e = 0; e < before.fisher_z.size(); ++e) {
    EXPECT_NEAR(before.fisher_z[e], after.fisher_z[e], 1e-6); // float32 input
    EXPECT_NEAR(before.fisher_z_se[e], after.fisher_z_se[e], 1e-6);
  }
}

TEST(Correlation, MissingAndConstantRegionsAreMissing) {
  Eigen::MatrixXf x = noise(40, 4, 2);
  x.col(1).setConstant(123.4F);
  x(7, 3) = NAN;
  const Outputs out = of(x);
  EXPECT_EQ(std::count_if(out.fisher_z.begin(), out.fisher_z.end(),
                          [](double z) { return !std::isnan(z); }),
            1);
  EXPECT_FALSE(std::isnan(out.fisher_z[edge_index(0, 2, 4)]));
}

TEST(Correlation, SameBitsAtAnyThreadCount) {
  const Eigen::MatrixXf x = noise(60, 50, 3);
  const auto with_threads = [&](int n) {
    const tbb::global_control control(tbb::global_control::max_allowed_parallelism, 8);
    tbb::task_arena arena(n);
    return arena.execute([&] { return of(x); });
  };
  EXPECT_EQ(with_threads(1).fisher_z, with_threads(8).fisher_z);
  EXPECT_EQ(with_threads(1).fisher_z_se, with_threads(8).fisher_z_se);
}

// The error bar over the spread of z over independent AR(1) runs, a share of volumes censored.
double error_bar_ratio(double phi, double censored) {
  Random random(11);
  std::vector<double> z, se;
  for (int run = 0; run < 800; ++run) {
    Eigen::MatrixXf x(200, 2);
    for (Eigen::Index r = 0; r < 2; ++r) {
      double state = random.normal() / std::sqrt(1 - phi * phi);
      for (Eigen::Index t = 0; t < 200; ++t) {
        x(t, r) = static_cast<float>(state);
        state = phi * state + random.normal();
      }
    }
    std::vector<std::uint8_t> keep(200, 1);
    for (std::uint8_t& k : keep) k = censored > 0.0 && random.uniform() < censored ? 0 : 1;
    const Outputs out = of(x, keep);
    z.push_back(out.fisher_z[0]);
    se.push_back(out.fisher_z_se[0]);
  }
  return median(se) / standard_deviation(z);
}

// The SD over 800 runs is itself known to 2.5 %; the estimate of N_e is biased by a few per cent.
TEST(Correlation, StandardErrorMatchesTheSpreadOverRuns) {
  for (const double phi : {0.0, 0.6, 0.85}) {
    EXPECT_NEAR(error_bar_ratio(phi, 0.0), 1.0, 0.10) << phi;
    EXPECT_NEAR(error_bar_ratio(phi, 0.5), 1.0, 0.10) << phi << " censored";
  }
}

TEST(Correlation, RegressionCostsDegreesOfFreedom) {
  const Eigen::MatrixXf x = noise(100, 2, 5);
  const double before = 1 / std::pow(of(x).fisher_z_se[0], 2) + 3;
  const double after = 1 / std::pow(of(x, {}, 40).fisher_z_se[0], 2) + 3;
  EXPECT_NEAR(after / before, 0.6, 1e-12);
}

TEST(Correlation, RefusesWhatHasNoAnswer) {
  const auto kind_of = [](const Eigen::MatrixXf& x, const std::vector<std::uint8_t>& keep) {
    try {
      (void)of(x, keep);
    } catch (const Error& error) {
      return error.kind();
    }
    return ErrorKind::internal;
  };
  EXPECT_EQ(kind_of(noise(40, 1, 1), {}), ErrorKind::input);
  EXPECT_EQ(kind_of(noise(40, 3, 1), std::vector<std::uint8_t>(39, 1)), ErrorKind::input);
  EXPECT_EQ(kind_of(noise(40, 3, 1), std::vector<std::uint8_t>(40, 0)), ErrorKind::gate);
  EXPECT_EQ(kind_of(noise(1, 3, 1), {}), ErrorKind::gate);
}

} // namespace
} // namespace boldmill::correlation
