#include "stages/denoise/carpet.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "stages/denoise/test_data.hpp"

namespace boldmill::carpet {
namespace {

TEST(Carpet, RowsComeByTissueEvenlySpaced) {
  const std::vector<std::int32_t> tissue{2, 0, 1, 2, 1, 3, 2, 1};
  EXPECT_EQ(chosen_rows(tissue, 100), (std::vector<std::size_t>{2, 4, 7, 0, 3, 6, 5}));
  std::vector<std::int32_t> many(1000, 7);
  std::fill_n(many.begin(), 250, 9);
  const auto rows = chosen_rows(many, 100);
  EXPECT_EQ(rows.size(), 100U);
  EXPECT_EQ(std::count_if(rows.begin(), rows.end(), [&](auto r) { return many[r] == 9; }), 25);
  EXPECT_TRUE(std::is_sorted(rows.begin(), rows.begin() + 75));
}

// Against the residual of an explicit least-squares line.
TEST(Carpet, BytesAreStandardScoresWithoutTrend) {
  Eigen::MatrixXf y(60, 3);
  const Eigen::VectorXd noise = test_data::lcg(60, 4);
  for (int t = 0; t < 60; ++t) y(t, 0) = static_cast<float>(500 + 3 * t + 20 * noise[t]);
  y.col(1).setConstant(812.4F);
  y.col(2) = y.col(0);
  y(10, 2) = y(11, 2) = NAN;
  const auto z = bytes_of(y, {});
  Eigen::MatrixXd line(60, 2);
  line << Eigen::VectorXd::Ones(60), Eigen::VectorXd::LinSpaced(60, 0, 59);
  const auto expected = [&](const std::vector<Eigen::Index>& rows) {
    const Eigen::MatrixXd x = line(rows, Eigen::all);
    const Eigen::VectorXd v = y.col(0)(rows).cast<double>();
    const Eigen::VectorXd left = v - x * x.colPivHouseholderQr().solve(v);
    return Eigen::VectorXd(left /
                           std::sqrt(left.squaredNorm() / (static_cast<double>(rows.size()) - 1)));
  };
  std::vector<Eigen::Index> all, some;
  for (Eigen::Index t = 0; t < 60; ++t) {
    all.push_back(t);
    if (t != 10 && t != 11) some.push_back(t);
  }
  const Eigen::VectorXd whole = expected(all), gaps = expected(some);
  for (Eigen::Index t = 0; t < 60; ++t) {
    EXPECT_NEAR(z(0, t), 40 * whole[t], 0.501);
    EXPECT_EQ(z(1, t), kMissing);
  }
  for (std::size_t i = 0; i < some.size(); ++i) {
    EXPECT_NEAR(z(2, some[i]), 40 * gaps[static_cast<Eigen::Index>(i)], 0.501);
  }
  EXPECT_EQ(z(2, 10), kMissing);
}

TEST(Carpet, LongRunsAreAveraged) {
  Eigen::MatrixXf y(7, 1);
  y << 1, 5, 2, 8, 3, 9, 4;
  const auto one = bytes_of(y, {});
  const auto z = bytes_of(y, {.max_columns = 3}); // 3 + 3 + 1 volumes
  ASSERT_EQ(z.cols(), 3);
  EXPECT_NEAR(z(0, 0), (one(0, 0) + one(0, 1) + one(0, 2)) / 3.0, 1.0);
  EXPECT_EQ(z(0, 2), one(0, 6));
  EXPECT_EQ(bytes_of(Eigen::MatrixXf::Constant(1, 1, 3.0F), {})(0, 0), kMissing); // one volume
}

TEST(Carpet, OfASeries) {
  Series bold = test_data::small_series();
  LabelImage tissue(bold.grid, 0);
  for (std::size_t v = 0; v < 35; ++v) tissue.data[v] = v < 5 ? 0 : static_cast<int>(3 - v % 3);
  const Outputs out = run({&bold, &tissue}, {.max_rows = 12}, {});
  EXPECT_EQ(out.z.rows(), 12);
  EXPECT_EQ(out.z.cols(), 60);
  EXPECT_TRUE(std::is_sorted(out.row_tissue.begin(), out.row_tissue.end()));
  for (std::size_t r = 0; r < 12; ++r) EXPECT_EQ(tissue.data[out.row_voxel[r]], out.row_tissue[r]);
  EXPECT_EQ(out.volumes_per_column, 1);
  const LabelImage none(bold.grid, 0);
  EXPECT_THROW((void)run({&bold, &none}, {}, {}), Error);
  Grid grid;
  const LabelImage other(grid);
  EXPECT_THROW((void)run({&bold, &other}, {}, {}), Error);
}

} // namespace
} // namespace boldmill::carpet
