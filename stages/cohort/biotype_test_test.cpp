#include "stages/cohort/biotype_test.hpp"

#include <gtest/gtest.h>
#include <tbb/task_arena.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "stages/cohort/chained_imputation.hpp"
#include "stages/cohort/combat.hpp"
#include "stages/cohort/imputation.hpp"
#include "stages/cohort/kernels/copula_null.hpp"
#include "stages/cohort/kernels/hierarchy.hpp"
#include "stages/cohort/kernels/normal_scores.hpp"
#include "stages/cohort/standardisation.hpp"
#include "stages/core/random.hpp"

namespace boldmill::biotype_test {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr int kSeed = 11;

std::vector<cohort::LearningStep> chain() {
  return {imputation::step({}), combat::step({}), standardisation::step({})};
}

// One cloud, blocks of correlated columns, two sites; or four groups apart in it.
Inputs cohort_of(Eigen::Index n, Eigen::Index p, double separation, std::uint64_t seed,
                 std::vector<int>* truth = nullptr) {
  Random random(seed);
  Eigen::MatrixXd centre(4, p);
  for (double& value : centre.reshaped()) value = random.normal();
  centre *= separation / std::sqrt(2.0); // expected distance a column: separation
  Inputs out;
  out.rows.x.resize(n, p);
  for (Eigen::Index i = 0; i < n; ++i) {
    const auto group = static_cast<Eigen::Index>(random.below(4));
    if (truth != nullptr) truth->push_back(static_cast<int>(group));
    const int site = static_cast<int>(random.below(2));
    out.rows.batch.push_back(site);
    double shared = 0.0;
    for (Eigen::Index c = 0; c < p; ++c) {
      if (c % 4 == 0) shared = random.normal();
      out.rows.x(i, c) =
          0.6 * shared + 0.8 * random.normal() + centre(group, c) + 2.0 * static_cast<double>(site);
    }
  }
  for (Eigen::Index c = 0; c < p; ++c) out.rows.names.push_back("f" + std::to_string(c));
  out.chains = {chain()};
  return out;
}

Params quick() {
  return {.k_max = 6,
          .repetitions = 39,
          .permutations = 19,
          .stability_nulls = 9,
          .stability_people = 5,
          .resamplings = 5,
          .max_factors = 6,
          .bootstraps = 20};
}

TEST(CopulaNull, KeepsMarginsCorrelationsAndHoles) {
  Random random(kSeed);
  Eigen::MatrixXd x(300, 3);
  for (Eigen::Index i = 0; i < 300; ++i) {
    const double a = random.normal();
    const double b = 0.7 * a + 0.5 * random.normal();
    x.row(i) << std::exp(a), b, random.normal();
  }
  x(4, 1) = x(9, 1) = kNaN;
  const Eigen::MatrixXd y = cohort::CopulaNull(x, {}, cohort::CopulaScope::pooled).draw(1);
  for (Eigen::Index c = 0; c < 3; ++c) {
    std::vector<double> before, after;
    for (Eigen::Index i = 0; i < 300; ++i) {
      EXPECT_EQ(std::isnan(x(i, c)), std::isnan(y(i, c)));
      if (std::isnan(x(i, c))) continue;
      before.push_back(x(i, c));
      after.push_back(y(i, c));
    }
    std::sort(before.begin(), before.end());
    std::sort(after.begin(), after.end());
    for (std::size_t i = 0; i < before.size(); ++i) EXPECT_NEAR(before[i], after[i], 1e-9);
  }
  // Of normal scores, as exactly as ranks allow (0.01 at n = 300).
  const auto r = [](const Eigen::MatrixXd& t) {
    std::vector<Eigen::Index> rows;
    for (Eigen::Index i = 0; i < t.rows(); ++i) {
      if (!t.row(i).array().isNaN().any()) rows.push_back(i);
    }
    const Eigen::VectorXd a = cohort::normal_scores(t(rows, 0));
    const Eigen::VectorXd b = cohort::normal_scores(t(rows, 1));
    return a.dot(b) / (a.norm() * b.norm());
  };
  EXPECT_NEAR(r(x), r(y), 0.03);
}

TEST(CopulaNull, GroupsKeepLocationAndSpread) {
  const Inputs inputs = cohort_of(120, 6, 0.0, kSeed);
  for (const auto scope : {cohort::CopulaScope::pooled, cohort::CopulaScope::by_group}) {
    const Eigen::MatrixXd y = cohort::CopulaNull(inputs.rows.x, inputs.rows.batch, scope).draw(7);
    for (int site = 0; site < 2; ++site) {
      std::vector<Eigen::Index> rows;
      for (Eigen::Index i = 0; i < 120; ++i) {
        if (inputs.rows.batch[static_cast<std::size_t>(i)] == site) rows.push_back(i);
      }
      const Eigen::MatrixXd a = inputs.rows.x(rows, Eigen::all);
      const Eigen::MatrixXd b = y(rows, Eigen::all);
      EXPECT_LT((a.colwise().mean() - b.colwise().mean()).norm(), 1e-9);
      EXPECT_LT(((a.rowwise() - a.colwise().mean()).colwise().norm() -
                 (b.rowwise() - b.colwise().mean()).colwise().norm())
                    .norm(),
                1e-8);
    }
  }
}

TEST(BiotypeTest, FindsPlantedGroupsAndSaysSo) {
  std::vector<int> truth;
  const Inputs inputs = cohort_of(240, 16, 2.0, kSeed, &truth);
  const Outputs out = run(inputs, quick(), Context{});
  EXPECT_EQ(out.verdict, Verdict::biotypes);
  EXPECT_DOUBLE_EQ(out.test.p_value, 1.0 / 40.0);
  EXPECT_EQ(out.chosen, 4);
  EXPECT_GT(cohort::adjusted_rand(out.label, truth), 0.9);
  EXPECT_GT(out.dimensional.clusters_gain, 2.0 * out.dimensional.clusters_gain_se);
  EXPECT_GT(out.stability.resampling[2], out.stability.null_resampling.col(2).maxCoeff());
  EXPECT_EQ(out.profile_name.size(), 4U);
  // A person in the middle of a cluster is clear, one without a side is not.
  Eigen::MatrixXd people(2, 16);
  people.row(0) = out.model.centroid.row(1);
  people.row(1) = out.model.centroid.colwise().mean();
  const auto assigned = cohort::assign(out.model, people);
  EXPECT_EQ(assigned.classified[0], 1);
  EXPECT_GT(assigned.stability[0], 0.9);
  EXPECT_LT(assigned.margin[1], assigned.margin[0]);
}

TEST(BiotypeTest, OneCloudIsAContinuum) {
  Inputs inputs = cohort_of(160, 12, 0.0, kSeed + 1);
  inputs.rows.x(3, 2) = kNaN;
  const Outputs out = run(inputs, quick(), Context{});
  EXPECT_EQ(out.verdict, Verdict::continuum);
  EXPECT_NE(in_words(out.verdict).find("a continuum fits as well"), std::string::npos);
  EXPECT_TRUE(std::isnan(out.within_sites.p_value));
  EXPECT_LE(out.p_features_are_correlated, 0.1); // blocks correlate 0.36
  EXPECT_EQ(out.dimensional.factors, 3);         // the blocks
  EXPECT_LT(out.dimensional.clusters_gain, 2.0 * out.dimensional.clusters_gain_se);
  EXPECT_EQ(out.dimensional.scores.rows(), 160);
}

// Two sites with other correlations: pooled, that is no Gaussian copula, but inside sites it is.
TEST(BiotypeTest, WithoutSitesNothingIsCalledABiotype) {
  Inputs inputs = cohort_of(240, 16, 2.0, kSeed);
  inputs.rows.batch.clear();
  Params params = quick();
  params.stability_nulls = params.permutations = params.bootstraps = 0;
  EXPECT_EQ(run(inputs, params, Context{}).verdict, Verdict::unconfirmed);
}

TEST(BiotypeTest, SameBitsAtAnyThreadCount) {
  const Inputs inputs = cohort_of(80, 8, 0.5, kSeed);
  Outputs one, eight;
  tbb::task_arena(1).execute([&] { one = run(inputs, quick(), Context{}); });
  tbb::task_arena(8).execute([&] { eight = run(inputs, quick(), Context{}); });
  EXPECT_EQ(one.test.null_largest, eight.test.null_largest);
  EXPECT_EQ(one.stability.null_resampling, eight.stability.null_resampling);
  EXPECT_EQ(one.label, eight.label);
  EXPECT_EQ(one.assignment.margin.head(5), eight.assignment.margin.head(5));
}

TEST(BiotypeTest, ControlsServeTheChainAndSeveralImputationsAgree) {
  Inputs inputs = cohort_of(140, 10, 2.0, kSeed);
  for (int i = 0; i < 140; ++i) inputs.rows.is_reference.push_back(i < 40 ? 1 : 0);
  for (Eigen::Index i = 0; i < 140; i += 9) inputs.rows.x(i, i % 10) = kNaN;
  inputs.chains.clear();
  for (int m = 0; m < 3; ++m) {
    inputs.chains.push_back({chained_imputation::step({.random_seed = m + 1}),
                             standardisation::step({.reference = "controls"})});
  }
  Params params = quick();
  params.stability_nulls = params.permutations = 0;
  const Outputs out = run(inputs, params, Context{});
  EXPECT_EQ(out.used.size(), 100U);
  EXPECT_EQ(out.label[3], -1);
  EXPECT_GT(out.co_assignment.tail(100).mean(), 0.8);
}

TEST(BiotypeTest, TooFewPeopleAndWrongRanges) {
  const Inputs inputs = cohort_of(11, 8, 0.0, kSeed);
  const Outputs out = run(inputs, quick(), Context{});
  EXPECT_EQ(out.verdict, Verdict::not_done);
  EXPECT_NE(out.not_done.find("expected at least 12"), std::string::npos);
  Params params = quick();
  params.k_min = 7;
  EXPECT_THROW((void)run(inputs, params, Context{}), Error);
}

// The short form of benchmarks/cohort/biotype_calibration: 40 cohorts of 100 people without
// structure, B = 39, level 0.05. 0 to 8 rejections hold 99.9 % of a binomial of 2: a gross error
// only; the long form says whether 5 % are 5 %.
TEST(BiotypeTest, RejectsRarelyWithoutStructureShort) {
  Params params = quick();
  params.stability_nulls = params.permutations = params.bootstraps = 0;
  params.max_factors = 1;
  int rejected = 0;
  for (int i = 0; i < 40; ++i) {
    const Inputs inputs = cohort_of(100, 10, 0.0, 1000 + static_cast<std::uint64_t>(i));
    params.random_seed = i;
    rejected += run(inputs, params, Context{}).test.p_value <= 0.05 ? 1 : 0;
  }
  EXPECT_LE(rejected, 8);
}

} // namespace
} // namespace boldmill::biotype_test
