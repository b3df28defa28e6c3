#include "stages/cohort/combat.hpp"

#include <gtest/gtest.h>
#include <tbb/global_control.h>
#include <tbb/task_arena.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <map>
#include <sstream>

#include "stages/cohort/kernels/association.hpp"
#include "stages/cohort/kernels/distributions.hpp"
#include "stages/cohort/kernels/empirical_bayes.hpp"
#include "stages/cohort/test_data.hpp"
#include "stages/core/random.hpp"

namespace boldmill::combat {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

struct Table {
  Eigen::MatrixXd x, covariates;
  std::vector<int> batch;
  int reference = -1;

  [[nodiscard]] Inputs inputs() const {
    return {.x = {x.data(), x.rows(), x.cols()},
            .batch = batch,
            .covariates = covariates,
            .covariate_names = {},
            .is_reference = {},
            .reference = reference};
  }
  [[nodiscard]] Table rows(const std::vector<Eigen::Index>& which) const {
    Table out{x(which, Eigen::all), {}, {}, reference};
    if (covariates.cols() > 0) out.covariates = covariates(which, Eigen::all);
    for (const Eigen::Index row : which) out.batch.push_back(batch[static_cast<std::size_t>(row)]);
    return out;
  }
};

Eigen::MatrixXd uniform(Eigen::Index n, Eigen::Index p, std::uint64_t seed) {
  return test_data::lcg(n * p, seed).reshaped<Eigen::RowMajor>(n, p);
}

// The table of tests/reference/cohort/combat.py.
Table reference_table() {
  constexpr Eigen::Index kN = 27;
  constexpr Eigen::Index kP = 10;
  Table t;
  for (int i = 0; i < kN; ++i) {
    const int v = (i * 4) % 9;
    t.batch.push_back(v < 4 ? 0 : v < 7 ? 1 : 2);
  }
  t.x = (uniform(kN, kP, 11) + uniform(kN, kP, 12) - Eigen::MatrixXd::Ones(kN, kP)) * 3.0;
  const Eigen::VectorXd age = test_data::lcg(kN, 13).array() * 40.0 + 20.0;
  const Eigen::VectorXd group = (test_data::lcg(kN, 14).array() > 0.5).cast<double>();
  const Eigen::MatrixXd shift = uniform(3, kP, 15) * 4.0;
  const Eigen::MatrixXd factor = (uniform(3, kP, 16).array() * 1.5 + 0.5).matrix();
  const Eigen::VectorXd slope = test_data::lcg(kP, 17);
  const Eigen::VectorXd difference = test_data::lcg(kP, 18);
  for (Eigen::Index i = 0; i < kN; ++i) {
    const int b = t.batch[static_cast<std::size_t>(i)];
    for (Eigen::Index c = 0; c < kP; ++c) {
      t.x(i, c) = t.x(i, c) * factor(b, c) + shift(b, c) + age[i] * 0.05 * slope[c] +
                  group[i] * difference[c] + 5.0;
    }
  }
  t.covariates.resize(kN, 2);
  t.covariates << age.cast<float>().cast<double>(), group;
  return t;
}

Table with_missing(Table t) {
  const Eigen::MatrixXd u = uniform(t.x.rows(), t.x.cols(), 19);
  t.x = (u.array() < 0.12).select(kNaN, t.x);
  return t;
}

Eigen::MatrixXd harmonise(const Table& t, const Params& params) {
  return apply(fit(t.inputs(), params, {}), t.inputs(), {});
}

double largest_difference(const Eigen::MatrixXd& a, const Eigen::MatrixXd& b) {
  double out = 0.0;
  for (Eigen::Index i = 0; i < a.size(); ++i) {
    const double x = a.reshaped()[i];
    const double y = b.reshaped()[i];
    if (std::isnan(x) != std::isnan(y)) return std::numeric_limits<double>::infinity();
    if (!std::isnan(x)) out = std::max(out, std::abs(x - y));
  }
  return out;
}

// 1e-9 in units of x (values around 8, SD 1.5): R's and Python's normal equations, 15 digits.
TEST(Combat, IsThatOfNeuroCombatSvaAndEzCombat) {
  std::map<std::string, Eigen::MatrixXd> expected;
  std::ifstream stream(BOLDMILL_SOURCE_DIR "/tests/reference/cohort/combat.tsv");
  for (std::string line; std::getline(stream, line);) {
    std::istringstream text(line);
    std::string name, value;
    Eigen::Index row = 0;
    text >> name >> row;
    Eigen::MatrixXd& y = expected.try_emplace(name, Eigen::MatrixXd(27, 10)).first->second;
    for (Eigen::Index c = 0; c < 10; ++c) {
      text >> value;
      y(row, c) = value == "nan" ? kNaN : std::stod(value);
    }
  }
  const Table full = reference_table();
  Table plain = full;
  plain.covariates.resize(0, 0);
  Table reference = full;
  reference.reference = 1;
  const Table missing = with_missing(full);
  Table missing_plain = missing;
  missing_plain.covariates.resize(0, 0);
  struct Case {
    std::string name;
    const Table& table;
    Params params;
  };
  const Case cases[] = {
      {"python:parametric", full, {}},
      {"python:parametric_plain", plain, {}},
      {"python:non_parametric", full, {.method = "non_parametric"}},
      {"python:mean_only", full, {.mean_only = true}},
      {"python:none", full, {.method = "none"}},
      {"sva:reference", reference, {}},
      {"r:missing", missing, {}},
      {"r:missing_mean_only", missing, {.mean_only = true}},
      {"r:missing_non_parametric", missing_plain, {.method = "non_parametric"}},
      {"ez.combat", plain, {.zero_spread = "keep"}},
  };
  EXPECT_EQ(expected.size(), std::size(cases));
  for (const Case& c : cases) {
    EXPECT_LT(largest_difference(harmonise(c.table, c.params), expected.at(c.name)), 1e-9)
        << c.name;
  }
}

TEST(Combat, LearnsFromTrainingRowsAndAppliesToOneRowAsToMany) {
  const Table t = reference_table();
  const Model model = fit(t.inputs(), {}, {});
  const Eigen::MatrixXd all = apply(model, t.inputs(), {});
  for (const Eigen::Index row : {0, 5, 26}) {
    const Table one = t.rows({row});
    EXPECT_EQ(apply(model, one.inputs(), {}), all.row(row));
  }
}

TEST(Combat, FollowsUnitsOfColumnsAndOrders) {
  const Table t = with_missing(reference_table());
  const Eigen::MatrixXd y = harmonise(t, {});
  Table scaled = t;
  const Eigen::RowVectorXd unit = Eigen::RowVectorXd::LinSpaced(10, 0.5, 900.0);
  scaled.x = t.x * unit.asDiagonal();
  scaled.x.array() += 12.0;
  Eigen::MatrixXd expected = y * unit.asDiagonal();
  expected.array() += 12.0;
  EXPECT_LT(largest_difference(harmonise(scaled, {}), expected), 1e-9 * 900.0);

  std::vector<Eigen::Index> order;
  for (const std::size_t i : Random(3).permutation(27)) {
    order.push_back(static_cast<Eigen::Index>(i));
  }
  EXPECT_LT(largest_difference(harmonise(t.rows(order), {}), y(order, Eigen::all)), 1e-11);
  Table reversed = t;
  reversed.x = t.x.rowwise().reverse();
  EXPECT_LT(largest_difference(harmonise(reversed, {}), y.rowwise().reverse()), 1e-11);
  Table renamed = t;
  for (int& b : renamed.batch) b = 40 - b;
  EXPECT_LT(largest_difference(harmonise(renamed, {}), y), 1e-11);
}

TEST(Combat, SameBitsAtAnyThreadCount) {
  Table t;
  t.x = uniform(40, 9000, 4);
  for (int i = 0; i < 40; ++i) t.batch.push_back(i % 3);
  t.x.bottomRows(13) *= 2.0;
  Eigen::MatrixXd first;
  const tbb::global_control eight(tbb::global_control::max_allowed_parallelism, 8);
  for (const int threads : {1, 8}) {
    tbb::task_arena arena(threads);
    const Eigen::MatrixXd y = arena.execute([&] { return harmonise(t, {}); });
    if (threads == 1) first = y;
    EXPECT_EQ(first, y);
  }
}

// Location and scale of batches go, an effect of a covariate that differs between batches stays.
TEST(Combat, TakesOutBatchesAndKeepsCovariates) {
  Random random(8);
  constexpr Eigen::Index kN = 600;
  constexpr Eigen::Index kP = 60;
  Table t{Eigen::MatrixXd(kN, kP), Eigen::MatrixXd(kN, 1), {}};
  Eigen::MatrixXd truth(kN, kP);
  for (Eigen::Index i = 0; i < kN; ++i) {
    const int b = static_cast<int>(i % 3);
    t.batch.push_back(b);
    t.covariates(i, 0) = random.normal() + b;
    for (Eigen::Index c = 0; c < kP; ++c) {
      const double noise = random.normal();
      truth(i, c) = 0.5 * t.covariates(i, 0) + noise;
      t.x(i, c) = 0.5 * t.covariates(i, 0) + noise * (1.0 + 0.5 * b) + 2.0 * b;
    }
  }
  const Eigen::MatrixXd y = harmonise(t, {});
  for (Eigen::Index c = 0; c < kP; ++c) {
    Eigen::VectorXd rest = y.col(c) - 0.5 * t.covariates.col(0);
    Eigen::Vector3d mean = Eigen::Vector3d::Zero();
    Eigen::Vector3d square = Eigen::Vector3d::Zero();
    for (Eigen::Index i = 0; i < kN; ++i) {
      mean[i % 3] += rest[i] / 200.0;
      square[i % 3] += rest[i] * rest[i] / 200.0;
    }
    // The slope is known to 0.065 and means of covariates differ by 2: 3.5 SE. Before: 4.
    EXPECT_LT(mean.maxCoeff() - mean.minCoeff(), 0.46);
    const Eigen::Vector3d sd = (square.array() - mean.array().square()).sqrt();
    // An SD of 200 people is known to 5 %: three of them over 60 columns. Before: 2.
    EXPECT_LT(sd.maxCoeff() / sd.minCoeff(), 1.25);
  }
}

TEST(Combat, WhatABatchNeverHadStaysMissing) {
  Table t = reference_table();
  Table without = t;
  for (Eigen::Index i = 0; i < 27; ++i) {
    if (t.batch[static_cast<std::size_t>(i)] == 2) without.x(i, 4) = kNaN;
  }
  const Model model = fit(without.inputs(), {}, {});
  const Eigen::MatrixXd y = apply(model, without.inputs(), {});
  EXPECT_TRUE(y.array().isNaN().cwiseEqual(without.x.array().isNaN()).all());
  // A new person of that batch who has it cannot be harmonised: missing, never passed through.
  const Eigen::MatrixXd later = apply(model, t.inputs(), {});
  EXPECT_TRUE(later.array().isNaN().cwiseEqual(without.x.array().isNaN()).all());
}

TEST(Combat, LeavesColumnsWithoutSpreadAlone) {
  Table t = reference_table();
  t.x.col(3).setConstant(0.1);
  t.x.col(7).setConstant(kNaN);
  for (Eigen::Index i = 0; i < 27; ++i) t.x(i, 5) = 0.1 * t.batch[static_cast<std::size_t>(i)];
  const Eigen::MatrixXd y = harmonise(t, {});
  for (const Eigen::Index c : {3, 5, 7}) {
    EXPECT_EQ(largest_difference(y.col(c), t.x.col(c)), 0.0);
  }
  // They take no part in the priors.
  Table fewer = t;
  const std::vector<Eigen::Index> kept = {0, 1, 2, 4, 6, 8, 9};
  fewer.x = Eigen::MatrixXd(t.x(Eigen::all, kept));
  EXPECT_LT(largest_difference(harmonise(fewer, {}), y(Eigen::all, kept)), 1e-12);
}

TEST(Combat, TheReferenceBatchIsLeftAlone) {
  Table t = reference_table();
  t.reference = 1;
  const Eigen::MatrixXd y = harmonise(t, {});
  for (Eigen::Index i = 0; i < 27; ++i) {
    if (t.batch[static_cast<std::size_t>(i)] != 1) continue;
    EXPECT_EQ(y.row(i), t.x.row(i));
  }
}

TEST(Combat, ABatchOfOnePersonIsRefusedOrOnlyMoved) {
  Table t = reference_table();
  t.batch[0] = 9;
  EXPECT_THROW((void)harmonise(t, {}), Error);
  const Model model = fit(t.inputs(), {.single_member = "location"}, {});
  EXPECT_EQ(model.delta_star.col(3), Eigen::VectorXd::Ones(10));
  // The prior of one value of variance 1: halfway, when locations vary by as much.
  const double v = model.tau_squared[3];
  const double g = (v * model.gamma_hat(2, 3) + model.gamma_bar[3]) / (v + 1.0);
  EXPECT_DOUBLE_EQ(model.gamma_star(2, 3), g);
}

TEST(Combat, UnseenBatches) {
  const Table t = reference_table();
  std::vector<Eigen::Index> training, fresh;
  for (Eigen::Index i = 0; i < 27; ++i) {
    (t.batch[static_cast<std::size_t>(i)] == 0 ? fresh : training).push_back(i);
  }
  const Table old_rows = t.rows(training);
  const Table new_rows = t.rows(fresh);
  const auto applied = [&](const Params& params, Inputs rows) {
    return apply(fit(old_rows.inputs(), params, {}), rows, {});
  };
  EXPECT_THROW((void)applied({}, new_rows.inputs()), Error);
  EXPECT_EQ(applied({.unseen = "unchanged"}, new_rows.inputs()), new_rows.x);
  EXPECT_THROW((void)applied({.unseen = "adapt", .min_adapt = 13}, new_rows.inputs()), Error);
  const Params adapt{.unseen = "adapt"};
  const Eigen::MatrixXd y = applied(adapt, new_rows.inputs());
  // Most of the shift to the training people, left over from covariates, is gone.
  const Eigen::RowVectorXd target = applied(adapt, old_rows.inputs()).colwise().mean();
  EXPECT_LT((y.colwise().mean() - target).norm(),
            0.5 * (new_rows.x.colwise().mean() - target).norm());
  // With controls named, the others do not take part.
  Inputs controls = new_rows.inputs();
  controls.is_reference.assign(12, 1);
  controls.is_reference[0] = controls.is_reference[1] = 0;
  Table moved = new_rows;
  moved.x.topRows(2).array() += 50.0;
  Inputs other = moved.inputs();
  other.is_reference = controls.is_reference;
  EXPECT_EQ(applied(adapt, controls).bottomRows(10), applied(adapt, other).bottomRows(10));
}

TEST(Combat, RowsWithoutABatchAreNotLearnedFrom) {
  Table t = reference_table();
  Table marked = t;
  marked.batch[3] = marked.batch[8] = -1;
  std::vector<Eigen::Index> rest;
  for (Eigen::Index i = 0; i < 27; ++i) {
    if (i != 3 && i != 8) rest.push_back(i);
  }
  const Model a = fit(marked.inputs(), {}, {});
  const Model b = fit(t.rows(rest).inputs(), {}, {});
  EXPECT_EQ(a.gamma_star, b.gamma_star);
  EXPECT_EQ(a.delta_star, b.delta_star);
}

TEST(Combat, RefusesWhatItCannotUse) {
  const Table t = reference_table();
  const auto refuses = [](const Table& table, const Params& params, const std::string& words) {
    try {
      (void)harmonise(table, params);
      ADD_FAILURE() << "no error: " << words;
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::input);
      EXPECT_NE(std::string(error.what()).find(words), std::string::npos) << error.what();
    }
  };
  Table one = t;
  one.batch.assign(27, 4);
  refuses(one, {}, "found 1 batch");
  Table nobody = t;
  nobody.reference = 7;
  refuses(nobody, {}, "reference batch");
  Table missing = t;
  missing.covariates(4, 1) = kNaN;
  refuses(missing, {}, "is missing in 1 of 27 rows");
  Table confounded = t;
  for (Eigen::Index i = 0; i < 27; ++i) {
    confounded.covariates(i, 1) = t.batch[static_cast<std::size_t>(i)] == 2 ? 1e6 : 0.1;
  }
  refuses(confounded, {}, "covariate number 2 is confounded");
  confounded.covariates.col(1) = 3.0 * confounded.covariates.col(0);
  refuses(confounded, {}, "is confounded");
  Table single = t;
  single.x = Eigen::MatrixXd(t.x.leftCols(1));
  refuses(single, {}, "too few or too alike");
  EXPECT_TRUE(harmonise(single, {.method = "none"}).allFinite());
  const Model model = fit(t.inputs(), {}, {});
  EXPECT_THROW((void)apply(model, single.inputs(), {}), Error);
}

// Values of a batch as wide as 400 SD underflow a plain product of densities.
TEST(EmpiricalBayes, NonParametricWeightsNeverUnderflow) {
  cohort::BatchStatistics batch;
  batch.location.setLinSpaced(5, -1.0, 1.0);
  batch.scale.setConstant(5, 1.0);
  batch.count.setConstant(5, 2000.0);
  batch.sum_of_squares.setConstant(5, 1e6);
  const auto effect = cohort::shrink_non_parametric(batch, {});
  EXPECT_TRUE(effect.location.allFinite());
  EXPECT_NEAR(effect.location[0], -0.5, 1e-9); // the nearest other column takes all weight
}

// R 4.2.2: pchisq, pf, pnorm (lower.tail = FALSE), 2 * pt.
TEST(Distributions, AreThoseOfR) {
  using namespace cohort;
  const auto near = [](double value, double expected) {
    EXPECT_NEAR(value / expected, 1.0, 1e-11) << expected;
  };
  near(chi_square_tail(3.84, 1), 0.0500435212487052);
  near(chi_square_tail(0.3, 5), 0.997643086260529);
  near(chi_square_tail(60.0, 4), 2.90086312034045e-12);
  near(f_tail(2.5, 3, 40), 0.0732543520179499);
  near(f_tail(0.2, 7, 3), 0.963326645781813);
  near(f_tail(90.0, 2, 100), 4.38630102067362e-23);
  near(normal_tail(5.0), 2.86651571879194e-07);
  near(t_two_sided(2.1, 7), 0.0738711962129226);
  EXPECT_EQ(f_tail(0.0, 2, 3), 1.0);
  EXPECT_TRUE(std::isnan(chi_square_tail(kNaN, 1)));
}

TEST(Association, SiteAndOutcome) {
  // R: summary(lm(y ~ factor(g)))
  const std::vector<int> group = {0, 0, 0, 1, 1, 2, 2, 2, -1};
  Eigen::VectorXd y(9);
  y << 1, 2, 3, 4, 6, 2, 8, 5, 100;
  const auto numbers = cohort::group_outcome(group, y);
  EXPECT_EQ(numbers.n, 8);
  EXPECT_NEAR(numbers.value, 0.434083601286174, 1e-12);
  EXPECT_NEAR(numbers.statistic, 1.91761363636364, 1e-12);
  EXPECT_NEAR(numbers.p_value, 0.240924350561537, 1e-12);
  // R: chisq.test(table(g, l), correct = FALSE)
  const auto classes = cohort::group_class({0, 0, 0, 0, 1, 1, 1, 2, 2, 2, 2, -1},
                                           {0, 0, 0, 1, 1, 1, 0, 1, 1, 1, 1, 0});
  EXPECT_NEAR(classes.statistic, 4.87797619047619, 1e-12);
  EXPECT_NEAR(classes.p_value, 0.0872490945819143, 1e-12);
  EXPECT_NEAR(classes.value, std::sqrt(4.87797619047619 / 11.0), 1e-12);
  EXPECT_TRUE(std::isnan(cohort::group_outcome({1, 1}, Eigen::Vector2d(1, 2)).value));
}

TEST(Combat, IsAStepInsideAFold) {
  const Table t = reference_table();
  cohort::Rows rows{.x = t.x, .batch = t.batch, .covariates = t.covariates};
  std::vector<Eigen::Index> training, test;
  for (Eigen::Index i = 0; i < 27; ++i) (i % 5 == 0 ? test : training).push_back(i);
  const auto apply_step = step({}).fit(rows.select(training));
  cohort::Rows held_out = apply_step(rows.select(test));
  const Model model = fit(t.rows(training).inputs(), {}, {});
  EXPECT_EQ(held_out.x, apply(model, t.rows(test).inputs(), {}));
  rows.batch.assign(27, 5); // a fold with one site
  EXPECT_EQ(step({}).fit(rows)(rows).x, t.x);
}

} // namespace
} // namespace boldmill::combat
