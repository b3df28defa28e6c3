// Parts of the published chain beside R and ranger (tests/reference/cohort/published.R).
#include <gtest/gtest.h>
#include <tbb/global_control.h>

#include <cmath>
#include <numeric>

#include "stages/cohort/kernels/forest_imputation.hpp"
#include "stages/cohort/kernels/stability.hpp"
#include "stages/cohort/test_data.hpp"
#include "stages/core/random.hpp"

namespace boldmill::cohort {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr Eigen::Index kPeople = 60, kMeasures = 8;

std::vector<std::vector<double>> reference(const std::string& wanted) {
  return test_data::reference_lines("published.tsv", wanted);
}

Eigen::MatrixXd table() {
  Eigen::MatrixXd x(kPeople, kMeasures);
  for (Eigen::Index r = 0; r < kPeople; ++r) {
    for (Eigen::Index c = 0; c < kMeasures; ++c) {
      const auto i = static_cast<double>(r + 1), j = static_cast<double>(c + 1);
      x(r, c) = std::sin(1.7 * i + 2.3 * j + 0.11 * i * j) +
                0.8 * std::cos(0.9 * i * static_cast<double>((c + 1) % 3));
    }
  }
  return x;
}

void expect_split(const std::string& name, const std::vector<Eigen::Index>& first, int k) {
  const Eigen::MatrixXd x = table();
  const Eigen::MatrixXd units = unit_rows(x);
  const Cuts none;
  const Clustered full{x, units, none, {2, k}};
  std::vector<Eigen::Index> second;
  for (Eigen::Index i = 0; i < kPeople; ++i) {
    if (std::find(first.begin(), first.end(), i) == first.end()) second.push_back(i);
  }
  const auto found = profile_agreement(full, first, second, k);
  const auto expected = reference(name);
  ASSERT_EQ(found.size(), expected.size());
  for (std::size_t c = 0; c < found.size(); ++c) {
    EXPECT_EQ(found[c].n_training, expected[c][1]) << name << c;
    EXPECT_EQ(found[c].n_test, expected[c][2]) << name << c;
    EXPECT_NEAR(found[c].r, expected[c][3], 1e-10) << name << c;
    EXPECT_NEAR(found[c].p_value, expected[c][4], 1e-10) << name << c;
  }
}

TEST(PublishedChain, SplitsAgreeWithR) {
  std::vector<Eigen::Index> odd, thirds;
  for (Eigen::Index i = 0; i < kPeople; ++i) {
    if (i % 2 == 0) odd.push_back(i);
    if ((i + 1) % 3 != 0) thirds.push_back(i);
  }
  expect_split("half", odd, 4);
  expect_split("third", thirds, 3);
}

// 4,000 trees beside ranger's 20,000: each person's mean within 4.5 standard errors, nobody is
// further away on average than chance allows.
TEST(PublishedChain, ForestsAreThoseOfRanger) {
  const Eigen::MatrixXd x = table();
  const Eigen::VectorXd y = x.col(0).cwiseProduct(x.col(1)) + x.col(2).cwiseAbs() + 0.3 * x.col(3);
  const ForestOptions options{.trees = 4000, .mtry = 2, .min_node = 5, .seed = 3};
  const Eigen::VectorXd found = forest_predictions(x, y, x, options, {});
  const auto mean = reference("forest").at(0), sd = reference("forest_sd").at(0);
  double squares = 0.0;
  for (Eigen::Index i = 0; i < kPeople; ++i) {
    const auto at = static_cast<std::size_t>(i);
    const double z = (found[i] - mean[at]) / (sd[at] * std::sqrt(1.0 / 4000 + 1.0 / 20000));
    EXPECT_LT(std::abs(z), 4.5) << i;
    squares += z * z / static_cast<double>(kPeople);
  }
  EXPECT_LT(squares, 2.0); // 1 for equal forests; the people of one forest move together
  const tbb::global_control one(tbb::global_control::max_allowed_parallelism, 1);
  EXPECT_EQ(found, forest_predictions(x, y, x, options, {}));
}

TEST(PublishedChain, ForestsCompleteABatchByItsOwnDonors) {
  Eigen::MatrixXd x = table();
  std::vector<int> batch;
  for (Eigen::Index i = 0; i < kPeople; ++i) batch.push_back(i < 30 ? 0 : 1);
  x.bottomRows(30).array() += 100.0;
  x(3, 0) = x(40, 0) = x(41, 2) = kNaN;
  x.col(5).tail(30).setConstant(kNaN); // nobody of batch 1 has it
  const Eigen::MatrixXd out = impute_by_forests(x, batch, {.trees = 50, .seed = 1}, {});
  for (Eigen::Index i = 0; i < x.size(); ++i) {
    if (std::isnan(x.reshaped()[i])) continue;
    EXPECT_EQ(out.reshaped()[i], x.reshaped()[i]);
  }
  const auto is_value_of = [&](Eigen::Index column, Eigen::Index from, double value) {
    return (x.col(column).segment(from, 30).array() == value).any();
  };
  EXPECT_TRUE(is_value_of(0, 0, out(3, 0)));
  EXPECT_TRUE(is_value_of(0, 30, out(40, 0)));
  EXPECT_TRUE(is_value_of(2, 30, out(41, 2)));
  EXPECT_TRUE(out.col(5).tail(30).array().isNaN().all());
}

// What depends on another measure by a curve is found, which a line would not: the mean error of
// 30 holes lies far below the SD.
TEST(PublishedChain, ForestsFollowCurves) {
  Random random(4);
  Eigen::MatrixXd x(200, 3);
  for (Eigen::Index i = 0; i < 200; ++i) {
    x(i, 1) = random.uniform(-2.0, 2.0);
    x(i, 2) = random.normal();
    x(i, 0) = x(i, 1) * x(i, 1) + 0.05 * random.normal();
  }
  Eigen::MatrixXd holes = x;
  holes.col(0).head(30).setConstant(kNaN);
  const Eigen::MatrixXd out = impute_by_forests(holes, {}, {.trees = 100, .seed = 1}, {});
  EXPECT_LT((out.col(0) - x.col(0)).head(30).cwiseAbs().mean(), 0.25); // SD 1.2
}

} // namespace
} // namespace boldmill::cohort
