#include "stages/core/random.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

namespace boldmill {
namespace {

TEST(Random, StreamsAreReproducibleAndDistinct) {
  EXPECT_EQ(Random(stream_seed(1, "motion", "sub-01")).bits(),
            Random(stream_seed(1, "motion", "sub-01")).bits());
  EXPECT_NE(stream_seed(1, "motion", "sub-01"), stream_seed(1, "motion", "sub-02"));
  EXPECT_NE(stream_seed(1, "motion", "sub-01"), stream_seed(2, "motion", "sub-01"));
  EXPECT_NE(stream_seed(1, "ab", "c"), stream_seed(1, "a", "bc"));
}

TEST(Random, NormalHasTheRightMoments) {
  Random random(7);
  constexpr int kN = 200000;
  double sum = 0.0;
  double squares = 0.0;
  double fourth = 0.0;
  for (int i = 0; i < kN; ++i) {
    const double x = random.normal();
    sum += x;
    squares += x * x;
    fourth += x * x * x * x;
  }
  EXPECT_NEAR(sum / kN, 0.0, 4.0 / std::sqrt(kN)); // 4 standard errors
  EXPECT_NEAR(squares / kN, 1.0, 4.0 * std::sqrt(2.0 / kN));
  EXPECT_NEAR(fourth / kN, 3.0, 4.0 * std::sqrt(96.0 / kN));
}

TEST(Random, PermutationHoldsEveryIndexOnce) {
  auto order = Random(5).permutation(101);
  std::sort(order.begin(), order.end());
  for (std::size_t i = 0; i < order.size(); ++i) EXPECT_EQ(order[i], i);
}

} // namespace
} // namespace boldmill
