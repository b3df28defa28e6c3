#include "stages/cohort/penalised_regression.hpp"

#include <gtest/gtest.h>
#include <tbb/global_control.h>
#include <tbb/task_arena.h>

#include <cmath>
#include <set>

#include "stages/cohort/combat.hpp"
#include "stages/cohort/kernels/cross_validation.hpp"
#include "stages/cohort/prediction_problem.hpp"
#include "stages/core/random.hpp"

namespace boldmill::penalised_regression {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

Params quick() {
  Params params;
  params.n_folds = 5;
  params.n_repeats = 2;
  params.n_inner_folds = 3;
  params.alphas = {0.5};
  params.n_lambdas = 8;
  params.n_permutations = 0;
  return params;
}

// y = x0 + effect of the first two columns; noise SD 1.
Inputs simulated(Eigen::Index n, double effect, std::uint64_t seed) {
  Random random(seed);
  Inputs in;
  in.rows.x.resize(n, 6);
  in.target.resize(n);
  for (double& v : in.rows.x.reshaped()) v = random.normal();
  for (Eigen::Index i = 0; i < n; ++i) {
    in.target[i] = effect * (in.rows.x(i, 0) - in.rows.x(i, 1)) + random.normal();
  }
  return in;
}

Inputs binary(Eigen::Index n, double effect, std::uint64_t seed) {
  Inputs in = simulated(n, effect, seed);
  in.target = (in.target.array() > 0).select(Eigen::VectorXd::Constant(n, 2.0), 1.0);
  return in;
}

TEST(PenalisedRegression, FindsAStrongEffect) {
  const Outputs out = run(simulated(150, 1.0, 1), quick(), {});
  ASSERT_EQ(out.not_done, "");
  EXPECT_FALSE(out.binary);
  EXPECT_EQ(out.metrics[0].name, "r");
  EXPECT_NEAR(out.metrics[0].value, std::sqrt(2.0 / 3.0), 0.08);
  EXPECT_LT(out.metrics[0].lower, out.metrics[0].value);
  EXPECT_GT(out.metrics[0].upper, out.metrics[0].value);
  EXPECT_GT(out.metrics[1].value, 0.5);
  EXPECT_LT(out.metrics[2].value, out.metrics[2].baseline[0]); // MAE below the mean's
  EXPECT_NEAR(out.coefficient[0], 1.0, 0.25);
  EXPECT_NEAR(out.coefficient[1], -1.0, 0.25);
  EXPECT_LT(out.coefficient.tail(4).cwiseAbs().maxCoeff(), 0.25);
  EXPECT_NEAR(out.coefficient_fold_mean[0], out.coefficient[0], 0.1);
}

// Folds of two people have correlations of -1 and 1 only.
TEST(PenalisedRegression, GivesNoIntervalOfACorrelationFromTinyFolds) {
  Params params = quick();
  params.n_folds = 10;
  const Outputs few = run(simulated(20, 1.0, 17), params, {});
  ASSERT_EQ(few.not_done, "");
  EXPECT_TRUE(std::isnan(few.metrics[0].lower));
  EXPECT_FALSE(std::isnan(few.metrics[2].lower)); // MAE
  EXPECT_FALSE(std::isnan(run(simulated(40, 1.0, 17), params, {}).metrics[0].lower));
}

TEST(PenalisedRegression, FindsAStrongEffectOnABinaryTarget) {
  const Outputs out = run(binary(200, 1.5, 2), quick(), {});
  ASSERT_EQ(out.not_done, "");
  EXPECT_TRUE(out.binary);
  EXPECT_EQ(out.class_value[1], 2.0);
  EXPECT_EQ(out.metrics[0].name, "AUC");
  EXPECT_GT(out.metrics[0].value, 0.85);
  EXPECT_EQ(out.metrics[0].baseline[0], 0.5);
  EXPECT_LT(out.metrics[2].value, out.metrics[2].baseline[0]); // Brier
  EXPECT_EQ(out.set.rows(), 200);
}

// What is fitted in a fold must not move when the fold's own rows and targets move.
TEST(PenalisedRegression, NothingHeldOutReachesTheModel) {
  const Inputs in = simulated(60, 0.5, 3);
  std::vector<cohort::LearningStep> honest = default_steps();
  const auto models = [&](const Inputs& inputs, const std::vector<cohort::LearningStep>& steps) {
    cohort::Learner learner{
        .steps = &steps, .alphas = {0.0, 0.5}, .n_lambdas = 8, .n_inner_folds = 3};
    const cohort::Sample sample{inputs.rows, inputs.target, {}};
    const auto split = cohort::k_fold(60, 5, {}, {}, 1);
    auto held_out = cohort::cross_validate(learner, sample, split, 1, {});
    return std::pair{held_out.models, split};
  };
  const auto [before, split] = models(in, honest);
  Inputs moved = in;
  for (Eigen::Index row = 0; row < 60; ++row) {
    if (split.fold[static_cast<std::size_t>(row)] != 2) continue;
    moved.rows.x.row(row) = moved.rows.x.row(row) * 50.0;
    moved.rows.x(row, 3) = kNaN;
    moved.target[row] = 1000.0;
  }
  const auto after = models(moved, honest).first;
  EXPECT_EQ(before[2].fit.beta, after[2].fit.beta);
  EXPECT_EQ(before[2].lambda, after[2].lambda);
  EXPECT_NE(before[1].fit.beta, after[1].fit.beta);

  // The same check finds a step that scales by all rows: it can fail.
  const auto leaky = [&](const Inputs& inputs) {
    const Eigen::RowVectorXd scale =
        inputs.rows.x.array().isNaN().select(0.0, inputs.rows.x).colwise().norm();
    std::vector<cohort::LearningStep> steps = honest;
    steps.insert(steps.begin(), {"leak", [scale](const cohort::Rows&) {
                                   return [scale](const cohort::Rows& rows) {
                                     cohort::Rows out = rows;
                                     out.x.col(0) += out.x.col(1) * scale[0];
                                     return out;
                                   };
                                 }});
    return models(inputs, steps).first;
  };
  EXPECT_NE(leaky(in)[2].fit.beta, leaky(moved)[2].fit.beta);
}

// ComBat inside the fold, and the same check finds ComBat fitted on everybody.
TEST(PenalisedRegression, HarmonisationOfHeldOutRowsReachesNothing) {
  Inputs in = simulated(60, 0.5, 4);
  for (int i = 0; i < 60; ++i) in.rows.batch.push_back(i % 3);
  const auto split = cohort::k_fold(60, 5, {}, {}, 1);
  Inputs moved = in;
  for (Eigen::Index row = 0; row < 60; ++row) {
    if (split.fold[static_cast<std::size_t>(row)] == 2) moved.rows.x.row(row).array() += 20.0;
  }
  const auto model = [&](const Inputs& inputs, const cohort::LearningStep& harmonise) {
    std::vector<cohort::LearningStep> steps = default_steps();
    steps.insert(steps.begin(), harmonise);
    cohort::Learner learner{.steps = &steps, .alphas = {0.0}, .n_lambdas = 8, .n_inner_folds = 3};
    const cohort::Sample sample{inputs.rows, inputs.target, {}};
    return cohort::cross_validate(learner, sample, split, 1, {}).models[2].fit.beta;
  };
  const cohort::LearningStep honest = combat::step({});
  EXPECT_EQ(model(in, honest), model(moved, honest));
  const auto leaky = [&](const Inputs& inputs) {
    const auto everybody = combat::step({}).fit(inputs.rows);
    return cohort::LearningStep{"leak", [everybody](const cohort::Rows&) { return everybody; }};
  };
  EXPECT_NE(model(in, leaky(in)), model(moved, leaky(moved)));
}

TEST(PenalisedRegression, PermutationPIsUniformWithoutSignal) {
  Params params = quick();
  params.n_repeats = 1;
  params.n_folds = 4;
  params.alphas = {0.0};
  params.n_lambdas = 5;
  params.n_permutations = 19;
  int small = 0, below_half = 0;
  constexpr int kCohorts = 60;
  for (int c = 0; c < kCohorts; ++c) {
    const Outputs out = run(simulated(30, 0.0, 100 + static_cast<std::uint64_t>(c)), params, {});
    EXPECT_EQ(out.permutation_kind, "any_signal");
    if (out.p_value <= 0.05) ++small;
    if (out.p_value <= 0.5) ++below_half;
  }
  EXPECT_LE(small, 10); // binomial(60, 0.05): 99.9 % are at most 9
  EXPECT_GE(below_half, 17);
  EXPECT_LE(below_half, 43); // 30 +- 3.4 SD
  EXPECT_LE(run(simulated(60, 1.0, 5), params, {}).p_value, 0.05);
}

// Outcome and measures both differ between sites and are unrelated inside them.
TEST(PenalisedRegression, SiteAloneIsNotSignal) {
  Inputs in = simulated(120, 0.0, 6);
  Eigen::MatrixXd site(120, 1);
  for (Eigen::Index i = 0; i < 120; ++i) {
    const int s = static_cast<int>(i % 4);
    in.site.push_back(s);
    site(i, 0) = s;
    in.target[i] += 2.0 * s;
    in.rows.x(i, 0) += 2.0 * s;
  }
  in.baselines = {{"site", site}};
  Params params = quick();
  params.n_permutations = 39;
  const Outputs pooled = run(in, params, {});
  EXPECT_GT(pooled.metrics[0].value, 0.7);                                  // looks wonderful
  EXPECT_GT(pooled.metrics[0].baseline[1], pooled.metrics[0].value - 0.05); // so does site alone
  EXPECT_EQ(pooled.permutation_kind, "within_site");
  EXPECT_GT(pooled.p_value, 0.05);
  params.permute_within_site = false;
  EXPECT_LE(run(in, params, {}).p_value, 0.05);
  params.cv = "leave_site_out";
  params.n_permutations = 0;
  const Outputs out = run(in, params, {});
  for (Eigen::Index i = 0; i < 120; ++i) EXPECT_EQ(out.fold(0, i), i % 4);
}

TEST(PenalisedRegression, IntervalsCoverAndStrangersAbstain) {
  Params params = quick();
  double covered = 0, n = 0, abstained = 0;
  for (std::uint64_t seed = 0; seed < 10; ++seed) {
    const Inputs in = simulated(80, 0.7, 200 + seed);
    const Outputs out = run(in, params, {});
    for (Eigen::Index i = 0; i < 80; ++i) {
      covered += in.target[i] >= out.lower[i] && in.target[i] <= out.upper[i] ? 1 : 0;
      abstained += out.abstain[static_cast<std::size_t>(i)];
      ++n;
    }
  }
  EXPECT_NEAR(covered / n, 0.9, 0.025);
  EXPECT_LT(abstained / n, 0.1);
  Inputs in = simulated(80, 0.7, 300);
  in.rows.x.row(7).setConstant(20.0);
  in.rows.x.row(8).head(4).setConstant(kNaN);
  in.rows.x.row(9).setConstant(kNaN);
  const Outputs out = run(in, params, {});
  EXPECT_EQ(out.abstain[7], 1);
  EXPECT_EQ(out.abstain[8], 1);
  EXPECT_EQ(out.abstain[9], 1);
  EXPECT_TRUE(std::isnan(out.prediction[9]));
  EXPECT_EQ(out.n_used, 79);
  EXPECT_EQ(out.abstain_reason[7].rfind("outside the training people: ", 0), 0U);
  EXPECT_EQ(out.abstain_reason[8], "4 of 6 measures are missing");
  EXPECT_EQ(out.abstain_reason[9], "no measure is present");
}

// A study without tasks: what nobody has is no reason to abstain, for the people nor for the model.
TEST(PenalisedRegression, MeasuresThatNobodyHasAreNotCounted) {
  const Inputs in = simulated(80, 0.7, 300);
  Inputs rest_only = in;
  const Eigen::Index n_tasks = 3 * in.rows.x.cols();
  rest_only.rows.x.conservativeResize(Eigen::NoChange, in.rows.x.cols() + n_tasks);
  rest_only.rows.x.rightCols(n_tasks).setConstant(kNaN);
  for (Eigen::Index t = 0; t < n_tasks; ++t) {
    rest_only.rows.names.push_back("task_" + std::to_string(t));
  }
  rest_only.rows.x.row(5).head(4).setConstant(kNaN);
  const Outputs out = run(rest_only, quick(), {});
  const auto abstained = std::count(out.abstain.begin(), out.abstain.end(), 1);
  EXPECT_LE(abstained, 8);
  EXPECT_EQ(out.abstain_reason[5], "4 of 6 measures are missing");
}

TEST(PenalisedRegression, PredictsRowsWithoutATarget) {
  Inputs in = simulated(80, 1.5, 7);
  const Eigen::VectorXd truth = in.target;
  in.target.tail(20).setConstant(kNaN);
  const Outputs out = run(in, quick(), {});
  EXPECT_EQ(out.n_used, 60);
  EXPECT_EQ(out.fold(0, 70), -1);
  EXPECT_TRUE(std::isnan(out.y[70]));
  const Eigen::VectorXd predicted = out.prediction.tail(20);
  const Eigen::VectorXd expected = truth.tail(20);
  const double r = (predicted.array() - predicted.mean())
                       .matrix()
                       .normalized()
                       .dot((expected.array() - expected.mean()).matrix().normalized());
  EXPECT_GT(r, 0.7);
  EXPECT_LT(out.lower[70], out.prediction[70]);
}

TEST(PenalisedRegression, KeepsThePeopleOfRepeatedRowsTogether) {
  Inputs in = simulated(80, 1.0, 8);
  for (int i = 0; i < 80; ++i) in.person.push_back(i / 2);
  Params params = quick();
  params.n_permutations = 5;
  const Outputs out = run(in, params, {});
  for (Eigen::Index i = 0; i < 80; i += 2) EXPECT_EQ(out.fold.col(i), out.fold.col(i + 1));
  EXPECT_EQ(out.null.size(), 5U); // people change places, with all their rows
  EXPECT_LE(out.p_value, 1.0 / 6 + 1e-12);
}

TEST(PenalisedRegression, CountsPeopleOfAClassNotTheirRows) {
  Inputs in = simulated(80, 1.0, 14);
  for (int i = 0; i < 80; ++i) {
    in.person.push_back(i / 4);
    in.target[i] = i < 16 ? 1.0 : 0.0; // 16 rows of 4 people
  }
  EXPECT_NE(run(in, quick(), {}).not_done.find("4 people in the smaller class"), std::string::npos);
}

// Rows change places inside a cell of site and scanner, over all with the scanner they came from.
TEST(PenalisedRegression, ImagingChangesPlacesInsideSiteAndBatch) {
  Inputs in = simulated(60, 0.0, 31);
  for (int i = 0; i < 60; ++i) {
    in.site.push_back(i % 2);
    in.rows.batch.push_back(i % 6);
  }
  Problem problem;
  Outputs out;
  const auto steps = default_steps();
  make_problem(in, quick(), steps, problem, out);
  int moved = 0;
  for (int b = 0; b < 20; ++b) {
    const auto within = shuffled(problem, true, b), free = shuffled(problem, false, b);
    for (std::size_t i = 0; i < 60; ++i) {
      EXPECT_EQ(within[i] % 6, static_cast<Eigen::Index>(i % 6));
      moved += free[i] % 6 != static_cast<Eigen::Index>(i % 6) ? 1 : 0;
    }
    EXPECT_EQ(std::set<Eigen::Index>(within.begin(), within.end()).size(), 60U);
  }
  EXPECT_GT(moved, 800); // of 1,200, five in six by chance
}

// Two scanners a site, outcome and measures both differ between scanners, ComBat by scanner: inside
// scanners there is nothing, and p says so.
TEST(PenalisedRegression, AScannerThatHarmonisationTakesOutIsNotSignal) {
  Params params = quick();
  params.n_repeats = 1;
  params.n_lambdas = 4;
  params.alphas = {0.0};
  params.n_permutations = 19;
  int small = 0, below_half = 0;
  constexpr int kCohorts = 60;
  for (int c = 0; c < kCohorts; ++c) {
    Inputs in = simulated(48, 0.0, 900 + static_cast<std::uint64_t>(c));
    for (Eigen::Index i = 0; i < 48; ++i) {
      const int scanner = static_cast<int>(i % 4);
      in.site.push_back(scanner / 2);
      in.rows.batch.push_back(scanner);
      in.target[i] += 2.0 * scanner;
      in.rows.x.row(i).array() += 1.5 * scanner;
    }
    in.steps = default_steps();
    in.steps.insert(in.steps.begin(), combat::step({.single_member = "location"}));
    const double p = run(in, params, {}).p_value;
    small += p <= 0.05 ? 1 : 0;
    below_half += p <= 0.5 ? 1 : 0;
  }
  // 99.9 % binomial intervals of 5 % and of 50 % in 60.
  EXPECT_LE(small, 10);
  EXPECT_GE(below_half, 18);
  EXPECT_LE(below_half, 42);
}

TEST(PenalisedRegression, AFoldThatAStepCannotLearnFromIsNamed) {
  Inputs in = simulated(40, 1.0, 32);
  for (int i = 0; i < 40; ++i) in.rows.batch.push_back(i < 2 ? 0 : 1);
  in.steps = default_steps();
  in.steps.insert(in.steps.begin(), combat::step({}));
  const auto message = [&] {
    try {
      (void)run(in, quick(), {});
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::input);
      return std::string(error.what());
    }
    return std::string();
  };
  const std::string many = message();
  EXPECT_EQ(many.find("outer fold "), 0U) << many;
  EXPECT_NE(many.find("training rows): combat: 1 of 2 batches hold one person"), std::string::npos)
      << many;
  const tbb::global_control one(tbb::global_control::max_allowed_parallelism, 1);
  EXPECT_EQ(message(), many); // the first in order, not in time
}

TEST(PenalisedRegression, LeaveSiteOutNeverTrainsOnThePeopleItTests) {
  Inputs in = simulated(80, 1.0, 15);
  Params params = quick();
  params.cv = "leave_site_out";
  for (int i = 0; i < 80; ++i) {
    in.person.push_back(i / 2);
    in.site.push_back(i / 2 % 3);
  }
  EXPECT_EQ(run(in, params, {}).not_done, "");
  in.site[7] = 2; // the second visit of person 3, whose first was at site 0
  EXPECT_NE(run(in, params, {}).not_done.find("1 people were seen at several sites"),
            std::string::npos);
}

TEST(PenalisedRegression, LeaveSiteOutDoesNotLearnFromRowsWithoutASite) {
  Inputs in = simulated(80, 1.0, 16);
  Params params = quick();
  params.cv = "leave_site_out";
  for (int i = 0; i < 80; ++i) in.site.push_back(i < 10 ? -1 : i % 2);
  const Outputs before = run(in, params, {});
  EXPECT_EQ(before.n_used, 70);
  EXPECT_EQ(before.fold(0, 3), -1);
  in.target.head(10).array() += 100.0;
  EXPECT_EQ(before.prediction, run(in, params, {}).prediction);
}

TEST(PenalisedRegression, IgnoresColumnsWithoutAValueAndTheUnitOfOthers) {
  Inputs in = simulated(80, 1.0, 9);
  in.rows.names = {"a", "b", "c", "d", "e", "f"};
  const Outputs before = run(in, quick(), {});
  in.rows.x.col(2) *= 1000.0;
  const Outputs scaled = run(in, quick(), {});
  EXPECT_LT((before.prediction - scaled.prediction).cwiseAbs().maxCoeff(), 1e-6);
  in.rows.x.col(5).setConstant(kNaN);
  const Outputs out = run(in, quick(), {});
  EXPECT_EQ(out.feature_names, (std::vector<std::string>{"a", "b", "c", "d", "e"}));
}

TEST(PenalisedRegression, SameBitsAtAnyThreadCount) {
  Params params = quick();
  params.n_permutations = 6;
  const Inputs in = simulated(50, 0.5, 10);
  const auto with_threads = [&](int n) {
    const tbb::global_control control(tbb::global_control::max_allowed_parallelism, 8);
    tbb::task_arena arena(n);
    return arena.execute([&] { return run(in, params, {}); });
  };
  const Outputs one = with_threads(1);
  const Outputs eight = with_threads(8);
  EXPECT_EQ(one.prediction, eight.prediction);
  EXPECT_EQ(one.null, eight.null);
}

// Outcome and measures differ between sites and are unrelated inside them: the permutation inside
// sites is uniform, and a site that was never seen is predicted at chance.
TEST(PenalisedRegression, AnOutcomeTiedToTheSiteFoolsNeitherTestNorNewSite) {
  Params params = quick();
  params.n_repeats = 1;
  params.n_folds = 4;
  params.model = "ridge";
  params.n_lambdas = 4;
  params.n_permutations = 19;
  Params new_site = params;
  new_site.cv = "leave_site_out";
  new_site.n_permutations = 0;
  int small = 0, below_half = 0;
  double within = 0.0;
  constexpr int kCohorts = 40;
  for (int c = 0; c < kCohorts; ++c) {
    Inputs in = simulated(48, 0.0, 500 + static_cast<std::uint64_t>(c));
    Grouping sites{"site", {"0", "1", "2", "3"}, {}};
    for (Eigen::Index i = 0; i < 48; ++i) {
      const int s = static_cast<int>(i % 4);
      in.site.push_back(s);
      in.target[i] += 2.0 * s;
      in.rows.x(i, 0) += 2.0 * s;
    }
    sites.level = in.site;
    in.groupings = {sites};
    const double p = run(in, params, {}).p_value;
    small += p <= 0.05 ? 1 : 0;
    below_half += p <= 0.5 ? 1 : 0;
    within += run(in, new_site, {}).pooled_sites.value / kCohorts;
  }
  EXPECT_LE(small, 8); // binomial(40, 0.05): 99.9 % are at most 7
  EXPECT_GE(below_half, 9);
  EXPECT_LE(below_half, 31);                                         // 20 +- 3.4 SD
  EXPECT_NEAR(within, 0.0, 3.5 / std::sqrt(44.0 * kCohorts) + 0.02); // r inside sites
}

TEST(PenalisedRegression, TheIncrementIsWhatTheBaselinesDoNotTell) {
  Inputs in = simulated(120, 1.0, 21);
  in.baselines = {{"first", in.rows.x.leftCols(1)}, {"noise", in.rows.x.col(4)}};
  Params params = quick();
  params.n_permutations = 19;
  const Outputs helps = run(in, params, {});
  EXPECT_EQ(helps.baseline_names, (std::vector<std::string>{"mean", "first", "noise", "joint"}));
  EXPECT_EQ(helps.increment.over, "first+noise");
  EXPECT_GT(helps.increment.difference, 0.1);
  EXPECT_EQ(helps.increment.p_value, 0.05);
  in.baselines = {{"all", in.rows.x}}; // imaging repeats what the baseline holds
  const Outputs nothing = run(in, params, {});
  EXPECT_EQ(nothing.increment.over, "all");
  EXPECT_NEAR(nothing.increment.difference, 0.0, 0.02);
}

TEST(PenalisedRegression, EveryModelFindsAStrongEffect) {
  for (const char* model : {"ridge", "lasso", "svm", "cpm"}) {
    Params params = quick();
    params.model = model;
    const Outputs out = run(binary(150, 1.5, 22), params, {});
    ASSERT_EQ(out.not_done, "") << model;
    EXPECT_GT(out.metrics[0].value, 0.8) << model;
    EXPECT_LT(out.metrics[2].value, out.metrics[2].baseline[0]) << model; // Brier
    EXPECT_NEAR(out.calibration.slope, 1.0, 0.5) << model;
  }
  Params params = quick();
  params.model = "biotypes";
  params.n_biotypes = 2;
  Inputs in = simulated(120, 0.0, 23);
  for (Eigen::Index i = 0; i < 120; ++i) { // two shapes, which carry the target
    in.rows.x.row(i) *= 0.3;
    in.rows.x(i, i % 2) += 3.0;
    in.target[i] += 3.0 * static_cast<double>(i % 2);
  }
  const Outputs out = run(in, params, {});
  EXPECT_GT(out.metrics[0].value, 0.7);
  EXPECT_EQ(out.feature_names, (std::vector<std::string>{"biotype_1", "biotype_2"}));
  params.model = "svm";
  EXPECT_EQ(run(in, params, {}).not_done, "svm needs a binary target");
}

TEST(PenalisedRegression, ContributionsAddUpToThePrediction) {
  Inputs in = simulated(80, 1.0, 24);
  in.rows.names = {"a", "b", "c", "d", "e", "f"};
  in.feature_group = {{"a", "one"}, {"b", "two"}, {"c", "two"},
                      {"d", "two"}, {"e", "two"}, {"f", "two"}};
  Params params = quick();
  params.n_repeats = 1;
  in.target.tail(10).setConstant(kNaN);
  const Outputs out = run(in, params, {});
  EXPECT_EQ(out.contribution_names, (std::vector<std::string>{"one", "two"}));
  // Of one fold and one model the sum differs from the prediction by the intercept only.
  for (const int fold : {0, 1, -1}) {
    double intercept = kNaN;
    for (Eigen::Index i = 0; i < 80; ++i) {
      if (out.fold(0, i) != fold) continue;
      const double rest = out.prediction[i] - out.contribution.row(i).sum();
      if (std::isnan(intercept)) intercept = rest;
      EXPECT_NEAR(rest, intercept, 1e-9);
    }
  }
}

TEST(PenalisedRegression, SaysForWhomIntervalsHold) {
  Inputs in = simulated(110, 1.0, 25);
  for (int i = 0; i < 110; ++i) in.site.push_back(i % 11);
  Params params = quick();
  EXPECT_NE(run(in, params, {}).guarantee.find("a new site: none"), std::string::npos);
  params.cv = "leave_site_out";
  const Outputs many = run(in, params, {});
  EXPECT_EQ(many.guarantee, "people of a new site or study like those seen");
  EXPECT_TRUE(std::isfinite(many.upper[0]));
  for (int& site : in.site) site %= 5;
  EXPECT_EQ(run(in, params, {}).guarantee,
            "no guarantee: 4 calibrating sites or studies, needed 9");
}

// 90 % per class, for everyone and for those not abstained from; 60 cohorts of 60 people.
TEST(PenalisedRegression, SetsCoverEachClassBeforeAndAfterAbstention) {
  Params params = quick();
  params.model = "ridge";
  params.n_repeats = 1;
  params.n_lambdas = 5;
  double covered[2][2] = {}, n[2][2] = {};
  for (std::uint64_t c = 0; c < 60; ++c) {
    const Outputs out = run(binary(60, 0.7, 700 + c), params, {});
    for (Eigen::Index i = 0; i < 60; ++i) {
      const int label = out.y[i] > 0.5 ? 1 : 0;
      for (int kept = 0; kept <= 1 - out.abstain[static_cast<std::size_t>(i)]; ++kept) {
        covered[kept][label] += out.set(i, label);
        ++n[kept][label];
      }
    }
  }
  for (const int kept : {0, 1}) {
    for (const int label : {0, 1}) {
      EXPECT_NEAR(covered[kept][label] / n[kept][label], 0.9, 0.03) << kept << label;
    }
  }
  EXPECT_LE(1.0 - (n[1][0] + n[1][1]) / (n[0][0] + n[0][1]), 0.1);
}

// Each a declared rule: an answer or a reason, never a crash.
TEST(PenalisedRegression, BadInputHasARule) {
  Params params = quick();
  Inputs in = simulated(60, 1.0, 26);
  in.rows.x.col(3).setConstant(7.0); // a constant column weighs nothing
  const Outputs constant = run(in, params, {});
  EXPECT_EQ(constant.coefficient[3], 0.0);

  in = simulated(60, 1.0, 26); // a covariate with one level has no column
  in.baselines = {{"sex", Eigen::MatrixXd(60, 0)}, {"age", in.rows.x.col(0)}};
  EXPECT_TRUE(std::isfinite(run(in, params, {}).increment.difference));

  in = simulated(60, 1.0, 26); // a copy under another number shares its fold
  in.rows.x.row(11) = in.rows.x.row(40);
  const Outputs copies = run(in, params, {});
  EXPECT_EQ(copies.n_copies, 1);
  EXPECT_EQ(copies.fold.col(11), copies.fold.col(40));

  in = simulated(60, 1.0, 27); // one site of one person, and one of one class only
  for (int i = 0; i < 60; ++i) in.site.push_back(i == 0 ? 0 : i < 20 ? 1 : 2);
  in.target = (in.target.array() > 0).select(Eigen::VectorXd::Constant(60, 1.0), 0.0);
  for (int i = 1; i < 20; ++i) in.target[i] = 1.0;
  in.groupings = {{"site", {"one", "same", "mixed"}, in.site}};
  params.cv = "leave_site_out";
  const Outputs sites = run(in, params, {});
  EXPECT_EQ(sites.not_done, "");
  EXPECT_TRUE(std::isnan(sites.groups[0].metric.value));
  EXPECT_TRUE(std::isnan(sites.groups[1].metric.value));
  EXPECT_LE(sites.pooled_sites.n_groups, 1); // nothing to pool
  EXPECT_TRUE(std::isnan(sites.pooled_sites.value));

  params.cv = "leave_study_out";
  EXPECT_EQ(run(in, params, {}).not_done, "leave_study_out needs at least two studies, found 0");
  for (int i = 0; i < 60; ++i) in.study.push_back(i % 2);
  EXPECT_EQ(run(in, params, {}).fold(0, 3), 1);

  params.cv = "k_fold"; // more columns than people
  in = simulated(40, 1.0, 28);
  Random random(29);
  Eigen::MatrixXd wide(40, 300);
  for (double& v : wide.reshaped()) v = random.normal();
  wide.leftCols(6) = in.rows.x;
  in.rows.x = wide;
  EXPECT_EQ(run(in, params, {}).feature_names.size(), 300U);

  in.target = Eigen::VectorXd::LinSpaced(40, 0, 2).array().round(); // three values: continuous
  EXPECT_FALSE(run(in, params, {}).binary);
}

TEST(PenalisedRegression, SaysWhyItIsNotDone) {
  const auto reason = [](const Inputs& in, const Params& params = quick()) {
    return run(in, params, {}).not_done;
  };
  Inputs in = simulated(12, 1.0, 11);
  EXPECT_NE(reason(in).find("12 people"), std::string::npos);
  in = simulated(40, 1.0, 11);
  in.target.setConstant(kNaN);
  EXPECT_NE(reason(in).find("nobody"), std::string::npos);
  in.target.setConstant(3.0);
  EXPECT_NE(reason(in).find("one value"), std::string::npos);
  in.target.head(3).setConstant(4.0);
  EXPECT_NE(reason(in).find("3 people in the smaller class"), std::string::npos);
  in = simulated(40, 1.0, 12);
  in.rows.x.setConstant(kNaN);
  EXPECT_NE(reason(in).find("nobody has both"), std::string::npos);
  in = simulated(40, 1.0, 12);
  Params by_site = quick();
  by_site.cv = "leave_site_out";
  EXPECT_NE(reason(in, by_site).find("two sites"), std::string::npos);
  in.site.assign(40, 1);
  EXPECT_NE(reason(in, by_site).find("two sites"), std::string::npos);
}

TEST(PenalisedRegression, RefusesWhatDoesNotFit) {
  Inputs in = simulated(40, 1.0, 13);
  Params params = quick();
  params.target_kind = "binary";
  EXPECT_THROW((void)run(in, params, {}), Error);
  in.person = {1, 2, 3};
  EXPECT_THROW((void)run(in, quick(), {}), Error);
}

} // namespace
} // namespace boldmill::penalised_regression
