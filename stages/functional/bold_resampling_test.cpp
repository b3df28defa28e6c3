#include "stages/functional/bold_resampling.hpp"

#include <gtest/gtest.h>
#include <tbb/global_control.h>
#include <tbb/task_arena.h>

#include <numeric>

#include "stages/core/error.hpp"
#include "stages/core/interpolate.hpp"
#include "stages/functional/kernels/head_phantom.hpp"

namespace boldmill::bold_resampling {
namespace {

std::vector<std::size_t> all_voxels(const Grid& grid) {
  std::vector<std::size_t> voxels(grid.n_voxels());
  std::iota(voxels.begin(), voxels.end(), std::size_t{0});
  return voxels;
}

struct Fixture {
  Series bold;
  std::vector<Affine> motion;
  Grid target;
  PointMap map;
};

Fixture fixture(int n_volumes) {
  Fixture f;
  const Grid grid = phantom::scanner_grid({40, 48, 30}, {4.0, 4.0, 4.0});
  Random random(4);
  f.motion = phantom::random_motion(n_volumes, 0.6, 0.8, random);
  f.bold = phantom::moving_head(grid, f.motion, 0.0, 3);
  f.target = phantom::scanner_grid({30, 36, 24}, {4.5, 4.4, 4.2});
  f.map.then(rigid_matrix({{3.0, -2.0, 1.0}, {0.1, -0.05, 0.07}}, Eigen::Vector3d::Zero()));
  return f;
}

// Oracle: core's plain double-precision resampler, given the same chain of maps.
TEST(BoldResampling, AgreesWithThePlainResampler) {
  const Fixture f = fixture(5);
  const auto voxels = all_voxels(f.target);
  const Outputs out = run({f.bold, f.target, voxels, f.map, f.motion}, {}, {});
  for (int t = 0; t < 5; ++t) {
    Volume volume(f.bold.grid);
    std::copy(f.bold.volume(t), f.bold.volume(t) + volume.data.size(), volume.data.begin());
    PointMap chain = f.map;
    chain.then(f.motion[static_cast<std::size_t>(t)]);
    const Volume plain = resample(volume, f.target, chain, Interpolation::cubic_bspline, {}, -1e6F);
    for (std::size_t p = 0; p < voxels.size(); ++p) {
      const float value = out.series(t, static_cast<Eigen::Index>(p));
      if (plain.data[p] < -1e5F) {
        EXPECT_TRUE(std::isnan(value));
      } else {
        EXPECT_NEAR(value, plain.data[p], 0.05); // single precision on values up to 1500
      }
    }
  }
}

// Resampling undoes the motion: against the still head in closed form, in the space of the target.
// 4 mm samples of a head with 3 mm edges leave about 1 % of the brain's signal.
// Oracle: the shift in voxels after the motion is a translation in the scanner along that axis.
TEST(BoldResampling, AddsTheDistortionAfterTheMotion) {
  const Fixture f = fixture(3);
  const auto voxels = all_voxels(f.target);
  const std::vector<float> shift(voxels.size(), 0.6F);
  const std::vector<float> factor(voxels.size(), 1.5F);
  for (const int axis : {0, 1, 2}) {
    const Outputs out =
        run({f.bold, f.target, voxels, f.map, f.motion, shift, factor, axis}, {}, {});
    Affine moved = Affine::Identity();
    moved.topRightCorner<3, 1>() = 0.6 * f.bold.grid.affine.col(axis).head<3>();
    for (int t = 0; t < 3; ++t) {
      Volume volume(f.bold.grid);
      std::copy(f.bold.volume(t), f.bold.volume(t) + volume.data.size(), volume.data.begin());
      PointMap chain = f.map;
      chain.then(f.motion[static_cast<std::size_t>(t)]).then(moved);
      const Volume plain =
          resample(volume, f.target, chain, Interpolation::cubic_bspline, {}, -1e6F);
      for (std::size_t p = 0; p < voxels.size(); p += 7) {
        if (plain.data[p] < -1e5F) continue;
        const float value = out.series(t, static_cast<Eigen::Index>(p));
        if (std::isnan(value)) continue; // at the very edge rounding decides
        EXPECT_NEAR(value, 1.5F * plain.data[p], 0.1);
      }
    }
  }
}

TEST(BoldResampling, BringsTheHeadBackToItsPlace) {
  const Fixture f = fixture(4);
  const auto voxels = all_voxels(f.target);
  const Outputs out = run({f.bold, f.target, voxels, f.map, f.motion}, {}, {});
  double error = 0.0;
  double signal = 0.0;
  for (std::size_t p = 0; p < voxels.size(); ++p) {
    const auto [i, j, k] = f.target.coordinates(p);
    const double truth = phantom::head_signal(f.map(f.target.to_mm(Eigen::Vector3d(i, j, k))));
    for (int t = 0; t < 4; ++t) {
      const float value = out.series(t, static_cast<Eigen::Index>(p));
      if (std::isnan(value)) continue;
      error += std::pow(static_cast<double>(value) - truth, 2);
      signal += truth * truth;
    }
  }
  EXPECT_LT(std::sqrt(error / signal), 0.02);
}

TEST(BoldResampling, CoverageAndMissing) {
  Fixture f = fixture(3);
  f.motion.assign(3, Affine::Identity());
  f.motion[2](2, 3) = 8.0; // two slices up: the topmost two slices leave the field of view
  f.map = PointMap{};
  f.target = f.bold.grid;
  const std::vector<std::size_t> voxels{f.target.index(20, 20, 29), f.target.index(20, 20, 10)};
  const Outputs out = run({f.bold, f.target, voxels, f.map, f.motion}, {}, {});
  EXPECT_NEAR(out.coverage[0], 2.0 / 3.0, 1e-6);
  EXPECT_EQ(out.coverage[1], 1.0F);
  EXPECT_EQ(out.n_covered, 1U);
  EXPECT_TRUE(std::isnan(out.series(2, 0)));
  const Series image = to_series({f.bold, f.target, voxels, f.map, f.motion}, {}, -7.0F);
  EXPECT_EQ(image.volume(2)[voxels[0]], -7.0F);
  EXPECT_EQ(image.volume(1)[voxels[1]], out.series(1, 1));
  EXPECT_EQ(image.volume(1)[0], -7.0F);
}

// Integers read through the callback give what floats in memory give.
TEST(BoldResampling, ReadsThroughTheCallback) {
  Fixture f = fixture(18);
  for (float& v : f.bold.data) v = std::round(v);
  const std::vector<std::int16_t> stored(f.bold.data.begin(), f.bold.data.end());
  const std::size_t n = f.bold.grid.n_voxels();
  const VolumeSource source(f.bold.grid, 18, 2.0, [&](int t, std::vector<float>& buffer) {
    const auto* from = stored.data() + static_cast<std::size_t>(t) * n;
    buffer.assign(from, from + n);
    return static_cast<const float*>(buffer.data());
  });
  const auto voxels = all_voxels(f.target);
  const Outputs a = run({f.bold, f.target, voxels, f.map, f.motion}, {}, {});
  const Outputs b = run({source, f.target, voxels, f.map, f.motion}, {}, {});
  for (Eigen::Index n_value = 0; n_value < a.series.size(); ++n_value) {
    const float x = a.series.data()[n_value];
    const float y = b.series.data()[n_value];
    ASSERT_TRUE(x == y || (std::isnan(x) && std::isnan(y)));
  }
}

TEST(BoldResampling, SameBitsAtAnyThreadCountAndVolumeByVolume) {
  const Fixture f = fixture(19);
  const auto voxels = all_voxels(f.target);
  const auto with_threads = [&](int n) {
    tbb::global_control control(tbb::global_control::max_allowed_parallelism,
                                static_cast<std::size_t>(n));
    tbb::task_arena arena(n);
    Outputs out;
    arena.execute([&] { out = run({f.bold, f.target, voxels, f.map, f.motion}, {}, {}); });
    return out.series;
  };
  const Eigen::MatrixXf a = with_threads(1);
  const Eigen::MatrixXf b = with_threads(8);
  const auto same = [](float x, float y) { return x == y || (std::isnan(x) && std::isnan(y)); };
  int next = 0;
  for_each_volume({f.bold, f.target, voxels, f.map, f.motion}, {},
                  [&](int t, std::span<const float> values) {
                    EXPECT_EQ(t, next++);
                    for (std::size_t p = 0; p < values.size(); ++p) {
                      const auto column = static_cast<Eigen::Index>(p);
                      ASSERT_TRUE(same(values[p], a(t, column)));
                      ASSERT_TRUE(same(b(t, column), a(t, column)));
                    }
                  });
  EXPECT_EQ(next, 19);
}

TEST(BoldResampling, RefusesADistortionOfOtherVoxels) {
  const Fixture f = fixture(1);
  const auto voxels = all_voxels(f.target);
  const std::vector<float> few(3, 0.0F);
  EXPECT_THROW((void)run({f.bold, f.target, voxels, f.map, f.motion, few}, {}, {}), Error);
  EXPECT_THROW((void)run({f.bold, f.target, voxels, f.map, f.motion, {}, {}, 3}, {}, {}), Error);
}

TEST(BoldResampling, RefusesWrongSizes) {
  Fixture f = fixture(2);
  const std::vector<std::size_t> beyond{f.target.n_voxels()};
  EXPECT_THROW((void)run({f.bold, f.target, beyond, f.map, f.motion}, {}, {}), Error);
  f.motion.pop_back();
  const std::vector<std::size_t> first{0};
  EXPECT_THROW((void)run({f.bold, f.target, first, f.map, f.motion}, {}, {}), Error);
}

} // namespace
} // namespace boldmill::bold_resampling
