#include "stages/cohort/chained_imputation.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "stages/cohort/kernels/multiple_imputation.hpp"
#include "stages/core/random.hpp"

namespace boldmill::chained_imputation {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

// Two sites at different levels, columns that follow a common factor, holes at random.
struct Table {
  Eigen::MatrixXd full, x;
  std::vector<int> batch;
};
Table table(Eigen::Index n, std::uint64_t seed, double share = 0.1) {
  Random random(seed);
  Table out{Eigen::MatrixXd(n, 6), {}, {}};
  for (Eigen::Index i = 0; i < n; ++i) {
    out.batch.push_back(static_cast<int>(i % 2));
    const double factor = random.normal();
    for (double& value : out.full.row(i)) {
      value = factor + 0.4 * random.normal() + 10.0 * static_cast<double>(i % 2);
    }
  }
  out.x = out.full;
  for (double& value : out.x.reshaped()) {
    if (random.uniform() < share) value = kNaN;
  }
  return out;
}

constexpr int kSeed = 3;

TEST(Pmm, FillsWithValuesOfTheSameSiteNearTheTruth) {
  const Table t = table(400, kSeed);
  const Model model = fit(t.x, t.batch, {});
  const Outputs out = apply(model, t.x, t.batch);
  EXPECT_FALSE(out.x.array().isNaN().any());
  EXPECT_EQ(out.imputed.count(), t.x.array().isNaN().count());
  double error = 0.0;
  for (Eigen::Index i = 0; i < 400; ++i) {
    for (Eigen::Index c = 0; c < 6; ++c) {
      if (!out.imputed(i, c)) {
        EXPECT_EQ(out.x(i, c), t.x(i, c));
        continue;
      }
      bool donor = false;
      for (Eigen::Index j = i % 2; j < 400; j += 2) donor = donor || t.x(j, c) == out.x(i, c);
      EXPECT_TRUE(donor) << "a value nobody of the site has";
      error += std::pow(out.x(i, c) - t.full(i, c), 2);
    }
  }
  // A draw given the others errs by sqrt(2) times their residual SD (0.44): 0.62.
  EXPECT_LT(std::sqrt(error / static_cast<double>(out.imputed.count())), 0.75);
}

TEST(Pmm, ARowDoesNotDependOnOthersAndSeedsCount) {
  const Table t = table(120, kSeed);
  const Params params{.imputations = 2};
  const Model model = fit(t.x, t.batch, params);
  const Outputs all = apply(model, t.x, t.batch);
  for (Eigen::Index i = 0; i < 120; i += 7) {
    const Outputs one = apply(model, t.x.row(i), {t.batch[static_cast<std::size_t>(i)]});
    EXPECT_EQ(one.x.row(0), all.x.row(i));
  }
  EXPECT_EQ(apply(fit(t.x, t.batch, params), t.x, t.batch).x, all.x);
  EXPECT_NE(apply(model, t.x, t.batch, 1).x, all.x);
  Params other = params;
  other.random_seed = 2;
  EXPECT_NE(apply(fit(t.x, t.batch, other), t.x, t.batch).x, all.x);
  EXPECT_THROW((void)apply(model, t.x, t.batch, 2), Error);
  EXPECT_THROW((void)apply(model, t.x, {0, 1}), Error);
}

TEST(Pmm, WhatAWholeSiteLacksStaysMissing) {
  Table t = table(200, kSeed);
  for (Eigen::Index i = 0; i < 200; i += 2) t.x(i, 4) = kNaN; // site 0
  const Model model = fit(t.x, t.batch, {});
  const Outputs out = apply(model, t.x, t.batch);
  for (Eigen::Index i = 0; i < 200; ++i) {
    EXPECT_EQ(std::isnan(out.x(i, 4)), i % 2 == 0);
    EXPECT_FALSE(i % 2 == 0 && out.imputed(i, 4));
  }
  // Later steps need every value: there the column is dropped.
  cohort::Rows rows;
  rows.x = t.x;
  rows.names = {"a", "b", "c", "d", "e", "f"};
  rows.batch = t.batch;
  const cohort::Rows done = step({}).fit(rows)(rows);
  EXPECT_EQ(done.names, (std::vector<std::string>{"a", "b", "c", "d", "f"}));
  EXPECT_FALSE(done.x.array().isNaN().any());
}

TEST(Pmm, HeldOutRowsDoNotMoveTheModel) {
  const Table t = table(150, kSeed);
  const std::vector<int> batch(t.batch.begin(), t.batch.begin() + 100);
  const Model model = fit(t.x.topRows(100), batch, {});
  Eigen::MatrixXd changed = t.x;
  changed.bottomRows(49).array() *= 5.0;
  const Outputs a = apply(model, t.x, t.batch);
  const Outputs b = apply(model, changed, t.batch);
  EXPECT_EQ(a.x.topRows(101), b.x.topRows(101));
}

TEST(Pmm, SmallBatchesNobodyAndConstantColumns) {
  Table t = table(60, kSeed);
  t.x.col(2).setConstant(kNaN);
  t.x.col(3).setConstant(1.5);
  t.x(5, 3) = kNaN;
  t.batch[7] = 9; // alone: donors from everybody
  t.batch[8] = -1;
  t.x(7, 0) = t.x(8, 0) = kNaN;
  const Outputs out = apply(fit(t.x, t.batch, {}), t.x, t.batch);
  EXPECT_EQ(out.x.cols(), 5);
  EXPECT_FALSE(out.x.array().isNaN().any());
  EXPECT_EQ(out.x(5, 2), 1.5);
  const Eigen::MatrixXd unseen = Eigen::MatrixXd::Constant(1, 6, kNaN);
  EXPECT_FALSE(apply(fit(t.x, t.batch, {}), unseen, {77}).x.array().isNaN().any());
}

TEST(CoAssignment, AgreesOverImputationsWhateverTheNumbers) {
  Eigen::MatrixXi labels(6, 3);
  labels << 0, 1, 0, /**/ 0, 1, 0, /**/ 1, 0, 1, /**/ 1, 0, 1, /**/ 1, 0, 0, /**/ -1, -1, -1;
  const auto out = cohort::co_assignment(labels, 2);
  EXPECT_EQ(out.label, (std::vector<int>{0, 0, 1, 1, 1, -1}));
  EXPECT_DOUBLE_EQ(out.support[0], 1.0);
  EXPECT_DOUBLE_EQ(out.support[4], 2.0 / 3.0);
  EXPECT_TRUE(std::isnan(out.support[5]));
}

} // namespace
} // namespace boldmill::chained_imputation
