#include "stages/cohort/treatment.hpp"

#include <gtest/gtest.h>
#include <tbb/task_arena.h>

#include <fstream>
#include <limits>
#include <map>
#include <sstream>

#include "stages/cohort/chained_imputation.hpp"
#include "stages/cohort/imputation.hpp"
#include "stages/cohort/kernels/agreement.hpp"
#include "stages/cohort/standardisation.hpp"
#include "stages/cohort/test_data.hpp"
#include "stages/cohort/treatment_simulation.hpp"

namespace boldmill::treatment {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
using test_data::lcg;
using Values = std::vector<double>;

const Values& reference(const std::string& name) {
  static const auto table = [] {
    std::map<std::string, Values> out;
    std::ifstream stream(BOLDMILL_SOURCE_DIR "/tests/reference/cohort/treatment.tsv");
    for (std::string line; std::getline(stream, line);) {
      std::istringstream cells(line);
      std::string key;
      cells >> key;
      for (double value = 0.0; cells >> value;) out[key].push_back(value);
    }
    return out;
  }();
  return table.at(name);
}

// The people of tests/reference/cohort/treatment.py.
Inputs reference_study() {
  constexpr Eigen::Index kN = 120;
  Inputs in;
  const Eigen::VectorXd arm = lcg(kN, 51), biotype = lcg(kN, 52), last = lcg(kN, 56);
  in.baseline = 15.0 + 20.0 * lcg(kN, 53).array();
  in.rows.x = lcg(2 * kN, 54).reshaped<Eigen::RowMajor>(kN, 2).array() - 0.5;
  in.rows.names = in.tested_name = {"x1", "x2"};
  in.tested = in.rows.x;
  in.covariates.resize(kN, 0);
  in.outcome = 0.6 * in.baseline.array() + 10.0 * (lcg(kN, 55).array() - 0.5);
  for (Eigen::Index i = 0; i < kN; ++i) {
    in.arm.push_back(arm[i] > 0.5 ? 1 : 0);
    in.biotype.push_back(static_cast<int>(biotype[i] * 3.0));
    in.study.push_back(0);
    if (in.arm.back() == 1) {
      in.outcome[i] += 6.0 * in.rows.x(i, 0) - (in.biotype.back() == 1 ? 4.0 : 0.0);
    }
    if (last[i] + 0.004 * in.baseline[i] > 0.92) in.outcome[i] = kNaN;
  }
  in.study_name = {"one"};
  in.arm_name = {"drug", "talk"};
  in.biotype_name = {"x", "y", "z"};
  in.randomised = {1};
  return in;
}

// R's own digits are 15; values up to 131.
void expect_near(double found, double expected, const std::string& what) {
  EXPECT_NEAR(found, expected, 1e-9 * std::max(1.0, std::abs(expected))) << what;
}

TEST(Treatment, PublishedTablesAreThoseOfR) {
  const Outputs out = run(reference_study(), {.remission_at = 10.0}, {});
  ASSERT_EQ(out.published.size(), 8U);
  for (const auto& row : out.published) {
    const std::string arm = std::to_string(row.arm);
    if (row.biotype < 0) {
      const Values& v = reference("whole_" + arm);
      const Values found{static_cast<double>(row.n),
                         row.median,
                         row.response.share,
                         row.response_chi_square,
                         row.response_p,
                         row.remission_chi_square,
                         row.remission_p};
      for (std::size_t i = 0; i < v.size(); ++i) {
        expect_near(found[i], v[i], arm + " " + std::to_string(i));
      }
      EXPECT_TRUE(std::isnan(row.outcome.p_value)); // nobody to compare with
      continue;
    }
    const Values& v = reference("cell_" + arm + "_" + std::to_string(row.biotype));
    const Values found{static_cast<double>(row.n), row.median,          row.median_others,
                       row.outcome.statistic,      row.outcome.p_value, row.response.share,
                       row.response.beside.p_value};
    for (std::size_t i = 0; i < v.size(); ++i) {
      expect_near(found[i], v[i],
                  arm + " " + std::to_string(row.biotype) + " " + std::to_string(i));
    }
  }
}

TEST(Treatment, InteractionsAreThoseOfRAndStatsmodels) {
  const Outputs out = run(reference_study(), {}, {});
  std::map<std::string, Interaction> found;
  for (const Interaction& one : out.interactions) found[one.analysis + " " + one.predictor] = one;
  ASSERT_EQ(found.size(), 6U);
  const Interaction& x1 = found["complete_case x1"];
  const Values& lm = reference("lm_x1");
  expect_near(x1.beta, lm[0], "beta");
  expect_near(x1.se, lm[1], "se");
  expect_near(x1.f, lm[2] * lm[2], "f");
  expect_near(x1.p, lm[3], "p");
  expect_near(x1.bounds.lower, lm[4], "lower");
  expect_near(x1.bounds.upper, lm[5], "upper");
  const Interaction& biotype = found["complete_case biotype"];
  expect_near(biotype.f, reference("lm_biotype")[0], "f");
  EXPECT_EQ(biotype.df1, 2.0);
  expect_near(biotype.p, reference("lm_biotype")[2], "p");
  for (const char* name : {"x1", "x2"}) {
    const Interaction& one = found[std::string("weighted ") + name];
    const Values& v = reference(std::string("weighted_") + name);
    expect_near(one.beta, v[0], name);
    expect_near(one.se, v[1], name);
    expect_near(one.p, v[2], name);
  }
}

// With m = 0 the scores are inverse probability weights; a constant m with nobody missing leaves
// the mean of an arm in its place.
TEST(Policy, ScoresAndValuesInClosedForm) {
  Eigen::VectorXd y(4), in_b(4);
  y << 1.0, 2.0, 5.0, kNaN;
  in_b << 0.0, 1.0, 1.0, 0.0;
  Eigen::MatrixXd m(4, 2);
  m << 0, 0, 0, 1, 0, -1, 0, 0;
  const Eigen::VectorXd e = Eigen::VectorXd::Constant(4, 0.25);
  const Eigen::VectorXd present = Eigen::VectorXd::Constant(4, 0.5);
  const auto scores = cohort::arm_scores(y, in_b, m, e, present, 0.05);
  Eigen::MatrixXd expected(4, 2);
  expected << 1.0 / (0.75 * 0.5), 0, 0, 1 + (2.0 - 1) / (0.25 * 0.5), 0, -1 + 6.0 / 0.125, 0, 0;
  EXPECT_LT((scores.score - expected).cwiseAbs().maxCoeff(), 1e-14);
  // Lower is better: b for the third alone, ties to a.
  const auto value = cohort::policy_value(scores, -1.0, 0.95);
  EXPECT_EQ(value.share_b, 0.25);
  EXPECT_NEAR(value.rule.value, (expected(0, 0) + expected(2, 1)) / 4.0, 1e-14);
  EXPECT_NEAR(value.gain_over_a.value, value.all_a.value - value.rule.value, 1e-14);
  EXPECT_NEAR(value.effect_b.value, value.all_a.value - value.all_b.value, 1e-14);
  EXPECT_NEAR(value.rule.bounds.upper - value.rule.value, 1.959963984540054 * value.rule.se, 1e-12);
}

TEST(Policy, PerfectPredictionsAreCalibrated) {
  Eigen::MatrixXd m(40, 2);
  m.col(0).setConstant(10.0);
  m.col(1) = 10.0 - lcg(40, 3).array();
  const auto out = cohort::benefit_calibration({m, m}, -1.0, 4, 0.95);
  EXPECT_NEAR(out.intercept.value, 0.0, 1e-12);
  EXPECT_NEAR(out.slope.value, 1.0, 1e-12);
  ASSERT_EQ(out.groups.size(), 4U);
  for (const auto& group : out.groups) EXPECT_NEAR(group.predicted, group.observed.value, 1e-12);
}

// Kappa and its error: statsmodels 0.15, inter_rater.cohens_kappa; missing pairs are passed over.
TEST(Agreement, KappaIsThatOfStatsmodels) {
  const std::vector<int> a{0, 1, 1, 0, 2, 1, 0, 0, 1, 2, 2, 1, 0, 0, 1, 1, -1};
  const std::vector<int> b{0, 1, 0, 0, 2, 1, 1, 0, 1, 2, 1, 1, 0, 2, 1, 1, 0};
  const auto kappa = cohort::cohens_kappa(a, b, 0.95);
  EXPECT_EQ(kappa.n, 16);
  EXPECT_NEAR(kappa.kappa, 0.602484472049689, 1e-13);
  EXPECT_NEAR(kappa.se, 0.169847513727023, 1e-13);
  EXPECT_NEAR(kappa.bounds.lower, 0.269589462281052, 1e-13);
  EXPECT_TRUE(std::isnan(cohort::cohens_kappa({1, 1}, {1, 1}, 0.95).kappa));
}

// Short version of `cohort_benchmark treatment`: 150 studies of 200 people in place of 2,000.
// Power 0.8 at 0.5 residual SD per SD; coverage inside the 99.9 % binomial interval of 95 % in 150.
TEST(Treatment, SimulatedStudiesHavePowerAndIntervalsCover) {
  const SimulationSummary found = simulate_studies(150, 200, 0.5, {});
  EXPECT_GE(found.power, 0.8);
  EXPECT_LE(found.false_positives, 0.1);
  EXPECT_GE(found.covered_rule, 0.88);
  EXPECT_GE(found.covered_effect, 0.88);
  EXPECT_GE(found.covered_all_b, 0.88);
}

// Outcomes go missing with a high baseline: the mean of complete cases is too low, the weighted one
// is not. 30 studies of 400: the weighted mean's standard error is about 0.08.
TEST(Treatment, WeightsUndoOutcomesMissingByBaseline) {
  double complete = 0.0;
  double weighted = 0.0;
  for (int s = 0; s < 30; ++s) {
    Inputs in = simulated_study(400, 0.0, 900 + static_cast<std::uint64_t>(s));
    Random random(static_cast<std::uint64_t>(s));
    for (Eigen::Index i = 0; i < in.outcome.size(); ++i) {
      if (in.baseline[i] > 20.0 && random.uniform() < 0.6) in.outcome[i] = kNaN;
    }
    const Outputs out = run(in, {}, {});
    complete += out.missingness[0].outcome_mean / 30.0;
    weighted += out.missingness[0].weighted_mean / 30.0;
  }
  EXPECT_LT(complete, 16.0 - 0.4); // truth 16
  EXPECT_NEAR(weighted, 16.0, 0.3);
}

TEST(Treatment, HeldOutPeopleDoNotMoveTheirModels) {
  Inputs in = simulated_study(120, 0.5, 4);
  const Outputs before = run(in, {}, {});
  // What a person's outcome is does not touch his own prediction.
  Eigen::Index person = 0;
  while (std::isnan(in.outcome[person])) ++person;
  in.outcome[person] += 1000.0;
  const Outputs after = run(in, {}, {});
  EXPECT_EQ(before.by_arm.row(person), after.by_arm.row(person));
  EXPECT_NE(before.by_arm, after.by_arm);
}

// Chained imputation inside the training folds: whatever becomes of a person leaves the models that
// predict his fold as they were; a step learned on everybody is found by the same comparison.
TEST(Treatment, ImputationOfHeldOutPeopleReachesNothing) {
  Inputs in = simulated_study(120, 0.5, 5);
  for (int i = 0; i < 120; ++i) in.rows.batch.push_back(i % 2);
  for (int i = 0; i < 30; ++i) in.rows.x(4 * i + 1, i % 5) = kNaN;
  in.steps = {chained_imputation::step({}), standardisation::step({})};
  Inputs moved = in;
  moved.rows.x.row(0).array() += 30.0;
  const auto same_fold = [&](const Inputs& a, const Inputs& b) {
    const Outputs before = run(a, {}, {}), after = run(b, {}, {});
    bool same = true, all = true;
    for (Eigen::Index i = 1; i < 120; ++i) {
      const bool equal = before.by_arm.row(i) == after.by_arm.row(i);
      if (before.fold[static_cast<std::size_t>(i)] == before.fold[0]) same = same && equal;
      all = all && equal;
    }
    EXPECT_FALSE(all); // people of other folds learned from him
    return same;
  };
  EXPECT_TRUE(same_fold(in, moved));
  const auto leaky = [](Inputs study) {
    const auto model = imputation::fit(study.rows.x, {});
    study.steps.insert(study.steps.begin(),
                       {"leak", [model](const cohort::Rows&) -> cohort::LearningStep::Apply {
                          return [model](const cohort::Rows& rows) {
                            cohort::Rows out = rows;
                            const Eigen::Index own = model.fill.size();
                            if (rows.x.cols() < own) return out; // baseline alone
                            out.x.leftCols(own) = imputation::apply(model, rows.x.leftCols(own)).x;
                            return out;
                          };
                        }});
    return study;
  };
  EXPECT_FALSE(same_fold(leaky(in), leaky(moved)));
}

TEST(Treatment, SameBitsAtAnyThreadCount) {
  const Inputs in = reference_study();
  Outputs one, many;
  tbb::task_arena(1).execute([&] { one = run(in, {}, {}); });
  tbb::task_arena(8).execute([&] { many = run(in, {}, {}); });
  EXPECT_EQ(one.by_arm, many.by_arm);
  EXPECT_EQ(one.policies[0].value.rule.value, many.policies[0].value.rule.value);
  EXPECT_EQ(one.policies[0].calibration.slope.value, many.policies[0].calibration.slope.value);
}

TEST(Treatment, LeavesOutWhatDoesNotPrecedeTreatment) {
  Inputs in = reference_study();
  in.day = Eigen::VectorXd::Constant(120, -3.0);
  in.day[0] = 12.0;
  in.day[1] = kNaN;
  in.baseline[2] = kNaN;
  in.arm[3] = -1;
  for (int i = 0; i < 120; ++i) in.person.push_back(i == 5 ? 4 : i);
  const Outputs out = run(in, {}, {});
  EXPECT_EQ(out.left_out[0], "predictors of day 12, after the start of treatment");
  EXPECT_EQ(out.left_out[1], "the day of the predictors is not known");
  EXPECT_EQ(out.left_out[2], "no baseline");
  EXPECT_EQ(out.left_out[3], "no study or arm");
  EXPECT_EQ(out.left_out[4], "");
  EXPECT_EQ(out.left_out[5], "another row of the person counts");
  EXPECT_TRUE(out.by_arm.topRows(4).array().isNaN().all());
  EXPECT_EQ(out.missingness[0].n + out.missingness[1].n, 115);
}

TEST(Treatment, RulesOnlyWhereTheArmWasDrawnOrModelled) {
  Inputs in = reference_study();
  in.randomised = {0};
  Outputs out = run(in, {}, {});
  EXPECT_EQ(out.policies[0].reason,
            "study one is not declared randomised, and no propensity model is");
  EXPECT_EQ(out.recommended, std::vector<int>(120, -1));
  EXPECT_FALSE(out.by_arm.array().isNaN().any()); // predictions stay, rules do not
  out = run(in, {.propensity = "model"}, {});
  EXPECT_EQ(out.policies[0].reason, "");
  EXPECT_EQ(out.policies[0].propensity, "logistic model");
  // The arm follows from the baseline: there is no overlap, and no value.
  for (Eigen::Index i = 0; i < 120; ++i) {
    in.arm[static_cast<std::size_t>(i)] = in.baseline[i] > 25.0 ? 1 : 0;
  }
  out = run(in, {.propensity = "model"}, {});
  EXPECT_EQ(out.policies[0].reason,
            "the propensity model does not converge: the arms do not overlap");
}

TEST(Treatment, ArmsOfDifferentStudiesAreNotCompared) {
  Inputs in = reference_study();
  in.study_name = {"one", "two"};
  in.randomised = {1, 1};
  in.arm_name = {"drug", "talk", "usual"};
  for (std::size_t i = 60; i < 120; ++i) {
    in.study[i] = 1;
    in.arm[i] = in.arm[i] == 1 ? 2 : 1;
  }
  const Outputs out = run(in, {.min_per_arm = 10}, {});
  for (const Policy& policy : out.policies) {
    EXPECT_EQ(policy.arm_b - policy.arm_a, 1) << "drug and usual share no study";
  }
  EXPECT_TRUE(std::isnan(out.by_arm(0, 2)));
  in.contrasts = {{0, 2}};
  try {
    (void)run(in, {}, {});
    FAIL() << "expected an error";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::usage);
    EXPECT_NE(std::string(error.what()).find("no study has both"), std::string::npos);
  }
}

TEST(Treatment, SmallArmsAndOddInputs) {
  Inputs in = reference_study();
  const Outputs out = run(in, {.min_per_arm = 50}, {});
  EXPECT_EQ(out.policies[0].reason, "arm talk: fewer than 50 outcomes");
  EXPECT_TRUE(out.by_arm.col(1).array().isNaN().all());
  in.arm.pop_back();
  EXPECT_THROW((void)run(in, {}, {}), Error);
}

} // namespace
} // namespace boldmill::treatment
