// The interval of the AUC: closed forms, and a short version of `prediction_benchmark interval`.
#include "stages/cohort/kernels/cross_validated_auc.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "stages/cohort/kernels/metrics.hpp"
#include "stages/cohort/penalised_regression.hpp"
#include "stages/core/random.hpp"

namespace boldmill::cohort {
namespace {

constexpr double kZ = 1.959963984540054;

double logit(double p) { return std::log(p / (1.0 - p)); }

// Placements 1, 1/2 of both classes, A = 3/4: influences of 1/8 each way, V_D = 4/3 (4 / 64).
TEST(CrossValidatedAuc, IsPlacementsAloneWhereTheModelStandsStill) {
  const Eigen::Vector4d y{0, 0, 1, 1};
  Eigen::MatrixXd score(4, 2);
  score.col(0) = score.col(1) = Eigen::Vector4d{1, 3, 2, 4};
  const std::vector<Split> splits(2, Split{{0, 0, 0, 0}, 1});
  const CrossValidatedAuc out = cross_validated_auc(y, score, splits, {});
  EXPECT_NEAR(out.value, 0.75, 1e-15);
  EXPECT_NEAR(out.direct, 1.0 / 12.0, 1e-15);
  EXPECT_NEAR(out.noise, 0.0, 1e-15);
  const double half = kZ * std::sqrt(1.0 / 12.0) / (0.75 * 0.25);
  EXPECT_NEAR(logit(out.lower), logit(0.75) - half, 1e-12);
  EXPECT_NEAR(logit(out.upper), logit(0.75) + half, 1e-12);
  // Two people, a row of each class each, whose influences cancel: the least that is allowed.
  EXPECT_NEAR(cross_validated_auc(y, score, splits, {7, 8, 7, 8}).direct, 0.25 / 16.0, 1e-15);
}

// Two repeats of five folds that agree with c = 0.96: phi = 5 (1 - c) = 0.2, and of the instability
// 1 - (1 - 1/2) / 5 = 0.9 is left.
TEST(CrossValidatedAuc, AddsTheInstabilityBetweenRepeats) {
  const double turn = std::acos(0.96);
  Eigen::VectorXd y(200), a(200), b(200);
  for (Eigen::Index i = 0; i < 200; ++i) {
    y[i] = i % 2 == 0 ? 1.0 : 0.0;
    const double angle = 2.0 * M_PI * static_cast<double>(i) / 200.0;
    a[i] = std::sin(angle); // correlates cos(turn) with b
    b[i] = std::sin(angle + turn);
  }
  Eigen::MatrixXd score(200, 2);
  score << a, b;
  std::vector<Split> splits;
  for (std::uint64_t seed : {1, 2}) splits.push_back(k_fold(200, 5, {}, {}, seed));
  const CrossValidatedAuc out = cross_validated_auc(y, score, splits, {});
  EXPECT_NEAR(out.noise, 0.2, 1e-12);
  const double half =
      kZ * std::sqrt(out.direct * (1.0 + 0.2 * 0.9)) / (out.value * (1 - out.value));
  EXPECT_NEAR(logit(out.upper) - logit(out.value), half, 1e-12);
  score.col(1) = -score.col(0); // no more than the folds of one repeat allow
  EXPECT_NEAR(cross_validated_auc(y, score, splits, {}).noise, 4.0, 1e-12);
}

TEST(CrossValidatedAuc, HasNoValueWithoutFoldsOfBothClasses) {
  const Eigen::Vector4d y{0, 0, 1, 1};
  const Eigen::MatrixXd score = Eigen::MatrixXd::Random(4, 2);
  const std::vector<Split> splits(2, Split{{0, 0, 1, 1}, 2});
  EXPECT_TRUE(std::isnan(cross_validated_auc(y, score, splits, {}).lower));
  // Scores that never vary: 0.5, no instability.
  const std::vector<Split> whole(2, Split{{0, 0, 0, 0}, 1});
  const CrossValidatedAuc flat = cross_validated_auc(y, Eigen::MatrixXd::Zero(4, 2), whole, {});
  EXPECT_EQ(flat.value, 0.5);
  EXPECT_EQ(flat.noise, 0.0);
  EXPECT_LT(flat.lower, 0.5);
}

penalised_regression::Inputs cohort_of(Eigen::Index n, double effect, Random& random) {
  penalised_regression::Inputs in;
  in.rows.x.resize(n, 10);
  in.target.resize(n);
  for (double& v : in.rows.x.reshaped()) v = random.normal();
  for (Eigen::Index i = 0; i < n; ++i) {
    const double eta = effect * (in.rows.x(i, 0) - in.rows.x(i, 1));
    in.target[i] = random.uniform() < 1.0 / (1.0 + std::exp(-eta)) ? 1.0 : 0.0;
  }
  return in;
}

// Share of cohorts of 100 people whose interval holds the AUC, on 5,000 new people, of the model
// fitted on the cohort.
double coverage(double effect, int cohorts) {
  Random random(7);
  const auto fresh = cohort_of(5000, effect, random);
  penalised_regression::Params params;
  params.model = "ridge";
  params.n_repeats = 2;
  params.n_inner_folds = 3;
  params.n_lambdas = 8;
  params.n_permutations = 0;
  int covered = 0;
  for (int c = 0; c < cohorts; ++c) {
    params.random_seed = c + 1;
    const auto in = cohort_of(100, effect, random);
    const auto out = penalised_regression::run(in, params, {});
    const Eigen::RowVectorXd centre = in.rows.x.colwise().mean();
    const Eigen::RowVectorXd sd = (in.rows.x.rowwise() - centre).colwise().norm();
    const Eigen::VectorXd weight = out.coefficient.array() / sd.transpose().array();
    const double truth = effect == 0.0 ? 0.5 : auc(fresh.target, fresh.rows.x * weight);
    covered += out.metrics[0].lower <= truth && truth <= out.metrics[0].upper ? 1 : 0;
  }
  return static_cast<double>(covered) / cohorts;
}

// 99.9 % binomial interval of 95 % in 200 cohorts; the full size is in benchmarks/results.md.
TEST(CrossValidatedAuc, CoversTheModelOnNewPeople) {
  for (const double effect : {0.0, 0.6}) {
    const double share = coverage(effect, 200);
    EXPECT_GE(share, 0.89) << effect;
    EXPECT_LE(share, 0.995) << effect;
  }
}

} // namespace
} // namespace boldmill::cohort
