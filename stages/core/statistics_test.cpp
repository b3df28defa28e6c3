#include "stages/core/statistics.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace boldmill {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

TEST(Statistics, IgnoreMissingValues) {
  const std::vector<double> values{1.0, kNaN, 2.0, 6.0};
  EXPECT_DOUBLE_EQ(mean(values), 3.0);
  EXPECT_DOUBLE_EQ(standard_deviation(values), std::sqrt(7.0));
  EXPECT_DOUBLE_EQ(median(values), 2.0);
  EXPECT_DOUBLE_EQ(median_absolute_deviation(values), 1.0);
  EXPECT_TRUE(std::isnan(mean(std::vector<double>{kNaN})));
  EXPECT_TRUE(std::isnan(standard_deviation(std::vector<double>{4.0})));
}

TEST(Statistics, QuantileInterpolatesBetweenOrderStatistics) {
  // numpy.quantile([7, 1, 3, 10], [0, .25, .5, .9, 1]) = 1, 2.5, 5, 9.1, 10
  const std::vector<double> values{7, 1, 3, 10};
  EXPECT_DOUBLE_EQ(quantile(values, 0.0), 1.0);
  EXPECT_DOUBLE_EQ(quantile(values, 0.25), 2.5);
  EXPECT_DOUBLE_EQ(quantile(values, 0.5), 5.0);
  EXPECT_DOUBLE_EQ(quantile(values, 0.9), 9.1);
  EXPECT_DOUBLE_EQ(quantile(values, 1.0), 10.0);
}

TEST(Statistics, PearsonOfKnownPairs) {
  EXPECT_DOUBLE_EQ(pearson(std::vector<double>{1, 2, 3}, std::vector<double>{2, 4, 6}), 1.0);
  EXPECT_NEAR(pearson(std::vector<double>{1, 2, 3, 4}, std::vector<double>{1, 3, 2, 4}), 0.8,
              1e-15);
  EXPECT_TRUE(std::isnan(pearson(std::vector<double>{1, 1, 1}, std::vector<double>{1, 2, 3})));
}

} // namespace
} // namespace boldmill
