#include "stages/functional/fieldmap_phase.hpp"

#include <gtest/gtest.h>
#include <tbb/global_control.h>
#include <tbb/task_arena.h>

#include <cmath>
#include <numbers>

#include "stages/core/error.hpp"
#include "stages/core/statistics.hpp"
#include "stages/functional/kernels/head_phantom.hpp"

namespace boldmill::fieldmap_phase {
namespace {

constexpr double kTurn = 2.0 * std::numbers::pi;
constexpr double kTe1 = 0.00492;
constexpr double kTe2 = 0.00738;
const Grid kGrid = phantom::scanner_grid({44, 52, 32}, {4.0, 4.0, 4.0});

double field_hz(const Eigen::Vector3d& p) {
  return 350.0 * std::exp(-(p - Eigen::Vector3d(0, 55, -25)).squaredNorm() / (2 * 24.0 * 24.0)) -
         260.0 * std::exp(-(p - Eigen::Vector3d(30, -40, -20)).squaredNorm() / (2 * 25.0 * 25.0)) +
         0.5 * p[2];
}
bool in_head(const Eigen::Vector3d& p) {
  return Eigen::Vector3d(p[0] / 65.0, p[1] / 82.0, p[2] / 52.0).norm() < 1.0;
}
Eigen::Vector3d at(std::size_t v) {
  const auto [i, j, k] = kGrid.coordinates(v);
  return kGrid.to_mm(Eigen::Vector3d(i, j, k));
}

Mask head() {
  Mask mask(kGrid);
  for (std::size_t v = 0; v < mask.data.size(); ++v) mask.data[v] = in_head(at(v)) ? 1 : 0;
  return mask;
}

// Phase at an echo, wrapped, as integers 0..4095; noise outside the head.
Volume stored_phase(double te_s, double noise_rad, std::uint64_t seed) {
  Volume image(kGrid);
  Random random(seed);
  for (std::size_t v = 0; v < image.data.size(); ++v) {
    const double phase = in_head(at(v))
                             ? kTurn * field_hz(at(v)) * te_s + noise_rad * random.normal() + 1.0
                             : random.uniform(0.0, kTurn);
    const double turns = phase / kTurn;
    image.data[v] = static_cast<float>(std::floor(4096.0 * (turns - std::floor(turns))));
  }
  return image;
}

// Largest and 95th percentile error in Hz inside the head, two voxels from its border.
std::pair<double, double> errors(const Volume& field, double offset = 0.0) {
  std::vector<double> list;
  for (std::size_t v = 0; v < field.data.size(); ++v) {
    if (!in_head(1.15 * at(v))) continue;
    list.push_back(std::abs(static_cast<double>(field.data[v]) - field_hz(at(v)) - offset));
  }
  return {median(list), quantile(list, 0.95)};
}

TEST(FieldmapPhase, UnwrapsADifferenceOfSeveralTurns) {
  // The phase constant of 1 rad cancels in the difference of two echoes.
  const Mask mask = head();
  const Volume first = stored_phase(kTe1, 0.05, 1);
  const Volume second = stored_phase(kTe2, 0.05, 2);
  Params params;
  params.smoothing_fwhm_mm = 0.0;
  const Outputs out = run({{&first, &second}, nullptr, "", &mask, kTe1, kTe2}, params, {});
  const auto [middle, p95] = errors(out.field_hz);
  EXPECT_LT(middle, 5.0);
  EXPECT_LT(p95, 25.0); // the despiking median flattens the steepest place
  EXPECT_GT(out.wrapped_share, 0.05);
  EXPECT_EQ(out.raw_range, (std::vector<double>{4096.0, 4096.0}));
  EXPECT_TRUE(out.warnings.empty());
}

TEST(FieldmapPhase, SmoothsAndContinues) {
  const Mask mask = head();
  const Volume first = stored_phase(kTe1, 0.2, 1);
  const Volume second = stored_phase(kTe2, 0.2, 2);
  const Outputs out = run({{&first, &second}, nullptr, "", &mask, kTe1, kTe2}, {}, {});
  EXPECT_LT(errors(out.field_hz).first, 8.0);
  for (std::size_t v = 0; v < out.field_hz.data.size(); ++v) {
    ASSERT_TRUE(std::isfinite(out.field_hz.data[v]));
    ASSERT_LT(std::abs(out.field_hz.data[v]), 400.0F);
  }
}

TEST(FieldmapPhase, OneDifferenceImageInRadians) {
  const Mask mask = head();
  Volume phase(kGrid);
  for (std::size_t v = 0; v < phase.data.size(); ++v) {
    const double x = kTurn * field_hz(at(v)) * (kTe2 - kTe1);
    phase.data[v] = static_cast<float>(x - kTurn * std::round(x / kTurn));
  }
  Params params;
  params.smoothing_fwhm_mm = 0.0;
  const Outputs out = run({{&phase}, nullptr, "", &mask, kTe1, kTe2}, params, {});
  EXPECT_NEAR(out.raw_range[0], kTurn, 1e-9);
  EXPECT_LT(errors(out.field_hz).first, 2.0);
}

TEST(FieldmapPhase, UnwrappingIsExactOnARamp) {
  Volume phase(kGrid);
  Mask mask(kGrid, 1);
  std::vector<float> truth;
  for (std::size_t v = 0; v < phase.data.size(); ++v) {
    const auto [i, j, k] = kGrid.coordinates(v);
    const double x = 1.3 * i - 0.9 * j + 0.4 * k;
    truth.push_back(static_cast<float>(x));
    phase.data[v] = static_cast<float>(x - kTurn * std::round(x / kTurn));
  }
  unwrap_in_place(phase, mask, {});
  const double offset = static_cast<double>(phase.data[0]) - static_cast<double>(truth[0]);
  EXPECT_NEAR(std::remainder(offset, kTurn), 0.0, 1e-5);
  for (std::size_t v = 0; v < truth.size(); ++v) {
    ASSERT_NEAR(phase.data[v] - truth[v], offset, 1e-3);
  }
}

TEST(FieldmapPhase, DirectMapsInTheirUnits) {
  const Mask mask = head();
  Volume map(kGrid);
  const auto with = [&](const std::string& units, double hz_per_unit) {
    for (std::size_t v = 0; v < map.data.size(); ++v) {
      map.data[v] = static_cast<float>(field_hz(at(v)) / hz_per_unit);
    }
    Params params;
    params.smoothing_fwhm_mm = 0.0;
    return errors(run({{}, &map, units, &mask}, params, {}).field_hz).first;
  };
  EXPECT_LT(with("Hz", 1.0), 2.0);
  EXPECT_LT(with("rad/s", 1.0 / kTurn), 2.0);
  EXPECT_LT(with("T", 42.577478518e6), 2.0);
}

TEST(FieldmapPhase, ThreadsDoNotMatter) {
  const Mask mask = head();
  const Volume first = stored_phase(kTe1, 0.3, 1);
  const Volume second = stored_phase(kTe2, 0.3, 2);
  const auto with = [&](int threads) {
    tbb::global_control limit(tbb::global_control::max_allowed_parallelism,
                              static_cast<std::size_t>(threads));
    tbb::task_arena arena(threads);
    return arena.execute([&] {
      return run({{&first, &second}, nullptr, "", &mask, kTe1, kTe2}, {}, {}).field_hz.data;
    });
  };
  EXPECT_EQ(with(1), with(8));
}

TEST(FieldmapPhase, EdgesAndErrors) {
  const Mask mask = head();
  Volume phase = stored_phase(kTe2, 0.1, 1);
  phase.data[kGrid.index(22, 26, 16)] = std::nanf("");
  EXPECT_NO_THROW((void)run({{&phase}, nullptr, "", &mask, kTe1, kTe2}, {}, {}));
  EXPECT_THROW((void)run({{&phase}, nullptr, "", &mask, kTe2, kTe1}, {}, {}), Error);
  EXPECT_THROW((void)run({{&phase}, nullptr, "", nullptr, kTe1, kTe2}, {}, {}), Error);
  const Mask empty(kGrid);
  EXPECT_THROW((void)run({{&phase}, nullptr, "", &empty, kTe1, kTe2}, {}, {}), Error);
  const Volume flat(kGrid, 2.0F);
  EXPECT_THROW((void)run({{&flat}, nullptr, "", &mask, kTe1, kTe2}, {}, {}), Error);
  EXPECT_THROW((void)run({{}, &flat, "Gauss", &mask}, {}, {}), Error);
  Volume odd = phase;
  for (float& x : odd.data) x *= 0.37F;
  EXPECT_EQ(run({{&odd}, nullptr, "", &mask, kTe1, kTe2}, {}, {}).warnings.size(), 1U);
}

} // namespace
} // namespace boldmill::fieldmap_phase
