#include "stages/functional/fieldmap_pepolar.hpp"

#include <gtest/gtest.h>
#include <tbb/global_control.h>
#include <tbb/task_arena.h>

#include <cmath>

#include "stages/core/error.hpp"
#include "stages/core/statistics.hpp"
#include "stages/functional/kernels/head_phantom.hpp"

namespace boldmill::fieldmap_pepolar {
namespace {

using distortion::phase_encoding;
using distortion::PhaseEncoding;

// Hz, in closed form: a hump above the sinuses and a slope, up to about 130 Hz in the head.
double field_hz(const Eigen::Vector3d& p) {
  return 130.0 * std::exp(-(p - Eigen::Vector3d(0, 45, -30)).squaredNorm() / (2 * 16.0 * 16.0)) -
         40.0 * std::exp(-(p - Eigen::Vector3d(-35, -20, -20)).squaredNorm() / (2 * 20.0 * 20.0)) +
         0.1 * p[2];
}

// What a scanner would show: head at `pose` (head mm -> scanner mm), the field moving with it. At
// voxel y: S(x) dx/dy with x + s(x) = y, along the phase-encoding axis.
Volume scan(const Grid& grid, const PhaseEncoding& encoding, const Affine& pose, double noise_sd,
            std::uint64_t seed) {
  Volume image(grid);
  Random random(seed);
  const Eigen::Vector3d step = grid.affine.col(encoding.axis).head<3>();
  const Affine back = pose.inverse();
  const auto head = [&](const Eigen::Vector3d& mm) -> Eigen::Vector3d {
    return back.topLeftCorner<3, 3>() * mm + back.topRightCorner<3, 1>();
  };
  const double scale = encoding.voxels_per_hz();
  for (std::size_t v = 0; v < image.data.size(); ++v) {
    const auto [i, j, k] = grid.coordinates(v);
    const Eigen::Vector3d y = grid.to_mm(Eigen::Vector3d(i, j, k));
    double t = 0.0; // x = y - t step
    for (int n = 0; n < 25; ++n) t += 0.7 * (scale * field_hz(head(y - t * step)) - t);
    const Eigen::Vector3d x = y - t * step;
    const double slope =
        scale * (field_hz(head(x + 0.05 * step)) - field_hz(head(x - 0.05 * step))) / 0.1;
    const double value = phantom::head_signal(head(x)) / (1.0 + slope);
    image.data[v] = static_cast<float>(
        std::hypot(value + noise_sd * random.normal(), noise_sd * random.normal()));
  }
  return image;
}

const Grid kGrid = phantom::scanner_grid({31, 38, 24}, {6.0, 6.0, 6.0});

struct Errors {
  double before, after, p95; // voxels of a readout of 0.03 s, inside the head
};
Errors errors_of(const Outputs& out, const PhaseEncoding& encoding) {
  std::vector<double> before;
  std::vector<double> after;
  for (std::size_t v = 0; v < out.field_hz.data.size(); ++v) {
    const auto [i, j, k] = out.field_hz.grid.coordinates(v);
    const Eigen::Vector3d p = out.field_hz.grid.to_mm(Eigen::Vector3d(i, j, k));
    if (Eigen::Vector3d(p[0] / 65.0, p[1] / 82.0, p[2] / 58.0).norm() > 0.95) continue;
    before.push_back(encoding.readout_s * std::abs(field_hz(p)));
    after.push_back(encoding.readout_s *
                    std::abs(static_cast<double>(out.field_hz.data[v]) - field_hz(p)));
  }
  return {quantile(before, 0.95), median(after), quantile(after, 0.95)};
}

TEST(FieldmapPepolar, RecoversAKnownField) {
  const PhaseEncoding up = phase_encoding("j", 0.03);
  const PhaseEncoding down = phase_encoding("j-", 0.03);
  const Volume a = scan(kGrid, up, Affine::Identity(), 10.0, 1);
  const Volume b = scan(kGrid, down, Affine::Identity(), 10.0, 2);
  const Outputs out = run({{{&a, up}, {&b, down}}}, {}, {});
  const Errors errors = errors_of(out, up);
  EXPECT_GT(errors.before, 0.8);
  EXPECT_LT(errors.after, 0.05);
  EXPECT_LT(errors.p95, 0.3);
  EXPECT_TRUE(out.usable);
  EXPECT_GT(out.correlation_after, out.correlation_before + 0.01);
  EXPECT_LT(rms_displacement_mm(out.motion[1], Affine::Identity(), Eigen::Vector3d::Zero()), 0.3);
}

TEST(FieldmapPepolar, RecoversTheFieldBesideMotionAndOtherReadouts) {
  // The second image is of another grid, readout and pose; along the encoding axis it did not move,
  // which nothing could tell from the field.
  const PhaseEncoding up = phase_encoding("j", 0.03);
  const PhaseEncoding down = phase_encoding("j-", 0.022);
  const Grid other = phantom::scanner_grid({32, 40, 23}, {6.0, 5.7, 6.2});
  const Affine pose =
      rigid_matrix({Eigen::Vector3d(1.5, 0.0, -1.0), Eigen::Vector3d(0.01, 0.02, -0.02)},
                   Eigen::Vector3d::Zero());
  const Volume a = scan(kGrid, up, Affine::Identity(), 10.0, 1);
  const Volume b = scan(other, down, pose, 10.0, 2);
  const Outputs out = run({{{&a, up}, {&b, down}}}, {}, {});
  const Errors errors = errors_of(out, up);
  EXPECT_LT(errors.after, 0.1);
  EXPECT_LT(errors.p95, 0.35);
  EXPECT_LT(rms_displacement_mm(out.motion[1], pose, Eigen::Vector3d::Zero()), 0.8);
}

TEST(FieldmapPepolar, ThreeImagesAndTheOtherAxis) {
  const PhaseEncoding up = phase_encoding("j", 0.03);
  const PhaseEncoding down = phase_encoding("j-", 0.03);
  const PhaseEncoding side = phase_encoding("i", 0.03);
  const Volume a = scan(kGrid, up, Affine::Identity(), 10.0, 1);
  const Volume b = scan(kGrid, down, Affine::Identity(), 10.0, 2);
  const Volume c = scan(kGrid, side, Affine::Identity(), 10.0, 3);
  const Errors errors = errors_of(run({{{&a, up}, {&b, down}, {&c, side}}}, {}, {}), up);
  EXPECT_LT(errors.p95, 0.3);
}

TEST(FieldmapPepolar, SwappingTheImagesAndScalingThemChangesLittle) {
  const PhaseEncoding up = phase_encoding("j", 0.03);
  const PhaseEncoding down = phase_encoding("j-", 0.03);
  const Volume a = scan(kGrid, up, Affine::Identity(), 10.0, 1);
  Volume b = scan(kGrid, down, Affine::Identity(), 10.0, 2);
  const Outputs one = run({{{&a, up}, {&b, down}}}, {}, {});
  for (float& value : b.data) value *= 2.5F;
  const Outputs two = run({{{&b, down}, {&a, up}}}, {}, {});
  std::vector<double> change;
  for (std::size_t v = 0; v < one.field_hz.data.size(); ++v) {
    change.push_back(std::abs(static_cast<double>(one.field_hz.data[v] - two.field_hz.data[v])));
  }
  EXPECT_LT(0.03 * quantile(change, 0.95), 0.1);
}

TEST(FieldmapPepolar, ThreadsDoNotMatter) {
  const PhaseEncoding up = phase_encoding("j", 0.03);
  const PhaseEncoding down = phase_encoding("j-", 0.03);
  const Grid grid = phantom::scanner_grid({19, 23, 14}, {10.0, 10.0, 10.0});
  const Volume a = scan(grid, up, Affine::Identity(), 10.0, 1);
  const Volume b = scan(grid, down, Affine::Identity(), 10.0, 2);
  const auto with = [&](int threads) {
    tbb::global_control limit(tbb::global_control::max_allowed_parallelism,
                              static_cast<std::size_t>(threads));
    tbb::task_arena arena(threads);
    return arena.execute([&] { return run({{{&a, up}, {&b, down}}}, {}, {}).field_hz.data; });
  };
  EXPECT_EQ(with(1), with(8));
}

TEST(FieldmapPepolar, RefusesWhatCannotTellAField) {
  const PhaseEncoding up = phase_encoding("j", 0.03);
  const PhaseEncoding down = phase_encoding("j-", 0.03);
  const Grid grid = phantom::scanner_grid({12, 14, 8}, {12.0, 12.0, 12.0});
  const Volume a = scan(grid, up, Affine::Identity(), 10.0, 1);
  EXPECT_THROW((void)run({{{&a, up}}}, {}, {}), Error);
  EXPECT_THROW((void)run({{{&a, up}, {&a, up}}}, {}, {}), Error);
  EXPECT_THROW((void)run({{{&a, up}, {nullptr, down}}}, {}, {}), Error);
  const Volume flat(grid, 3.0F);
  EXPECT_THROW((void)run({{{&a, up}, {&flat, down}}}, {}, {}), Error);
  Volume missing = a;
  missing.data[5] = std::nanf("");
  EXPECT_THROW((void)run({{{&a, up}, {&missing, down}}}, {}, {}), Error);
  Volume turned = a;
  turned.grid.affine = rigid_matrix({Eigen::Vector3d::Zero(), Eigen::Vector3d(0, 0, 0.78)},
                                    Eigen::Vector3d::Zero()) *
                       a.grid.affine;
  EXPECT_THROW((void)run({{{&a, up}, {&turned, down}}}, {}, {}), Error);
  Params params;
  params.level_spacing_mm.clear();
  EXPECT_THROW((void)run({{{&a, up}, {&a, down}}}, params, {}), Error);
}

} // namespace
} // namespace boldmill::fieldmap_pepolar
