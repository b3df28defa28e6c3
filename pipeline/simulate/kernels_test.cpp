#include <gtest/gtest.h>

#include <cmath>
#include <numbers>
#include <numeric>

#include "pipeline/simulate/motion.hpp"
#include "pipeline/simulate/phantom.hpp"
#include "pipeline/simulate/sampling.hpp"
#include "pipeline/simulate/scanner.hpp"
#include "pipeline/simulate/shape.hpp"
#include "pipeline/simulate/signals.hpp"
#include "pipeline/simulate/tasks.hpp"
#include "stages/core/statistics.hpp"

namespace boldmill::simulate {
namespace {

TEST(Lanczos, KeepsConstantsAndWaves) {
  const std::array<int, 3> shape{24, 20, 18};
  std::vector<float> constant(24 * 20 * 18, 3.5F);
  std::vector<float> wave(constant.size());
  const auto value = [](double x, double y, double z) { // eight samples per period
    return std::cos(2.0 * std::numbers::pi * (x + 0.5 * y - 0.3 * z) / 8.0);
  };
  for (int k = 0; k < 18; ++k) {
    for (int j = 0; j < 20; ++j) {
      for (int i = 0; i < 24; ++i) {
        wave[static_cast<std::size_t>((k * 20 + j) * 24 + i)] = static_cast<float>(value(i, j, k));
      }
    }
  }
  double worst = 0.0;
  for (double s = 0.0; s < 5.0; s += 0.173) {
    const double x = 6.0 + s;
    const double y = 7.0 + 0.7 * s;
    const double z = 6.0 + 0.9 * s;
    EXPECT_NEAR(sample_lanczos(constant.data(), shape, x, y, z), 3.5, 1e-5);
    worst =
        std::max(worst, std::abs(static_cast<double>(sample_lanczos(wave.data(), shape, x, y, z)) -
                                 value(x, y, z)));
  }
  EXPECT_LT(worst, 0.02); // a trilinear kernel errs by 0.15 here
  EXPECT_EQ(sample_lanczos(constant.data(), shape, 1.5, 8.0, 8.0), 0.0F);
}

TEST(Hrf, AgreesWithScipy) {
  // scipy 1.10.1: h = gamma.pdf(t, 6) - gamma.pdf(t, 16) / 6 on arange(0, 32.0625, 0.125),
  // divided by h.sum() * 0.125
  const std::vector<double> h = hrf_samples({});
  const auto at = [&h](double t) { return h[static_cast<std::size_t>(t / kSignalStep_s)]; };
  EXPECT_NEAR(std::accumulate(h.begin(), h.end(), 0.0) * kSignalStep_s, 1.0, 1e-12);
  EXPECT_NEAR(at(2.0), 0.043301770807, 1e-8);
  EXPECT_NEAR(at(5.0), 0.210502564429, 1e-8);
  EXPECT_NEAR(at(10.0), 0.038451414901, 1e-8);
  EXPECT_NEAR(at(16.0), -0.018661110986, 1e-8);
}

TEST(Signals, HaveTheDeclaredSpreadAndCorrelation) {
  SourceModel model;
  model.correlation = Eigen::MatrixXd::Identity(kSources, kSources);
  model.correlation(0, 1) = model.correlation(1, 0) = 0.6;
  model.activation = Eigen::MatrixXd::Zero(kSources, 0);
  model.fluctuation_percent = 1.5;
  Random random(3);
  const double duration_s = 1500.0;
  const SourceSignals signals =
      make_signals(model, {.task = "rest", .conditions = {}, .events = {}}, duration_s, random);
  const Eigen::MatrixXd x = signals.fluctuation.cast<double>();
  double power = 0.0;
  for (Eigen::Index s = 0; s < kSources; ++s) power += x.col(s).squaredNorm() / kSources;
  // 24 signals of about 2 * 0.1 Hz * 1500 s independent values: 1 % error of the SD
  EXPECT_NEAR(std::sqrt(power / static_cast<double>(x.rows())), 1.5, 0.06);
  const auto correlation = [&x](Eigen::Index a, Eigen::Index b) {
    return x.col(a).dot(x.col(b)) / (x.col(a).norm() * x.col(b).norm());
  };
  EXPECT_NEAR(correlation(0, 1), 0.6, 0.14); // 3 standard errors
  EXPECT_NEAR(correlation(2, 3), 0.0, 0.2);
  EXPECT_TRUE(signals.bold.isApprox(signals.fluctuation)); // nothing else happens at rest
}

TEST(Signals, LongBlockReachesItsAmplitudeAndInteractionsFollowTheHub) {
  Design design{.task = "conscious", .conditions = {"fear", "neutral"}, .events = {}};
  design.events.push_back({.onset_s = 20.0, .duration_s = 60.0, .condition = 0});
  SourceModel model;
  model.correlation = Eigen::MatrixXd::Identity(kSources, kSources);
  model.activation = Eigen::MatrixXd::Zero(kSources, 2);
  model.activation(5, 0) = 0.8;
  model.interactions.push_back({.hub = 7, .target = 9, .conditions = {0}, .strength = 0.5});
  Random random(4);
  const SourceSignals signals = make_signals(model, design, 200.0, random);
  const auto row = [&](double time_s) {
    return static_cast<Eigen::Index>((time_s - signals.start_s) / kSignalStep_s);
  };
  const Eigen::MatrixXf extra = signals.bold - signals.fluctuation;
  EXPECT_NEAR(extra(row(70.0), 5), 0.8, 1e-4); // 50 s into the block the response is settled
  EXPECT_NEAR(extra(row(10.0), 5), 0.0, 1e-6);
  EXPECT_NEAR(extra(row(150.0), 5), 0.0, 1e-4);
  EXPECT_NEAR(extra.col(6).cwiseAbs().maxCoeff(), 0.0, 1e-6);
  // Deep inside the block the added coupling is strength times the hub's own response.
  EXPECT_NEAR(extra(row(70.0), 9), 0.5 * signals.fluctuation(row(70.0), 7), 1e-3);
  EXPECT_NEAR(extra(row(10.0), 9), 0.0, 1e-6);
}

TEST(Tasks, GoNoGoFollowsItsRules) {
  Random random(5);
  const Design design = make_design("gonogo", 4.0, 304.0, random);
  ASSERT_EQ(design.events.size(), 240U);
  int nogo = 0;
  int in_a_row = 0;
  for (std::size_t e = 0; e < design.events.size(); ++e) {
    const Event& event = design.events[e];
    EXPECT_DOUBLE_EQ(event.onset_s, 4.0 + 1.25 * static_cast<double>(e));
    EXPECT_DOUBLE_EQ(event.duration_s, 0.5);
    in_a_row = event.condition == 1 ? in_a_row + 1 : 0;
    EXPECT_LE(in_a_row, 3);
    nogo += event.condition;
  }
  EXPECT_NEAR(nogo, 60, 2);
}

TEST(Tasks, FacesShowEveryEmotionFiveTimesAndNeverTwiceInARow) {
  Random random(6);
  const Design design = make_design("conscious", 0.0, 300.0, random);
  ASSERT_EQ(design.events.size(), 30U);
  std::array<int, 6> shown{};
  for (std::size_t e = 0; e < 30; ++e) {
    ++shown[static_cast<std::size_t>(design.events[e].condition)];
    if (e > 0) {
      EXPECT_NE(design.events[e].condition, design.events[e - 1].condition);
    }
  }
  for (const int n : shown) EXPECT_EQ(n, 5);
  EXPECT_TRUE(make_design("rest", 0.0, 300.0, random).events.empty());
  EXPECT_TRUE(make_design("conscious", 0.0, 9.0, random).events.empty());
}

TEST(InvertShift, MatchesClosedForms) {
  const std::array<int, 3> shape{3, 40, 2};
  std::vector<float> shift(3 * 40 * 2, 1.75F);
  const Warp constant = invert_shift(shift, shape, {});
  EXPECT_NEAR(constant.shift_and_factor[2 * (3 * 20 + 1)], 1.75, 1e-4);
  EXPECT_NEAR(constant.shift_and_factor[2 * (3 * 20 + 1) + 1], 1.0, 1e-4);
  for (int k = 0; k < 2; ++k) {
    for (int j = 0; j < 40; ++j) {
      for (int i = 0; i < 3; ++i) {
        shift[static_cast<std::size_t>((k * 40 + j) * 3 + i)] = static_cast<float>(0.25 * (j - 20));
      }
    }
  }
  // x = y + 0.25 (y - 20): y = (x + 5) / 1.25, and the intensity falls by 1.25
  const Warp linear = invert_shift(shift, shape, {});
  const std::size_t at = 2 * (40 * 3 + 24 * 3 + 2);
  EXPECT_NEAR(linear.shift_and_factor[at], 24.0 - 29.0 / 1.25, 1e-3);
  EXPECT_NEAR(linear.shift_and_factor[at + 1], 0.8, 1e-3);
}

TEST(FineGrid, CoversTheAcquisitionVoxels) {
  const Grid bold =
      make_grid({.codes = "LAS", .shape = {20, 22, 10}, .spacing_mm = {4, 4, 5}, .tilt_rad = 0.2},
                {3.0, -5.0, 7.0});
  EXPECT_TRUE((bold.center_mm() - Eigen::Vector3d(3.0, -5.0, 7.0)).norm() < 1e-9);
  EXPECT_TRUE(bold.left_handed());
  EXPECT_EQ(bold.orientation(), "LAS");
  const Grid fine = fine_grid(bold);
  EXPECT_TRUE((fine.center_mm() - bold.center_mm()).norm() < 1e-9);
  const Eigen::Vector3d a = fine.to_mm(Eigen::Vector3d::Constant(kFineMargin + 0.5));
  EXPECT_LT((a - bold.to_mm(Eigen::Vector3d::Zero())).norm(), 1e-9);
}

TEST(Shape, WarpHasNoFoldsAndAnInverse) {
  Anatomy anatomy;
  anatomy.grid = regular_grid_over(
      make_grid({.codes = "RAS", .shape = {60, 70, 60}, .spacing_mm = {3, 3, 3}}, {0, -18, 18}),
      3.0);
  Random random(8);
  const Shape shape = draw_shape(anatomy, {}, random, {});
  EXPECT_GE(shape.min_jacobian, 0.3);
  for (const Eigen::Vector3d& point :
       {Eigen::Vector3d(0, 0, 0), Eigen::Vector3d(-50, -70, 30), Eigen::Vector3d(40, 30, -20)}) {
    const Eigen::Vector3d person = shape.anatomy_to_person(point);
    EXPECT_LT((shape.person_to_anatomy()(person) - point).norm(), 1e-3);
    EXPECT_GT((person - point).norm(), 0.01); // it does something
  }
}

TEST(Motion, NoneIsStillAndLevelsAreOrdered) {
  const auto mean_step = [](std::string_view level) {
    Random random(9);
    const Trajectory path(motion_level(level, 1.0), 400.0, 0.27, random);
    double sum = 0.0;
    for (int t = 1; t < 200; ++t) {
      sum += (path.at(2.0 * t).translation_mm - path.at(2.0 * (t - 1)).translation_mm).norm();
    }
    return sum / 199.0;
  };
  EXPECT_EQ(mean_step("none"), 0.0);
  EXPECT_LT(mean_step("low"), mean_step("typical"));
  EXPECT_LT(mean_step("typical"), mean_step("high"));
  EXPECT_NEAR(mean_step("typical"), 0.08, 0.05); // mm per volume, as in cooperative adults
}

} // namespace
} // namespace boldmill::simulate
