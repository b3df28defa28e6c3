#include "stages/denoise/dvars.hpp"

#include <gtest/gtest.h>
#include <tbb/global_control.h>
#include <tbb/task_arena.h>

#include "stages/core/random.hpp"
#include "stages/denoise/kernels/exact_median.hpp"
#include "stages/denoise/test_data.hpp"

namespace boldmill::dvars {
namespace {

Outputs of(const Series& series, const Mask& mask) {
  return run({.bold = &series, .mask = &mask}, Params{}, Context{});
}

TEST(Dvars, AgreesWithNipype) {
  const Series series = test_data::small_series();
  const Outputs out = of(series, Mask(series.grid, 1));
  const Eigen::MatrixXd expected = test_data::reference("dvars.tsv");
  EXPECT_EQ(out.n_voxels_used, 34U); // the constant voxel is left out
  EXPECT_TRUE(std::isnan(out.dvars[0]) && std::isnan(out.std_dvars[0]));
  // nipype works in float32
  EXPECT_LT(test_data::relative_error(out.dvars.tail(59), expected.col(0)), 2e-5);
  EXPECT_LT(test_data::relative_error(out.std_dvars.tail(59), expected.col(1)), 2e-5);
}

TEST(Dvars, DoesNotDependOnTheUnitOfTheImage) {
  Series series = test_data::small_series();
  const Mask mask(series.grid, 1);
  const Outputs before = of(series, mask);
  for (float& value : series.data) value *= 4.0F;
  const Outputs after = of(series, mask);
  EXPECT_EQ(before.dvars.tail(59), after.dvars.tail(59));
  EXPECT_EQ(before.std_dvars.tail(59), after.std_dvars.tail(59));
}

TEST(Dvars, LeavesOutVoxelsWithMissingValuesAndOutsideTheMask) {
  Series series = test_data::small_series();
  Mask mask(series.grid, 1);
  mask.data[3] = 0;
  const Outputs masked = of(series, mask);
  mask.data[3] = 1;
  series.volume(7)[3] = NAN;
  const Outputs missing = of(series, mask);
  EXPECT_EQ(masked.n_voxels_used, 33U);
  EXPECT_EQ(masked.dvars.tail(59), missing.dvars.tail(59));
}

TEST(Dvars, StandardisesWhiteNoiseToOne) {
  Series series;
  series.grid.shape = {20, 20, 20};
  series.n_volumes = 100;
  series.data.resize(series.grid.n_voxels() * 100);
  Random random(3);
  for (float& value : series.data) value = static_cast<float>(1000 + 10 * random.normal());
  const Outputs out = of(series, Mask(series.grid, 1));
  EXPECT_NEAR(out.dvars.tail(99).mean(), 10 * std::sqrt(2.0), 0.05);
  EXPECT_NEAR(out.std_dvars.tail(99).mean(), 1.0, 0.015);
}

TEST(Dvars, SameBitsAtAnyThreadCount) {
  Series series;
  series.grid.shape = {30, 30, 10};
  series.n_volumes = 12;
  series.data.resize(series.grid.n_voxels() * 12);
  Random random(4);
  for (float& value : series.data) value = static_cast<float>(100 + random.normal());
  const Mask mask(series.grid, 1);
  const auto with_threads = [&](int n) {
    const tbb::global_control control(tbb::global_control::max_allowed_parallelism, 8);
    tbb::task_arena arena(n);
    return arena.execute([&] { return of(series, mask); });
  };
  EXPECT_EQ(with_threads(1).std_dvars.tail(11), with_threads(8).std_dvars.tail(11));
}

TEST(Dvars, RefusesWhatHasNoAnswer) {
  const Series series = test_data::small_series();
  EXPECT_THROW((void)of(series, Mask(series.grid, 0)), Error);
  Grid other = series.grid;
  other.affine(0, 3) = 4.0;
  EXPECT_THROW((void)of(series, Mask(other, 1)), Error);
  Series constant = series;
  std::fill(constant.data.begin(), constant.data.end(), 3.0F);
  EXPECT_THROW((void)of(constant, Mask(series.grid, 1)), Error);
  std::fill(constant.data.begin(), constant.data.end(), -3.0F);
  EXPECT_THROW((void)of(constant, Mask(series.grid, 1)), Error);
  constant.n_volumes = 2;
  EXPECT_THROW((void)of(constant, Mask(series.grid, 1)), Error);
}

TEST(ExactMedian, FindsTheMiddleOfAnyFloats) {
  for (const std::vector<float>& values :
       {std::vector<float>{3, -1, 2}, {4, 1, 3, 2}, {-0.0F, 0.0F, -5e-39F, 1e30F, -1e30F}, {7}}) {
    std::vector<double> copy(values.begin(), values.end());
    std::sort(copy.begin(), copy.end());
    const std::size_t n = copy.size();
    const double expected = 0.5 * (copy[(n - 1) / 2] + copy[n / 2]);
    const double found = exact_median(n, [&](auto&& take) {
      for (const float value : values) take(value);
    });
    EXPECT_EQ(found, expected);
  }
}

} // namespace
} // namespace boldmill::dvars
