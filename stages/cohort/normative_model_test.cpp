#include "stages/cohort/normative_model.hpp"

#include <gtest/gtest.h>
#include <tbb/task_arena.h>

#include <cmath>
#include <limits>

#include "stages/cohort/kernels/calibration.hpp"
#include "stages/cohort/kernels/folds.hpp"
#include "stages/cohort/kernels/held_out_norms.hpp"
#include "stages/core/random.hpp"

namespace boldmill::normative_model {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

// Measures that bend with age, spread with age, are skewed and differ between sites.
Inputs people(Eigen::Index n, std::uint64_t seed) {
  Random random(seed);
  Inputs out{Eigen::MatrixXd(n, 2),
             {"curved", "skewed"},
             Eigen::MatrixXd(n, 3),
             {"age", "sex", "mean_fd"},
             {}};
  for (Eigen::Index i = 0; i < n; ++i) {
    const double age = random.uniform(15.0, 75.0);
    const double sex = random.uniform() < 0.5 ? 1.0 : 0.0;
    const double fd = random.uniform(0.05, 0.4);
    const int site = static_cast<int>(random.below(6));
    out.batch.push_back(site);
    out.covariates.row(i) << age, sex, fd;
    const double middle = 3.0 - std::pow((age - 30.0) / 40.0, 2) + 0.1 * sex - fd + 0.05 * site;
    const double spread = 0.1 + 0.1 * (age - 15.0) / 60.0;
    out.x(i, 0) = middle + spread * random.normal();
    out.x(i, 1) = std::exp(0.5 * random.normal() + 0.01 * age);
  }
  return out;
}

constexpr int kSeed = 5;

// 2,000 new people, z standard normal: SE of the mean 0.022, of a share near 0.05 0.005, of the
// skewness 0.055; the model's own error with 600 reference people about doubles the variance.
TEST(NormativeModel, NewPeopleAreStandardNormal) {
  const Model model = fit(people(600, kSeed), {}, Context{});
  const Inputs test = people(2000, kSeed + 1);
  const Outputs out = apply(model, test, Context{});
  for (Eigen::Index m = 0; m < 2; ++m) {
    const auto found = cohort::calibration(out.z.col(m), {0.05, 0.5, 0.95});
    EXPECT_TRUE(model.measures[static_cast<std::size_t>(m)].fitted.converged);
    EXPECT_NEAR(found.mean, 0.0, 0.1) << m;
    EXPECT_NEAR(found.sd, 1.0, 0.08) << m;
    EXPECT_NEAR(found.skewness, 0.0, 0.25) << m;
    EXPECT_NEAR(found.coverage[0], 0.05, 0.02) << m;
    EXPECT_NEAR(found.coverage[1], 0.5, 0.05) << m;
    EXPECT_NEAR(found.coverage[2], 0.95, 0.02) << m;
  }
  EXPECT_TRUE((out.z_se.array() > 0.0).all());
  EXPECT_LT(out.z_se.maxCoeff(), 0.6);
  // Centiles and their values are inverses.
  Inputs at = test;
  at.x = value_at(model, test, 0.9);
  EXPECT_NEAR(apply(model, at, Context{}).centile.col(1).maxCoeff(), 0.9, 1e-9);
  at.x = out.expected;
  EXPECT_LT(apply(model, at, Context{}).z.cwiseAbs().maxCoeff(), 1e-9);
}

// 60 people bend a spline, six sites and a warp towards themselves; those held out do not.
TEST(NormativeModel, HeldOutPeopleAreScoredByTheOthers) {
  const Inputs all = people(60, kSeed);
  const Params params;
  const Eigen::MatrixXd z = cohort::held_out_z(all, params, 5, 3, Context{});
  const Eigen::MatrixXd own = apply(fit(all, params, Context{}), all, Context{}).z;
  const auto spread = [](const Eigen::MatrixXd& of) {
    return std::sqrt(of.array().square().mean());
  };
  EXPECT_LT(spread(own), spread(z));
  EXPECT_GT(spread(z), 1.0);
  EXPECT_LT(spread(z), 1.5);

  const cohort::Split split = cohort::k_fold(60, 5, all.batch, {}, 3);
  const cohort::FoldRows rows = cohort::rows_of(split, 2);
  const auto among = [&](const std::vector<Eigen::Index>& some) {
    return cohort::rows_among(all, some);
  };
  const Outputs expected =
      apply(fit(among(rows.training), {.min_people = 24}, Context{}), among(rows.test), Context{});
  ASSERT_FALSE(rows.test.empty());
  for (std::size_t i = 0; i < rows.test.size(); ++i) {
    EXPECT_EQ(z(rows.test[i], 0), expected.z(static_cast<Eigen::Index>(i), 0));
  }

  // What a held-out person's measure is changes nobody else of the fold; 30 people are enough.
  Inputs other = all;
  other.x(rows.test[0], 0) += 100.0;
  const Eigen::MatrixXd changed = cohort::held_out_z(other, params, 5, 3, Context{});
  EXPECT_EQ(changed(rows.test[1], 0), z(rows.test[1], 0));
  EXPECT_NE(changed(rows.training[0], 0), z(rows.training[0], 0));
  std::vector<Eigen::Index> first(30);
  for (std::size_t i = 0; i < first.size(); ++i) first[i] = static_cast<Eigen::Index>(i);
  EXPECT_TRUE(cohort::held_out_z(among(first), params, 5, 3, Context{}).allFinite());

  // People without an age are dealt to no fold.
  Inputs gaps = among(first);
  gaps.covariates(4, 0) = kNaN;
  gaps.covariates(5, 0) = kNaN;
  const Params fewer{.min_people = 28};
  const Eigen::MatrixXd some = cohort::held_out_z(gaps, fewer, 5, 3, Context{});
  EXPECT_EQ(some.array().isNaN().count(), 4);
  EXPECT_THROW((void)cohort::held_out_z(gaps, {.min_people = 60}, 5, 3, Context{}), Error);
}

TEST(NormativeModel, WithoutTheWarpSkewnessStays) {
  const Inputs test = people(2000, kSeed + 1);
  const Model model = fit(people(600, kSeed), {.warp = false}, Context{});
  EXPECT_GT(cohort::calibration(apply(model, test, Context{}).z.col(1), {}).skewness, 0.8);
}

TEST(NormativeModel, UnitsDoNotCountAndThreadsNeither) {
  const Inputs training = people(200, kSeed);
  const Inputs test = people(50, kSeed + 1);
  const auto z_of = [&](double factor, int threads) {
    Inputs a = training;
    Inputs b = test;
    a.x *= factor;
    b.x *= factor;
    Eigen::MatrixXd z;
    tbb::task_arena(threads).execute([&] { z = apply(fit(a, {}, Context{}), b, Context{}).z; });
    return z;
  };
  EXPECT_EQ(z_of(1.0, 1), z_of(1.0, 8));
  EXPECT_LT((z_of(1.0, 2) - z_of(1024.0, 2)).cwiseAbs().maxCoeff(), 1e-9);
}

TEST(NormativeModel, NewSitesAndMissingValuesAreSaid) {
  const Model model = fit(people(300, kSeed), {}, Context{});
  Inputs test = people(4, kSeed + 1);
  test.batch = {0, 77, -1, 0};
  test.covariates.row(1) = test.covariates.row(0);
  test.x.row(1) = test.x.row(0);
  test.covariates(3, 1) = kNaN;
  test.x(2, 1) = kNaN;
  test.covariates(2, 0) = 120.0;
  const Outputs out = apply(model, test, Context{});
  EXPECT_EQ(out.new_batch, (std::vector<std::uint8_t>{0, 1, 1, 0}));
  EXPECT_EQ(out.age_outside, (std::vector<std::uint8_t>{0, 0, 1, 0}));
  EXPECT_GT(out.z_se(1, 0), out.z_se(0, 0)); // a new site is less certain
  EXPECT_TRUE(std::isnan(out.z(3, 0)));
  EXPECT_TRUE(std::isnan(out.z(2, 1)) && std::isnan(out.centile(2, 1)));
  EXPECT_FALSE(std::isnan(out.expected(2, 1)));
}

TEST(NormativeModel, StepLearnsFromControlsOnly) {
  const Inputs all = people(200, kSeed);
  cohort::Rows rows;
  rows.x = all.x;
  rows.names = all.names;
  rows.batch = all.batch;
  rows.covariates = all.covariates;
  rows.covariate_names = all.covariate_names;
  for (int i = 0; i < 200; ++i) rows.is_reference.push_back(i < 120 ? 1 : 0);
  const auto fitted = step({}).fit(rows);
  cohort::Rows changed = rows;
  changed.x.bottomRows(80).array() += 5.0; // patients
  EXPECT_EQ(step({}).fit(changed)(rows).x, fitted(rows).x);
}

TEST(NormativeModel, ErrorsNameWhatIsMissing) {
  EXPECT_THROW((void)fit(people(20, kSeed), {}, Context{}), Error);
  const Model model = fit(people(100, kSeed), {}, Context{});
  Inputs other = people(5, kSeed);
  other.names[1] = "another";
  EXPECT_THROW((void)apply(model, other, Context{}), Error);
  Inputs constant = people(100, kSeed);
  constant.x.col(1).setConstant(2.0);
  const Model without = fit(constant, {}, Context{});
  EXPECT_EQ(without.measures[1].scale, 0.0);
  EXPECT_TRUE(apply(without, constant, Context{}).z.col(1).array().isNaN().all());
}

} // namespace
} // namespace boldmill::normative_model
