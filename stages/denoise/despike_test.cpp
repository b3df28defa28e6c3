#include "stages/denoise/despike.hpp"

#include <gtest/gtest.h>
#include <tbb/global_control.h>
#include <tbb/task_arena.h>

#include "stages/denoise/test_data.hpp"

namespace boldmill::despike {
namespace {

// The voxels of make_orders.py.
Eigen::MatrixXf voxels() {
  Eigen::MatrixXf out(75, 4);
  for (int v = 0; v < 4; ++v) {
    const Eigen::VectorXd noise = test_data::lcg(75, 50 + static_cast<std::uint64_t>(v));
    Eigen::VectorXd y(75);
    for (int t = 0; t < 75; ++t) {
      y[t] = 400 + 30 * test_data::wave(t, 37) + 8 * (noise[t] - 0.5);
    }
    if (v == 0) y[10] += 60, y[11] -= 45;
    if (v == 1) y[0] += 50, y[74] += 35;
    if (v == 2) y[30] += 200, y[31] += 190, y[32] += 210, y[50] -= 12;
    out.col(v) = y.cast<float>();
  }
  return out;
}

Outputs despiked(const Eigen::MatrixXf& y, const Params& params = {}, int n_dummy = 0) {
  return run({{y.data(), y.rows(), y.cols()}, n_dummy}, params, {});
}

TEST(Despike, AgreesWithTheDefinitionInNumpy) {
  const Eigen::MatrixXf y = voxels();
  const Outputs out = despiked(y);
  EXPECT_LT(
      test_data::relative_error(out.despiked.cast<double>(), test_data::reference("despike.tsv")),
      2e-7); // float32
  EXPECT_EQ(out.counts.n_edits, 14U);
  EXPECT_EQ(out.despiked.col(3), y.col(3)); // nothing to edit
  EXPECT_GT(out.counts.n_large, 5U);
  EXPECT_EQ(out.counts.volume[31], 1U);
}

TEST(Despike, ScaleAndShiftGoThrough) {
  const Eigen::MatrixXf y = voxels();
  const Eigen::MatrixXf out = despiked(y).despiked;
  const Eigen::MatrixXf moved = (y.array() * 8.0F + 1024.0F).matrix();
  const Eigen::MatrixXf back = ((despiked(moved).despiked.array() - 1024.0F) / 8.0F).matrix();
  EXPECT_LT((back - out).cwiseAbs().maxCoeff(), 1e-3F);
}

TEST(Despike, DummiesConstantAndMissingColumnsStay) {
  Eigen::MatrixXf y(78, 4);
  y.topRows(3).setConstant(9e4F);
  y.bottomRows(75) = voxels();
  const Outputs out = despiked(y, {}, 3);
  EXPECT_EQ(out.despiked.topRows(3), y.topRows(3));
  EXPECT_EQ(out.despiked.bottomRows(75), despiked(voxels()).despiked);
  EXPECT_EQ(out.counts.volume[34], 1U);
  y.col(1).setConstant(3.0F);
  y(20, 2) = NAN;
  const Eigen::MatrixXf again = despiked(y, {}, 3).despiked;
  EXPECT_EQ(again.col(1), y.col(1));
  EXPECT_EQ(again.col(2).head(20), y.col(2).head(20));
  EXPECT_EQ(again(33, 2), y(33, 2));
}

TEST(Despike, NothingExceedsTheLimit) {
  const Eigen::MatrixXf out = despiked(voxels()).despiked;
  const Eigen::MatrixXf twice = despiked(out).despiked;
  EXPECT_LT((twice - out).cwiseAbs().maxCoeff(), 20.0F); // 200 before
}

TEST(Despike, SameBitsAtAnyThreadCount) {
  Eigen::MatrixXf many(75, 400);
  for (Eigen::Index c = 0; c < 400; ++c)
    many.col(c) = voxels().col(c % 4).array() + 0.01F * static_cast<float>(c);
  const tbb::global_control control(tbb::global_control::max_allowed_parallelism, 8);
  tbb::task_arena one(1), eight(8);
  EXPECT_EQ(one.execute([&] { return despiked(many).despiked; }),
            eight.execute([&] { return despiked(many).despiked; }));
}

TEST(Despike, RefusesWhatDoesNotFit) {
  const Eigen::MatrixXf y = voxels();
  EXPECT_THROW((void)despiked(y.topRows(14)), Error);
  EXPECT_THROW((void)despiked(y, {.curve_order = 20}), Error);
  EXPECT_THROW((void)despiked(y, {.cut_start = 3.0, .cut_limit = 3.2}), Error);
}

} // namespace
} // namespace boldmill::despike
