#include "stages/functional/fieldmap_free.hpp"

#include <gtest/gtest.h>
#include <tbb/global_control.h>
#include <tbb/task_arena.h>

#include <cmath>
#include <iostream>

#include "stages/core/error.hpp"
#include "stages/core/statistics.hpp"
#include "stages/functional/kernels/head_phantom.hpp"
#include "stages/functional/kernels/line_correlation.hpp"

namespace boldmill::fieldmap_free {
namespace {

const Grid kBold = phantom::scanner_grid({34, 42, 28}, {5.0, 5.0, 5.0});
const Grid kT1w = phantom::scanner_grid({56, 70, 46}, {3.0, 3.0, 3.0});

// Shift in mm along j, zero far away.
double shift_mm(const Eigen::Vector3d& p, double size) {
  return size * std::exp(-(p - Eigen::Vector3d(5, 40, -20)).squaredNorm() / (2 * 22.0 * 22.0));
}
bool in_brain(const Eigen::Vector3d& p) {
  return Eigen::Vector3d(p[0] / 65.0, p[1] / 82.0, p[2] / 58.0).norm() < 1.0;
}
Eigen::Vector3d at(const Grid& grid, std::size_t v) {
  const auto [i, j, k] = grid.coordinates(v);
  return grid.to_mm(Eigen::Vector3d(i, j, k));
}

struct Case {
  Volume bold, t1w;
  Mask bold_mask, t1w_mask;
  explicit Case(double size, double noise = 8.0)
      : bold(kBold), t1w(kT1w), bold_mask(kBold), t1w_mask(kT1w) {
    Random random(3);
    for (std::size_t v = 0; v < bold.data.size(); ++v) {
      const Eigen::Vector3d y = at(kBold, v);
      Eigen::Vector3d x = y;
      for (int n = 0; n < 40; ++n) x[1] = y[1] - shift_mm(x, size);
      bold.data[v] = static_cast<float>(phantom::head_signal(x) + noise * random.normal());
      bold_mask.data[v] = in_brain(x) ? 1 : 0;
    }
    for (std::size_t v = 0; v < t1w.data.size(); ++v) { // the opposite contrast
      const Eigen::Vector3d x = at(kT1w, v);
      t1w_mask.data[v] = in_brain(x) ? 1 : 0;
      t1w.data[v] = in_brain(x) ? static_cast<float>(1700.0 - phantom::head_signal(x)) : 0.0F;
    }
  }
  [[nodiscard]] Outputs estimate(const Params& params = {}) const {
    return run({&bold, &bold_mask, &t1w, &t1w_mask, Affine::Identity(), 1}, params, {});
  }
};

double error_mm(const Outputs& out, double size, double q) {
  std::vector<double> error;
  for (std::size_t v = 0; v < out.shift_voxels.data.size(); ++v) {
    const Eigen::Vector3d x = at(kBold, v);
    if (!in_brain(x) || shift_mm(x, size) < 0.2 * size) continue;
    error.push_back(
        std::abs(5.0 * static_cast<double>(out.shift_voxels.data[v]) - shift_mm(x, size)));
  }
  return quantile(std::move(error), q);
}

TEST(FieldmapFree, FindsAShiftAgainstTheOppositeContrast) {
  Params params;
  params.smoothness = 0.3; // the phantom has little noise and much contrast
  params.min_gain = 0.01;
  params.control_factor = 0.0; // the estimate itself
  params.min_shift_voxels = 0.0;
  const Outputs out = Case(7.0).estimate(params);
  EXPECT_TRUE(out.corrected) << out.reason;
  EXPECT_GT(out.r2_after, out.r2_before + 0.01);
  // Uncorrected the median error is 2.9 mm and the 90th percentile 5.1 mm.
  EXPECT_LT(error_mm(out, 7.0, 0.5), 1.2);
  EXPECT_LT(error_mm(out, 7.0, 0.9), 2.5);
}

// The measure of METHOD.md: quantiles of |estimate - truth| over the whole brain beside |truth|.
TEST(FieldmapFree, IsNeverWorseThanNothing) {
  int n_corrected = 0;
  for (const double size : {-9.0, -4.0, 0.0, 4.0, 9.0}) {
    for (const double noise : {8.0, 60.0}) {
      Params params;
      params.level_spacing_mm = {10.0, 5.0};
      const Outputs out = Case(size, noise).estimate(params);
      n_corrected += out.corrected ? 1 : 0;
      std::cout << size << " mm, noise " << noise << ": "
                << (out.corrected ? "corrected" : out.reason) << '\n';
      std::vector<double> left, before;
      for (std::size_t v = 0; v < out.shift_voxels.data.size(); ++v) {
        const Eigen::Vector3d x = at(kBold, v);
        if (!in_brain(x)) continue;
        const double truth = shift_mm(x, size);
        before.push_back(std::abs(truth));
        left.push_back(std::abs(5.0 * static_cast<double>(out.shift_voxels.data[v]) - truth));
      }
      for (const double q : {0.5, 0.95, 0.99}) {
        EXPECT_LE(quantile(left, q), quantile(before, q) + 0.025) // 0.005 voxel
            << size << " mm, noise " << noise << ", quantile " << q << ": " << out.reason;
      }
      if (!out.corrected) {
        EXPECT_FALSE(out.reason.empty());
      }
    }
  }
  EXPECT_GT(n_corrected, 0) << "a rule that never corrects is never worse";
}

TEST(FieldmapFree, RefusesWhenThereIsNothingToGain) {
  const Outputs out = Case(0.0).estimate();
  EXPECT_FALSE(out.corrected);
  EXPECT_NE(out.reason.find("gains"), std::string::npos);
  for (const float x : out.shift_voxels.data) ASSERT_EQ(x, 0.0F);
}

TEST(FieldmapFree, ShiftsAreBounded) {
  Params params;
  params.max_shift_mm = 2.0;
  params.min_gain = 0.0;
  const Outputs out = Case(7.0).estimate(params);
  EXPECT_LE(out.max_shift_mm, 2.0 + 1e-4);
}

TEST(FieldmapFree, ThreadsDoNotMatter) {
  const Case c(7.0);
  const auto with = [&](int threads) {
    tbb::global_control limit(tbb::global_control::max_allowed_parallelism,
                              static_cast<std::size_t>(threads));
    tbb::task_arena arena(threads);
    return arena.execute([&] { return c.estimate().shift_voxels.data; });
  };
  EXPECT_EQ(with(1), with(8));
}

TEST(FieldmapFree, RefusesBadInput) {
  Case c(1.0);
  const Mask empty(kBold);
  const auto refused = [&](const Inputs& inputs) {
    EXPECT_THROW((void)run(inputs, {}, {}), Error);
  };
  refused({&c.bold, &empty, &c.t1w, &c.t1w_mask});
  refused({&c.bold, &c.t1w_mask, &c.t1w, &c.t1w_mask});
  refused({&c.bold, &c.bold_mask, nullptr, &c.t1w_mask});
  Affine away = Affine::Identity();
  away(0, 3) = 1000.0;
  refused({&c.bold, &c.bold_mask, &c.t1w, &c.t1w_mask, away});
}

TEST(LineCorrelation, GradientAgreesWithFiniteDifferences) {
  Grid grid;
  grid.shape = {9, 14, 8};
  Volume fixed(grid);
  Volume moving(grid);
  for (std::size_t v = 0; v < fixed.data.size(); ++v) {
    const auto [i, j, k] = grid.coordinates(v);
    fixed.data[v] = static_cast<float>(1.0 + std::sin(0.6 * i + 0.5 * j) * std::cos(0.4 * k));
    moving.data[v] =
        static_cast<float>(1.0 - 0.7 * std::sin(0.6 * i + 0.5 * j + 0.4) + 0.3 * std::cos(0.7 * k));
  }
  Mask domain(grid, 1);
  domain.data[grid.index(4, 7, 4)] = 0;
  const LineCorrelation correlation(fixed, moving, domain, 1, 2);
  Random random(4);
  std::vector<float> shift(grid.n_voxels(), 0.0F);
  const auto inner = [&](std::size_t v) { // the image ends half a voxel outside
    const int j = grid.coordinates(v)[1];
    return j > 1 && j < 12;
  };
  for (std::size_t v = 0; v < shift.size(); ++v) {
    if (inner(v)) shift[v] = static_cast<float>(0.2 * random.normal());
  }
  const auto at = correlation.evaluate(shift, true, {});
  EXPECT_GT(at.mean_r2, 0.05);
  EXPECT_LE(at.mean_r2, 1.0);
  const double n = static_cast<double>(correlation.n_domain());
  for (int trial = 0; trial < 5; ++trial) {
    std::vector<float> direction(shift.size(), 0.0F);
    double analytic = 0.0;
    for (std::size_t v = 0; v < shift.size(); ++v) {
      if (inner(v)) direction[v] = static_cast<float>(random.normal());
      analytic += static_cast<double>(at.by_shift[v]) * static_cast<double>(direction[v]);
    }
    const auto value = [&](double t) {
      std::vector<float> moved = shift;
      for (std::size_t v = 0; v < moved.size(); ++v) {
        moved[v] += static_cast<float>(t) * direction[v];
      }
      return n * correlation.evaluate(moved, false, {}).mean_r2;
    };
    const double numeric = (value(5e-3) - value(-5e-3)) / 1e-2;
    EXPECT_NEAR(analytic, numeric, 0.02 * std::abs(numeric) + 0.05) << trial;
  }
}

} // namespace
} // namespace boldmill::fieldmap_free
