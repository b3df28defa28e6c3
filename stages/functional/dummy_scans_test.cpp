#include "stages/functional/dummy_scans.hpp"

#include <gtest/gtest.h>

#include <limits>

#include "stages/core/error.hpp"

namespace boldmill::dummy_scans {
namespace {

// Expected counts: nipype's is_outlier rule worked by hand: median 100, MAD 1, threshold
// 0.6745 |x - 100| / 1 > 3.5, i.e. |x - 100| > 5.19.
TEST(DummyScans, CountsLeadingOutliersOnly) {
  const std::vector<double> steady{99, 101, 100, 100, 99, 100, 101, 100, 100, 101, 99};
  EXPECT_EQ(leading_outliers(steady, 3.5), 0);
  std::vector<double> run{180, 120, 105.3};
  run.insert(run.end(), steady.begin(), steady.end());
  run.push_back(300.0);
  EXPECT_EQ(leading_outliers(run, 3.5), 3);
  run[2] = 105.1;
  EXPECT_EQ(leading_outliers(run, 3.5), 2);
}

TEST(DummyScans, ConstantAndMissingSeriesHaveNone) {
  EXPECT_EQ(leading_outliers(std::vector<double>{5, 5, 5, 5}, 3.5), 0);
  EXPECT_EQ(leading_outliers(std::vector<double>{9, 5, 5, 5}, 3.5), 0);
  const double nan = std::numeric_limits<double>::quiet_NaN();
  EXPECT_EQ(leading_outliers(std::vector<double>{nan, nan}, 3.5), 0);
}

Series decaying(int n_volumes, double first) {
  Series series;
  series.grid.shape = {6, 5, 4};
  series.n_volumes = n_volumes;
  series.data.resize(120 * static_cast<std::size_t>(n_volumes));
  for (int t = 0; t < n_volumes; ++t) {
    const double level = 1000.0 + 2.0 * (t % 3) + first * std::pow(0.1, t);
    for (std::size_t v = 0; v < 120; ++v) {
      series.volume(t)[v] = static_cast<float>(level + static_cast<double>(v));
    }
  }
  return series;
}

TEST(DummyScans, FindsTheApproachToSteadyState) {
  const Series series = decaying(50, 800.0);
  const Outputs out = run({series}, {}, {});
  EXPECT_EQ(out.n_dummies, 2); // 800, 80 stand out; 8 does not (2 units of MAD, threshold 5.19)
  EXPECT_EQ(out.mean_signal.size(), 40);
  const Series steady = decaying(50, 0.0);
  EXPECT_EQ(run({steady}, {}, {}).n_dummies, 0);
}

TEST(DummyScans, ScaleDoesNotMatter) {
  Series series = decaying(30, 800.0);
  for (float& v : series.data) v *= 0.001F;
  EXPECT_EQ(run({series}, {}, {}).n_dummies, 2);
}

TEST(DummyScans, OneVolumeAndNonFiniteVoxels) {
  Series series = decaying(1, 0.0);
  EXPECT_EQ(run({series}, {}, {}).n_dummies, 0);
  series = decaying(10, 800.0);
  series.volume(3)[7] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_EQ(run({series}, {}, {}).n_dummies, 2);
  series.n_volumes = 0;
  EXPECT_THROW((void)run({series}, {}, {}), Error);
}

} // namespace
} // namespace boldmill::dummy_scans
