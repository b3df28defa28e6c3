#include "stages/denoise/motion_filter.hpp"

#include <gtest/gtest.h>

#include "stages/denoise/framewise_displacement.hpp"
#include "stages/denoise/test_data.hpp"

namespace boldmill::motion_filter {
namespace {

// The traces of make_orders.py.
Eigen::MatrixXd traces() {
  Eigen::MatrixXd motion(100, 6);
  motion.leftCols(3) = test_data::lcg(300, 11).reshaped<Eigen::RowMajor>(100, 3);
  motion.rightCols(3) = 0.01 * test_data::lcg(300, 12).reshaped<Eigen::RowMajor>(100, 3);
  for (int t = 0; t < 100; ++t) {
    motion(t, 1) += 0.5 * std::sin(2 * std::numbers::pi * t * 0.8 * 15 / 60);
  }
  return motion;
}

Outputs filtered(const Eigen::MatrixXd& motion, const Params& params, double tr_s) {
  return run({{motion.data(), motion.rows(), motion.cols()}, tr_s}, params, {});
}

const Params kNotch{.type = "notch"};

TEST(MotionFilter, AgreesWithScipyAsXcpdCallsIt) {
  const Eigen::MatrixXd motion = traces();
  const Eigen::MatrixXd expected = test_data::reference("motion_filter.tsv");
  Params twice = kNotch;
  twice.order = 8;
  const Params low{.type = "lp", .band_stop_min_bpm = 6.0};
  const std::array<std::pair<Params, double>, 4> cases{
      {{kNotch, 0.8}, {twice, 0.8}, {low, 0.8}, {kNotch, 2.2}}};
  for (std::size_t c = 0; c < cases.size(); ++c) {
    const Outputs out = filtered(motion, cases[c].first, cases[c].second);
    EXPECT_TRUE(out.applied);
    Eigen::MatrixXd two(100, 2);
    two << out.motion.col(1), out.motion.col(4);
    EXPECT_LT(
        test_data::relative_error(two, expected.middleCols(2 * static_cast<Eigen::Index>(c), 2)),
        1e-8) // nine digits
        << c;
    EXPECT_EQ(out.warning.empty(), c != 3) << out.warning;
  }
  const Outputs folded = filtered(motion, kNotch, 2.2); // Nyquist 13.6 breaths per minute
  EXPECT_NEAR(folded.band_stop_max_bpm, std::abs(18 - 60 / 2.2), 1e-12);
  EXPECT_NEAR(folded.band_stop_min_bpm, 12.0, 1e-12);
}

TEST(MotionFilter, TakesOutBreathingAndNothingFarOff) {
  Eigen::MatrixXd motion(500, 2);
  for (int t = 0; t < 500; ++t) {
    motion(t, 0) = std::sin(2 * std::numbers::pi * t * 0.8 * 15 / 60);
    motion(t, 1) = std::sin(2 * std::numbers::pi * t * 0.8 * 2 / 60);
  }
  const Eigen::MatrixXd out = filtered(motion, kNotch, 0.8).motion;
  EXPECT_LT(out.middleRows(100, 300).col(0).cwiseAbs().maxCoeff(), 0.01);
  EXPECT_LT((out - motion).middleRows(100, 300).col(1).cwiseAbs().maxCoeff(), 0.02);
}

TEST(MotionFilter, ReplacesTheTable) {
  const Eigen::MatrixXd motion = traces();
  std::vector<std::string> names{"framewise_displacement", "csf"};
  Eigen::MatrixXd values = Eigen::MatrixXd::Constant(100, 8 + 18, 7.0);
  const char* const kNames[] = {"trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z"};
  values.middleCols(2, 6) = motion;
  for (const char* name : kNames) names.emplace_back(name);
  for (const char* suffix : {"_derivative1", "_power2", "_derivative1_power2"}) {
    for (const char* name : kNames) names.push_back(std::string(name) + suffix);
  }
  const Outputs out = filter_table(names, values, 0.8, 50.0, kNotch, {});
  EXPECT_EQ(values.middleCols(2, 6), out.motion);
  EXPECT_TRUE(std::isnan(values(0, 0)) && std::isnan(values(0, 8)));
  EXPECT_LT(test_data::relative_error(values.col(0).tail(99),
                                      test_data::reference("motion_filter_fd.tsv")),
            1e-7);
  EXPECT_DOUBLE_EQ(values(7, 9), out.motion(7, 1) - out.motion(6, 1));
  EXPECT_DOUBLE_EQ(values(7, 14), out.motion(7, 0) * out.motion(7, 0));
  EXPECT_DOUBLE_EQ(values(7, 25), std::pow(out.motion(7, 5) - out.motion(6, 5), 2));
  EXPECT_EQ(values(3, 1), 7.0);
  const Eigen::MatrixXd before = values;
  (void)filter_table(names, values, 0.8, 50.0, Params{}, {});  // none
  EXPECT_TRUE(values.bottomRows(99) == before.bottomRows(99)); // the first row is missing
  names[2] = "x";
  EXPECT_THROW((void)filter_table(names, values, 0.8, 50.0, kNotch, {}), Error);
}

TEST(MotionFilter, SaysWhenSamplingLeavesNothing) {
  const Eigen::MatrixXd motion = traces();
  const Outputs out = filtered(motion, kNotch, 2.0); // 18 folds onto 12 at 15
  EXPECT_FALSE(out.applied);
  EXPECT_EQ(out.motion, motion);
  EXPECT_NE(out.warning.find("nothing is left"), std::string::npos) << out.warning;
}

TEST(MotionFilter, RefusesWhatDoesNotFit) {
  Eigen::MatrixXd motion = traces();
  Params params = kNotch;
  params.band_stop_min_bpm = 20.0;
  EXPECT_THROW((void)filtered(motion, params, 0.8), Error);
  params = kNotch;
  params.order = 2;
  EXPECT_THROW((void)filtered(motion, params, 0.8), Error);
  EXPECT_THROW((void)filtered(motion, kNotch, 0.0), Error);
  EXPECT_THROW((void)filtered(motion.topRows(1), kNotch, 0.8), Error);
  motion(4, 2) = NAN;
  EXPECT_THROW((void)filtered(motion, kNotch, 0.8), Error);
}

TEST(MotionFilter, RadiusOfAHeadFromItsMask) {
  Grid grid;
  grid.shape = {40, 40, 40};
  grid.affine.diagonal() << 4, -4, 4, 1;
  Mask ball(grid);
  for (std::size_t v = 0; v < ball.data.size(); ++v) {
    const auto [i, j, k] = grid.coordinates(v);
    ball.data[v] = std::hypot(i - 20, j - 20, k - 20) <= 15.0 ? 1 : 0;
  }
  EXPECT_NEAR(framewise_displacement::brain_radius_mm(ball), 60.0, 0.3);
}

} // namespace
} // namespace boldmill::motion_filter
