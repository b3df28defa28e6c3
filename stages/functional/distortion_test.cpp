#include "stages/functional/distortion.hpp"

#include <gtest/gtest.h>
#include <tbb/global_control.h>
#include <tbb/task_arena.h>

#include <cmath>

#include "stages/core/error.hpp"
#include "stages/core/statistics.hpp"
#include "stages/functional/kernels/head_phantom.hpp"

namespace boldmill::distortion {
namespace {

const Grid kGrid = phantom::scanner_grid({24, 40, 20}, {3.0, 3.0, 4.0});

// Hz at a point, in closed form.
double field_hz(const Eigen::Vector3d& p) {
  return 60.0 * std::exp(-(p - Eigen::Vector3d(0, 20, -10)).squaredNorm() / (2 * 18.0 * 18.0)) -
         0.3 * p[1];
}

Volume sampled(const Grid& grid) {
  Volume field(grid);
  for (std::size_t v = 0; v < field.data.size(); ++v) {
    const auto [i, j, k] = grid.coordinates(v);
    field.data[v] = static_cast<float>(field_hz(grid.to_mm(Eigen::Vector3d(i, j, k))));
  }
  return field;
}

double signal(const Eigen::Vector3d& p) {
  return 500.0 + 200.0 * std::sin(p[1] / 11.0) + 150.0 * std::cos(p[0] / 13.0 + p[2] / 17.0);
}

TEST(Distortion, ReadsDirections) {
  EXPECT_EQ(phase_encoding("j", 0.03), (PhaseEncoding{1, true, 0.03}));
  EXPECT_EQ(phase_encoding("k-", 0.05), (PhaseEncoding{2, false, 0.05}));
  EXPECT_DOUBLE_EQ(phase_encoding("i-", 0.02).voxels_per_hz(), -0.02);
  for (const char* direction : {"", "x", "-j", "j+", "jj"}) {
    EXPECT_THROW((void)phase_encoding(direction, 0.03), Error) << direction;
  }
  for (const double time : {0.0, -0.03, 30.0, std::nan("")}) {
    EXPECT_THROW((void)phase_encoding("j", time), Error) << time;
  }
}

TEST(Distortion, ShiftIsFieldTimesReadoutOnAnotherGrid) {
  // The field on an RAS grid of other voxels, the BOLD left-handed: only places in mm count.
  Grid other;
  other.shape = {60, 70, 60};
  other.affine = Affine::Identity();
  other.affine.topLeftCorner<3, 3>() *= 2.0;
  other.affine.topRightCorner<3, 1>() = Eigen::Vector3d(-60, -70, -60);
  const Volume field = sampled(other);
  for (const char* direction : {"i", "j-", "k"}) {
    const PhaseEncoding encoding = phase_encoding(direction, 0.04);
    const Outputs out = run({&field, kGrid, encoding}, {}, {});
    for (std::size_t v = 0; v < out.shift_voxels.data.size(); v += 97) {
      const auto [i, j, k] = kGrid.coordinates(v);
      const Eigen::Vector3d mm = kGrid.to_mm(Eigen::Vector3d(i, j, k));
      const double expected = encoding.voxels_per_hz() * field_hz(mm);
      EXPECT_NEAR(out.shift_voxels.data[v], expected, 2e-3) << direction;
      const Eigen::Vector3d step = kGrid.affine.col(encoding.axis).head<3>();
      const double slope =
          encoding.voxels_per_hz() * (field_hz(mm + 0.5 * step) - field_hz(mm - 0.5 * step));
      const auto at = kGrid.coordinates(v)[static_cast<std::size_t>(encoding.axis)];
      const bool edge = at == 0 || at + 1 == kGrid.shape[static_cast<std::size_t>(encoding.axis)];
      EXPECT_NEAR(out.factor.data[v], 1.0 + slope, edge ? 0.05 : 0.01) << direction;
    }
  }
}

// A distorted image in closed form: I(y) = S(x) dx/dy where y = x + s(x).
Volume distorted(const PhaseEncoding& encoding) {
  Volume image(kGrid);
  const Eigen::Vector3d step = kGrid.affine.col(encoding.axis).head<3>();
  const auto shift = [&](const Eigen::Vector3d& p) {
    return encoding.voxels_per_hz() * field_hz(p);
  };
  for (std::size_t v = 0; v < image.data.size(); ++v) {
    const auto [i, j, k] = kGrid.coordinates(v);
    const Eigen::Vector3d y = kGrid.to_mm(Eigen::Vector3d(i, j, k));
    Eigen::Vector3d x = y;
    for (int n = 0; n < 100; ++n) x = y - shift(x) * step;
    const double slope = (shift(x + 0.01 * step) - shift(x - 0.01 * step)) / 0.02;
    image.data[v] = static_cast<float>(signal(x) / (1.0 + slope));
  }
  return image;
}

double error_of(const Volume& image, double border) {
  double sum = 0.0;
  int n = 0;
  for (std::size_t v = 0; v < image.data.size(); ++v) {
    const auto ijk = kGrid.coordinates(v);
    bool inside = true;
    for (std::size_t a = 0; a < 3; ++a) {
      inside = inside && ijk[a] >= border && ijk[a] < kGrid.shape[a] - border;
    }
    if (!inside) continue;
    const double truth = signal(kGrid.to_mm(Eigen::Vector3d(ijk[0], ijk[1], ijk[2])));
    const double d = static_cast<double>(image.data[v]) - truth;
    sum += d * d;
    ++n;
  }
  return std::sqrt(sum / n);
}

TEST(Distortion, UnwarpsAnAnalyticImageInBothDirections) {
  const Volume field = sampled(kGrid);
  for (const char* direction : {"j", "j-"}) {
    const PhaseEncoding encoding = phase_encoding(direction, 0.04);
    const Volume image = distorted(encoding);
    const Outputs out = run({&field, kGrid, encoding}, {}, {});
    const double before = error_of(image, 5);
    const double after = error_of(unwarp(image, out, true, {}), 5);
    EXPECT_GT(before, 30.0) << direction;
    EXPECT_LT(after, 2.0) << direction;
    EXPECT_GT(error_of(unwarp(image, out, false, {}), 5), 4.0 * after) << direction;
    // The opposite sign makes it worse.
    const PhaseEncoding wrong{encoding.axis, !encoding.positive, encoding.readout_s};
    EXPECT_GT(error_of(unwarp(image, run({&field, kGrid, wrong}, {}, {}), true, {}), 5), before);
    // And the way back.
    Volume truth(kGrid);
    for (std::size_t v = 0; v < truth.data.size(); ++v) {
      const auto [i, j, k] = kGrid.coordinates(v);
      truth.data[v] = static_cast<float>(signal(kGrid.to_mm(Eigen::Vector3d(i, j, k))));
    }
    const Volume again = unwarp(warp(truth, out, {}), out, true, {});
    EXPECT_LT(error_of(again, 5), 3.0) << direction;
  }
}

TEST(Distortion, PointMapAndVoxelShiftsSayTheSame) {
  const Volume field = sampled(kGrid);
  const Outputs out = run({&field, kGrid, phase_encoding("j-", 0.03)}, {}, {});
  PointMap map;
  map.then(undistorted_to_distorted(out.shift_voxels, out.axis));
  const std::vector<std::size_t> voxels{kGrid.index(12, 20, 10), kGrid.index(3, 30, 5)};
  const AtVoxels at = at_voxels(out, true, kGrid, voxels, PointMap{}, {});
  for (std::size_t n = 0; n < voxels.size(); ++n) {
    const auto [i, j, k] = kGrid.coordinates(voxels[n]);
    const Eigen::Vector3d x(i, j, k);
    const Eigen::Vector3d moved = kGrid.to_voxel(map(kGrid.to_mm(x)));
    EXPECT_NEAR(moved[1] - x[1], out.shift_voxels.data[voxels[n]], 1e-4);
    EXPECT_NEAR(moved[0] - x[0], 0.0, 1e-5);
    EXPECT_NEAR(at.shift_voxels[n], out.shift_voxels.data[voxels[n]], 1e-5);
    EXPECT_NEAR(at.factor[n], out.factor.data[voxels[n]], 1e-5);
  }
  EXPECT_EQ(at_voxels(out, false, kGrid, voxels, PointMap{}, {}).factor[0], 1.0F);
}

TEST(Distortion, EdgesAndThreads) {
  Volume field = sampled(kGrid);
  field.data[0] = std::nanf(""); // counts as 0
  Grid far = kGrid;
  far.affine(1, 3) += 1000.0; // beyond the field: its nearest value
  const PhaseEncoding encoding = phase_encoding("j", 0.05);
  for (const float value : run({&field, far, encoding}, {}, {}).shift_voxels.data) {
    ASSERT_TRUE(std::isfinite(value));
    ASSERT_LT(std::abs(value), 10.0F);
  }
  Grid thin = kGrid;
  thin.shape = {24, 1, 20};
  for (const float value : run({&field, thin, encoding}, {}, {}).factor.data) {
    ASSERT_EQ(value, 1.0F);
  }
  EXPECT_THROW((void)run({nullptr, kGrid, encoding}, {}, {}), Error);
  const auto with = [&](int threads) {
    tbb::global_control limit(tbb::global_control::max_allowed_parallelism,
                              static_cast<std::size_t>(threads));
    tbb::task_arena arena(threads);
    return arena.execute([&] { return run({&field, kGrid, encoding}, {}, {}).shift_voxels.data; });
  };
  EXPECT_EQ(with(1), with(8));
}

} // namespace
} // namespace boldmill::distortion
