// Planted leaks: the model of a fold must keep its bits when the rows and targets it holds out
// move. Each way of cheating is planted once and must be found by the same check.
#include <gtest/gtest.h>

#include <Eigen/Eigenvalues>
#include <cmath>
#include <functional>

#include "stages/cohort/combat.hpp"
#include "stages/cohort/imputation.hpp"
#include "stages/cohort/kernels/cross_validation.hpp"
#include "stages/cohort/penalised_regression.hpp"
#include "stages/cohort/standardisation.hpp"
#include "stages/core/random.hpp"
#include "stages/core/statistics.hpp"

namespace boldmill::penalised_regression {
namespace {

using cohort::LearningStep;
using cohort::Rows;
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr Eigen::Index kPeople = 60;
constexpr int kFold = 2;

struct Data {
  Rows rows;
  Eigen::VectorXd y;
};
Data data(std::uint64_t seed) {
  Random random(seed);
  Data out;
  out.rows.x.resize(kPeople, 6);
  for (double& v : out.rows.x.reshaped()) v = 2.0 + random.normal();
  out.y = out.rows.x.col(0) - out.rows.x.col(1);
  for (Eigen::Index i = 0; i < kPeople; ++i) {
    out.y[i] += random.normal();
    out.rows.batch.push_back(static_cast<int>(i % 3));
    out.rows.is_reference.push_back(i % 2 == 0 ? 1 : 0);
    if (i % 7 == 0) out.rows.x(i, 4) = kNaN;
    out.rows.names = {"a", "b", "c", "d", "e", "f"};
  }
  return out;
}
const cohort::Split& folds() {
  static const cohort::Split split = cohort::k_fold(kPeople, 5, {}, {}, 1);
  return split;
}
Data moved(Data in) {
  for (Eigen::Index row = 0; row < kPeople; ++row) {
    if (folds().fold[static_cast<std::size_t>(row)] != kFold) continue;
    in.rows.x.row(row) = in.rows.x.row(row) * 3.0;
    in.rows.x(row, 3) = kNaN;
    in.y[row] = 50.0 + static_cast<double>(row);
  }
  return in;
}

using Steps = std::function<std::vector<LearningStep>(const Data&)>;
using Target = std::function<Eigen::VectorXd(const Data&)>;
// True when the model of the fold feels what it holds out.
bool leaks(
    const Steps& steps_of, cohort::Model model = cohort::Model::elastic_net,
    const Target& target = [](const Data& d) { return d.y; }) {
  const auto fitted = [&](const Data& d) {
    const std::vector<LearningStep> steps = steps_of(d);
    const cohort::Learner learner{.steps = &steps,
                                  .model = model,
                                  .alphas = {0.0, 0.5},
                                  .n_lambdas = 6,
                                  .thresholds = {0.05},
                                  .n_inner_folds = 3};
    auto held_out = cohort::cross_validate(learner, {d.rows, target(d), {}}, folds(), 1, {});
    return held_out.models[kFold];
  };
  const cohort::Trained before = fitted(data(3));
  const cohort::Trained after = fitted(moved(data(3)));
  EXPECT_TRUE(before.usable && after.usable);
  return before.fit.beta.size() != after.fit.beta.size() || before.fit.beta != after.fit.beta ||
         before.fit.intercept != after.fit.intercept || before.lambda != after.lambda ||
         before.largest_distance != after.largest_distance;
}

// The step as it would be were it fitted once, on everybody.
LearningStep on_everybody(const LearningStep& step, const Rows& all) {
  const LearningStep::Apply fitted = step.fit(all);
  return {step.name, [fitted](const Rows&) { return fitted; }};
}
std::vector<LearningStep> then_defaults(const LearningStep& first) {
  std::vector<LearningStep> steps = default_steps();
  steps.insert(steps.begin(), first);
  return steps;
}
void expect_found(const LearningStep& step) {
  EXPECT_FALSE(leaks([&](const Data&) { return then_defaults(step); })) << step.name;
  EXPECT_TRUE(leaks([&](const Data& d) { return then_defaults(on_everybody(step, d.rows)); }))
      << step.name;
}

TEST(PlantedLeak, Imputation) { expect_found(imputation::step({})); }
TEST(PlantedLeak, Scaling) { expect_found(standardisation::step({})); }
TEST(PlantedLeak, ComBat) { expect_found(combat::step({})); }
TEST(PlantedLeak, NormsFittedOnAllRows) {
  expect_found(standardisation::step({.reference = "controls", .min_controls = 5}));
}

// Columns are the lower triangle of a 3 x 3 covariance; whitened by the mean of the training rows.
TEST(PlantedLeak, TangentMean) {
  const auto matrix = [](const Eigen::RowVectorXd& row) {
    Eigen::Matrix3d c;
    c << 9 + std::abs(row[0]), row[1], row[2], row[1], 9 + std::abs(row[3]), row[4], row[2], row[4],
        9 + std::abs(row[5]);
    return c;
  };
  const LearningStep tangent{"tangent", [matrix](const Rows& training) {
                               Eigen::Matrix3d sum = Eigen::Matrix3d::Zero();
                               for (const auto& row : training.x.rowwise()) sum += matrix(row);
                               const Eigen::SelfAdjointEigenSolver<Eigen::Matrix3d> mean(
                                   sum / static_cast<double>(training.x.rows()));
                               const Eigen::Matrix3d whiten = mean.operatorInverseSqrt();
                               return [matrix, whiten](const Rows& rows) {
                                 Rows out = rows;
                                 for (Eigen::Index i = 0; i < rows.x.rows(); ++i) {
                                   const Eigen::Matrix3d c =
                                       whiten * matrix(rows.x.row(i)) * whiten;
                                   out.x.row(i) << c(0, 0), c(1, 0), c(2, 0), c(1, 1), c(2, 1),
                                       c(2, 2);
                                 }
                                 return out;
                               };
                             }};
  const auto steps = [&](const LearningStep& step) {
    return std::vector<LearningStep>{imputation::step({}), step, standardisation::step({})};
  };
  EXPECT_FALSE(leaks([&](const Data&) { return steps(tangent); }));
  EXPECT_TRUE(leaks([&](const Data& d) {
    Rows filled = d.rows;
    filled.x = filled.x.array().isNaN().select(2.0, filled.x);
    return steps(on_everybody(tangent, filled));
  }));
}

// Columns that correlate with the target: inside the fold (cpm), or once, with every target.
TEST(PlantedLeak, Selection) {
  EXPECT_FALSE(leaks([](const Data&) { return default_steps(); }, cohort::Model::connectome));
  const auto chosen_once = [](const Data& d) {
    std::vector<Eigen::Index> kept;
    const Eigen::MatrixXd x = d.rows.x.array().isNaN().select(2.0, d.rows.x);
    for (Eigen::Index c = 0; c < x.cols(); ++c) {
      const double r = pearson({x.col(c).data(), kPeople}, {d.y.data(), kPeople});
      if (std::abs(r) > 0.25) kept.push_back(c);
    }
    return then_defaults({"chosen", [kept](const Rows&) {
                            return [kept](const Rows& rows) {
                              Rows out = rows;
                              out.x = rows.x(Eigen::all, kept);
                              out.names.resize(kept.size());
                              return out;
                            };
                          }});
  };
  EXPECT_TRUE(leaks(chosen_once));
}

// Responders by a cut declared beforehand, or by the median of everybody.
TEST(PlantedLeak, Threshold) {
  const auto steps = [](const Data&) { return default_steps(); };
  const auto cut_at = [](const Data& d, double limit) -> Eigen::VectorXd {
    return (d.y.array() > limit).cast<double>();
  };
  EXPECT_FALSE(
      leaks(steps, cohort::Model::elastic_net, [&](const Data& d) { return cut_at(d, 0.0); }));
  EXPECT_TRUE(leaks(steps, cohort::Model::elastic_net, [&](const Data& d) {
    return cut_at(d, median({d.y.begin(), d.y.end()}));
  }));
}

TEST(PlantedLeak, NoModelFeelsWhatItHoldsOut) {
  for (const auto model : {cohort::Model::elastic_net, cohort::Model::connectome}) {
    EXPECT_FALSE(leaks([](const Data&) { return default_steps(); }, model));
  }
  EXPECT_FALSE(
      leaks([](const Data&) { return default_steps(); }, cohort::Model::svm,
            [](const Data& d) -> Eigen::VectorXd { return (d.y.array() > 0).cast<double>(); }));
}

} // namespace
} // namespace boldmill::penalised_regression
