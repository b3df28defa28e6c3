#include "stages/functional/head_motion.hpp"

#include <gtest/gtest.h>
#include <tbb/global_control.h>
#include <tbb/task_arena.h>

#include <fstream>
#include <limits>

#include "stages/core/error.hpp"
#include "stages/core/statistics.hpp"
#include "stages/functional/kernels/head_phantom.hpp"

namespace boldmill::head_motion {
namespace {

constexpr double kNoise = 14.0; // tSNR of about 50 in the brain

Volume first_volume(const Series& series) {
  Volume volume(series.grid);
  std::copy(series.volume(0), series.volume(0) + volume.data.size(), volume.data.begin());
  return volume;
}

std::vector<double> errors(const Outputs& out, const std::vector<Affine>& truth) {
  std::vector<double> e;
  for (std::size_t t = 1; t < truth.size(); ++t) {
    e.push_back(rms_displacement_mm(out.ref_to_volume[t], truth[t], Eigen::Vector3d::Zero(), 80.0));
  }
  return e;
}

Outputs track(const Series& series, const Volume& reference) {
  return run({series, &reference}, Params{}, Context{});
}

// The phantom is sampled in closed form at every pose: no interpolation made the truth. The noise
// of both volumes limits the estimate; the target of the pipeline is 0.02 mm median.
TEST(HeadMotion, RecoversKnownMotionOfANoisyHead) {
  const Grid grid = phantom::scanner_grid({56, 64, 36}, {3.0, 3.0, 3.3});
  Random random(11);
  const auto truth = phantom::random_motion(13, 0.7, 0.6, random);
  const Series series = phantom::moving_head(grid, truth, kNoise, 5);
  Series still = phantom::moving_head(grid, {Affine::Identity()}, 0.0, 1);
  const Outputs out = track(series, first_volume(still));
  EXPECT_EQ(out.n_failed, 0);
  const auto e = errors(out, truth);
  EXPECT_LT(median(e), 0.02);
  EXPECT_LT(quantile(e, 0.95), 0.05);
}

TEST(HeadMotion, RecoversLargeMotion) {
  const Grid grid = phantom::scanner_grid({56, 64, 36}, {3.0, 3.0, 3.3});
  std::vector<Affine> truth{Affine::Identity()};
  truth.push_back(rigid_matrix({{8.0, -6.0, 5.0}, {0.10, -0.07, 0.12}}, Eigen::Vector3d::Zero()));
  truth.push_back(rigid_matrix({{-5.0, 9.0, -7.0}, {-0.15, 0.05, 0.1}}, Eigen::Vector3d::Zero()));
  const Series series = phantom::moving_head(grid, truth, kNoise, 6);
  const Outputs out = track(series, first_volume(series));
  EXPECT_EQ(out.n_failed, 0);
  for (const double e : errors(out, truth)) EXPECT_LT(e, 0.1);
}

TEST(HeadMotion, WorksOnASlab) {
  const Grid grid = phantom::scanner_grid({64, 64, 18}, {3.0, 3.0, 3.8});
  Random random(12);
  const auto truth = phantom::random_motion(8, 0.4, 0.4, random);
  const Series series = phantom::moving_head(grid, truth, kNoise, 7);
  const Outputs out = track(series, first_volume(series));
  EXPECT_EQ(out.n_failed, 0);
  EXPECT_LT(median(errors(out, truth)), 0.05);
}

// A run that starts before steady state: gain must not be mistaken for motion.
TEST(HeadMotion, IgnoresGainAndOffset) {
  const Grid grid = phantom::scanner_grid({56, 64, 30}, {3.0, 3.0, 3.5});
  Random random(13);
  const auto truth = phantom::random_motion(5, 0.5, 0.5, random);
  Series series = phantom::moving_head(grid, truth, 0.0, 8);
  const Outputs plain = track(series, first_volume(series));
  const Volume reference = first_volume(series);
  for (int t = 0; t < series.n_volumes; ++t) {
    for (std::size_t v = 0; v < grid.n_voxels(); ++v) {
      series.volume(t)[v] = (2.0F - 0.2F * static_cast<float>(t)) * series.volume(t)[v] + 30.0F;
    }
  }
  const Outputs scaled = track(series, reference);
  for (std::size_t t = 0; t < truth.size(); ++t) {
    EXPECT_LT(rms_displacement_mm(plain.ref_to_volume[t], scaled.ref_to_volume[t],
                                  Eigen::Vector3d::Zero()),
              1e-3);
  }
}

TEST(HeadMotion, OneAndTwoVolumes) {
  const Grid grid = phantom::scanner_grid({40, 48, 24}, {4.0, 4.0, 4.5});
  const auto motion = std::vector<Affine>{
      Affine::Identity(), rigid_matrix({{0.5, -0.3, 0.2}, {0.01, 0, 0}}, Eigen::Vector3d::Zero())};
  const Series one = phantom::moving_head(grid, {motion[0]}, 0.0, 1);
  const Outputs single = track(one, first_volume(one));
  EXPECT_EQ(single.ref_to_volume.size(), 1U);
  EXPECT_NEAR(single.motion.cwiseAbs().maxCoeff(), 0.0, 1e-4);
  EXPECT_TRUE(std::isnan(single.rmsd_mm[0]));
  const Series two = phantom::moving_head(grid, motion, 0.0, 1);
  EXPECT_LT(errors(track(two, first_volume(two)), motion)[0], 0.02);
}

TEST(HeadMotion, SameBitsAtAnyThreadCount) {
  const Grid grid = phantom::scanner_grid({40, 48, 24}, {4.0, 4.0, 4.5});
  Random random(14);
  const auto truth = phantom::random_motion(19, 0.5, 0.5, random);
  const Series series = phantom::moving_head(grid, truth, kNoise, 9);
  const Volume reference = first_volume(series);
  const auto with_threads = [&](int n) {
    tbb::global_control control(tbb::global_control::max_allowed_parallelism,
                                static_cast<std::size_t>(n));
    tbb::task_arena arena(n);
    Outputs out;
    arena.execute([&] { out = track(series, reference); });
    return out;
  };
  const Outputs a = with_threads(1);
  const Outputs b = with_threads(8);
  for (std::size_t t = 0; t < truth.size(); ++t) EXPECT_EQ(a.ref_to_volume[t], b.ref_to_volume[t]);
}

TEST(HeadMotion, AnEmptyVolumeIsFlaggedAndTheOthersAreNot) {
  const Grid grid = phantom::scanner_grid({40, 48, 24}, {4.0, 4.0, 4.5});
  Random random(15);
  Series series =
      phantom::moving_head(grid, phantom::random_motion(4, 0.3, 0.3, random), kNoise, 2);
  std::fill(series.volume(2), series.volume(2) + grid.n_voxels(), 0.0F);
  series.volume(3)[5000] = std::numeric_limits<float>::quiet_NaN();
  const Outputs out = track(series, first_volume(series));
  EXPECT_EQ(out.n_failed, 1);
  EXPECT_EQ(out.converged[2], 0);
  EXPECT_EQ(out.ref_to_volume[2], Affine(Affine::Identity()));
}

// Columns: reference values of fMRIPrep's formulas in numpy/scipy, tests/reference/functional.
TEST(HeadMotion, ColumnsFollowFmriprep) {
  std::ifstream file(std::string(BOLDMILL_SOURCE_DIR) +
                     "/tests/reference/functional/motion_columns.txt");
  ASSERT_TRUE(file.good());
  std::string word;
  const auto matrix = [&] {
    Affine m;
    for (int i = 0; i < 4; ++i) {
      for (int j = 0; j < 4; ++j) file >> m(i, j);
    }
    return m;
  };
  while (file >> word && word[0] == '#') std::getline(file, word);
  ASSERT_EQ(word, "cases");
  int n_cases = 0;
  file >> n_cases;
  ASSERT_EQ(n_cases, 2);
  for (int c = 0; c < n_cases; ++c) {
    Volume reference;
    for (auto& n : reference.grid.shape) file >> n;
    reference.grid.affine = matrix();
    Eigen::Vector3d center;
    file >> center[0] >> center[1] >> center[2];
    reference.data.assign(reference.grid.n_voxels(), 0.0F);
    // Two voxels with equal mass whose middle is the stated centre.
    reference.at(static_cast<int>(center[0] - 1), static_cast<int>(center[1]),
                 static_cast<int>(center[2] + 2)) = 1.0F;
    reference.at(static_cast<int>(center[0] + 1), static_cast<int>(center[1]),
                 static_cast<int>(center[2] - 2)) = 1.0F;
    int n = 0;
    file >> n;
    std::vector<Affine> maps;
    for (int t = 0; t < n; ++t) maps.push_back(matrix());
    const Eigen::MatrixXd motion = motion_table(maps, reference);
    const Eigen::VectorXd rmsd = rmsd_between(maps, reference.grid);
    for (int t = 0; t < n; ++t) {
      for (int p = 0; p < 6; ++p) {
        double expected = 0.0;
        file >> expected;
        EXPECT_NEAR(motion(t, p), expected, 1e-9)
            << "case " << c << " volume " << t << " col " << p;
      }
    }
    for (int t = 1; t < n; ++t) {
      double expected = 0.0;
      file >> expected;
      EXPECT_NEAR(rmsd[t], expected, 1e-9);
    }
  }
}

TEST(HeadMotion, RefusesWhatCannotBeProcessed) {
  const Grid grid = phantom::scanner_grid({20, 20, 10}, {4.0, 4.0, 4.0});
  Series series = phantom::moving_head(grid, {Affine::Identity()}, 0.0, 1);
  const Volume flat(grid, 5.0F);
  EXPECT_THROW((void)run({series, &flat}, {}, {}), Error);
  Grid other = grid;
  other.affine(0, 3) += 1.0;
  const Volume elsewhere(other, 5.0F);
  EXPECT_THROW((void)run({series, &elsewhere}, {}, {}), Error);
  const Volume reference = first_volume(series);
  series.n_volumes = 0;
  EXPECT_THROW((void)run({series, &reference}, {}, {}), Error);
}

} // namespace
} // namespace boldmill::head_motion
