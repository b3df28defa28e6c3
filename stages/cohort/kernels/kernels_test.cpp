#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <set>
#include <sstream>

#include "stages/cohort/imputation.hpp"
#include "stages/cohort/kernels/conformal.hpp"
#include "stages/cohort/kernels/elastic_net.hpp"
#include "stages/cohort/kernels/folds.hpp"
#include "stages/cohort/kernels/metrics.hpp"
#include "stages/cohort/kernels/rank_tests.hpp"
#include "stages/cohort/standardisation.hpp"
#include "stages/cohort/test_data.hpp"

namespace boldmill::cohort {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

ElasticNetSettings tight(Family family, double alpha) {
  return {.family = family, .alpha = alpha, .tolerance = 1e-14, .max_sweeps = 1000000};
}

TEST(ElasticNet, ReachesTheObjectiveOfScikitLearn) {
  std::ifstream stream(BOLDMILL_SOURCE_DIR "/tests/reference/cohort/elastic_net.tsv");
  const test_data::Problem problems[2] = {test_data::problem(40, 8, 100),
                                          test_data::problem(30, 60, 200)};
  int n_cases = 0;
  for (std::string line; std::getline(stream, line); ++n_cases) {
    std::istringstream text(line);
    std::string name;
    int which = 0;
    double lambda = 0, alpha = 0, objective = 0, intercept = 0;
    text >> name >> which >> lambda >> alpha >> objective >> intercept;
    const auto& problem = problems[which];
    const Family family = name == "gaussian" ? Family::gaussian : Family::binomial;
    const Eigen::VectorXd& y = family == Family::gaussian ? problem.y : problem.binary;
    const auto settings = tight(family, alpha);
    const auto fit = elastic_net_path(problem.x, y, {10 * lambda, lambda}, settings)[1];
    EXPECT_TRUE(fit.converged) << line.substr(0, 40);
    EXPECT_NEAR(elastic_net_objective(problem.x, y, fit, lambda, settings), objective, 1e-8)
        << line.substr(0, 40);
    EXPECT_NEAR(fit.intercept, intercept, 2e-4) << line.substr(0, 40);
    for (Eigen::Index j = 0; j < fit.beta.size(); ++j) {
      double expected = 0;
      text >> expected;
      EXPECT_NEAR(fit.beta[j], expected, 2e-4) << j << " " << line.substr(0, 40);
    }
  }
  EXPECT_EQ(n_cases, 24);
}

// (X'X/n + lambda I)^-1 X'y/n
TEST(ElasticNet, RidgeIsItsClosedForm) {
  const auto p = test_data::problem(50, 6, 3);
  const Eigen::MatrixXd x = p.x.rowwise() - p.x.colwise().mean();
  const Eigen::MatrixXd a = x.transpose() * x / 50.0 + 0.7 * Eigen::MatrixXd::Identity(6, 6);
  const Eigen::VectorXd expected =
      a.ldlt().solve(x.transpose() * (p.y.array() - p.y.mean()).matrix() / 50.0);
  const auto fit = elastic_net_path(p.x, p.y, {0.7}, tight(Family::gaussian, 0.0))[0];
  EXPECT_LT((fit.beta - expected).norm(), 1e-6);
}

TEST(ElasticNet, StationaryAtEveryCoordinate) {
  for (const Family family : {Family::gaussian, Family::binomial}) {
    const auto p = test_data::problem(60, 10, 5);
    const Eigen::VectorXd& y = family == Family::gaussian ? p.y : p.binary;
    const double lambda = 0.05;
    const auto fit = elastic_net_path(p.x, y, {lambda}, tight(family, 0.6))[0];
    const Eigen::VectorXd error = y - elastic_net_predict(p.x, fit, family);
    EXPECT_NEAR(error.mean(), 0.0, 1e-6);
    for (Eigen::Index j = 0; j < 10; ++j) {
      const double pull = p.x.col(j).dot(error) / 60 - lambda * 0.4 * fit.beta[j];
      if (fit.beta[j] == 0.0)
        EXPECT_LE(std::abs(pull), lambda * 0.6 + 1e-6);
      else
        EXPECT_NEAR(pull, std::copysign(lambda * 0.6, fit.beta[j]), 1e-6);
    }
  }
}

// More columns than the Gram matrix is used for give what the same columns give without the noise.
TEST(ElasticNet, ManyColumnsSolveTheSameProblem) {
  const auto p = test_data::problem(30, 60, 200);
  Eigen::MatrixXd wide = Eigen::MatrixXd::Zero(30, 2100);
  wide.leftCols(60) = p.x;
  const auto narrow = elastic_net_path(p.x, p.y, {0.1}, tight(Family::gaussian, 0.5))[0];
  const auto fit = elastic_net_path(wide, p.y, {0.1}, tight(Family::gaussian, 0.5))[0];
  EXPECT_LT((fit.beta.head(60) - narrow.beta).norm(), 1e-6);
  EXPECT_EQ(fit.beta.tail(2040).norm(), 0.0);
}

TEST(ElasticNet, PathStartsAtZeroCoefficients) {
  const auto p = test_data::problem(40, 8, 100);
  const auto lambdas = lambda_path(p.x, p.y, 0.5, 10, 1e-3);
  EXPECT_NEAR(lambdas.back() / lambdas.front(), 0.5e-3, 1e-12);
  EXPECT_NEAR(lambda_path(p.x, p.y, 0.0, 10, 1e-3).back(), lambdas.back(), 1e-12);
  const auto path = elastic_net_path(p.x, p.y, lambdas, tight(Family::gaussian, 0.5));
  EXPECT_EQ(path[0].beta.norm(), 0.0);
  EXPECT_GT(path[1].beta.norm(), 0.0);
  EXPECT_NEAR(path[0].intercept, p.y.mean(), 1e-12);
}

TEST(ElasticNet, SeparableClassesStayFinite) {
  Eigen::MatrixXd x(20, 1);
  x.col(0).setLinSpaced(-1, 1);
  const Eigen::VectorXd y = (x.col(0).array() > 0).cast<double>();
  const auto fit = elastic_net_path(x, y, {1e-6}, {.family = Family::binomial, .alpha = 0.0})[0];
  EXPECT_TRUE(std::isfinite(fit.beta[0]));
  EXPECT_GT(fit.beta[0], 5.0);
}

TEST(Folds, AreBalancedStratifiedAndKeepPeopleTogether) {
  std::vector<int> strata(40, 0), person(40);
  for (std::size_t i = 0; i < 40; ++i) {
    person[i] = static_cast<int>(i / 2);
    strata[i] = i < 20 ? 1 : 0;
  }
  const Split split = k_fold(40, 5, strata, person, 9);
  std::vector<int> size(5, 0), ones(5, 0);
  for (std::size_t i = 0; i < 40; ++i) {
    EXPECT_EQ(split.fold[i], split.fold[i ^ 1U]);
    ++size[static_cast<std::size_t>(split.fold[i])];
    ones[static_cast<std::size_t>(split.fold[i])] += strata[i];
  }
  EXPECT_EQ(size, std::vector<int>(5, 8));
  EXPECT_EQ(ones, std::vector<int>(5, 4));
  EXPECT_EQ(k_fold(40, 5, strata, person, 9).fold, split.fold);
  EXPECT_NE(k_fold(40, 5, strata, person, 10).fold, split.fold);
  const Split sites = leave_group_out({7, 3, 7, 5});
  EXPECT_EQ(sites.fold, (std::vector<int>{0, 1, 0, 2}));
  EXPECT_EQ(sites.n_folds, 3);
}

TEST(Metrics, AgreeWithScikitLearn) { // the last line that make.py prints
  const Eigen::VectorXd s = (test_data::lcg(50, 7).array() * 10).round() / 10;
  const Eigen::VectorXd y = (test_data::lcg(50, 8).array() + 0.5 * s.array() > 0.8).cast<double>();
  const Eigen::VectorXd q = s.array().max(0.05).min(0.95);
  EXPECT_NEAR(auc(y, s), 0.689102564102564, 1e-12);
  EXPECT_NEAR(balanced_accuracy(y, q), 0.6810897435897436, 1e-12);
  EXPECT_NEAR(brier(y, q), 0.2411, 1e-12);
  EXPECT_NEAR(r_squared(s, test_data::lcg(50, 9), Eigen::VectorXd::Constant(50, s.mean())),
              -0.7899315964112446, 1e-12);
}

TEST(Metrics, KnowTheirLimits) {
  Eigen::VectorXd y(4), p(4);
  y << 0, 0, 1, 1;
  p << 0.1, 0.2, 0.8, kNaN;
  EXPECT_EQ(auc(y, p), 1.0);
  EXPECT_EQ(auc(y, Eigen::VectorXd::Ones(4)), 0.5);
  EXPECT_TRUE(std::isnan(auc(Eigen::VectorXd::Ones(4), p)));
  EXPECT_TRUE(std::isnan(balanced_accuracy(Eigen::VectorXd::Ones(4), p)));
  EXPECT_NEAR(mean_absolute_error(y, p), 0.5 / 3, 1e-15);
  EXPECT_TRUE(std::isnan(correlation(y, Eigen::VectorXd::Ones(4))));
}

TEST(Conformal, QuantileAndLeavingOneOut) {
  EXPECT_EQ(conformal_quantile({3, 1, 2}, 0.5), 2.0);      // rank ceil(0.5 * 4)
  EXPECT_EQ(conformal_quantile({3, 1, 2}, 0.1), INFINITY); // rank 4 of 3
  Eigen::VectorXd y = Eigen::VectorXd::LinSpaced(10, 1, 10);
  const auto interval = conformal_interval(y, Eigen::VectorXd::Zero(10), 0.2);
  // The others of the row with residual 10: 1..9, rank ceil(0.8 * 10) = 8; of row 3: without 3 it
  // is 9.
  EXPECT_EQ(interval.upper[9], 8.0);
  EXPECT_EQ(interval.upper[2], 9.0);
  EXPECT_EQ(interval.lower[2], -9.0);
}

TEST(Conformal, SetsCoverEachClass) {
  const Eigen::VectorXd u = test_data::lcg(400, 5);
  const Eigen::VectorXd p = u.array() * 0.8 + 0.1;
  const Eigen::VectorXd y = (test_data::lcg(400, 6).array() < p.array()).cast<double>();
  const auto set = conformal_set(y, p, 0.1);
  for (int label = 0; label < 2; ++label) {
    double covered = 0, n = 0;
    for (Eigen::Index i = 0; i < 400; ++i) {
      if ((y[i] > 0.5) != (label == 1)) continue;
      covered += set(i, label);
      ++n;
    }
    EXPECT_NEAR(covered / n, 0.9, 0.02);
  }
}

TEST(Imputation, LearnsFromTrainingAndDropsEmptyColumns) {
  Eigen::MatrixXd training(4, 3);
  training << 1, kNaN, 5, 2, kNaN, kNaN, 9, kNaN, 7, kNaN, kNaN, 6;
  const auto model = imputation::fit(training, {});
  Eigen::MatrixXd rows(1, 3);
  rows << kNaN, 4, 8;
  const auto out = imputation::apply(model, rows);
  EXPECT_EQ(out.x, (Eigen::MatrixXd(1, 2) << 2, 8).finished());
  EXPECT_TRUE(out.imputed(0, 0) && !out.imputed(0, 1));
  EXPECT_EQ(out.columns, (std::vector<Eigen::Index>{0, 2}));
  EXPECT_EQ(imputation::fit(training, {.method = "mean"}).fill[0], 4.0);
  EXPECT_THROW((void)imputation::apply(model, rows.leftCols(2)), Error);
}

TEST(Standardisation, UsesControlsWhenThereAreEnough) {
  Eigen::MatrixXd x(6, 2);
  x << 1, 4, 2, 4, 3, 4, 10, 4, 20, 4, 30, kNaN;
  const std::vector<std::uint8_t> controls{1, 1, 1, 0, 0, 0};
  const auto model =
      standardisation::fit(x, controls, {.reference = "controls", .min_controls = 3});
  EXPECT_TRUE(model.used_controls);
  const Eigen::MatrixXd z = standardisation::apply(model, x);
  EXPECT_EQ(z.col(0), (Eigen::VectorXd(6) << -1, 0, 1, 8, 18, 28).finished());
  EXPECT_EQ(z(2, 1), 0.0); // no spread
  EXPECT_TRUE(std::isnan(z(5, 1)));
  EXPECT_FALSE(standardisation::fit(x, controls, {.reference = "controls", .min_controls = 4})
                   .used_controls);
  EXPECT_THROW((void)standardisation::apply(model, x.leftCols(1)), Error);
}

// R 4.2.2: wilcox.test(x, mu = 0.5, conf.int = TRUE), exact.
TEST(SignedRank, ExactIsThatOfR) {
  const std::vector<double> x = {1.3, -0.4,  2.2,  0.9,  3.1, -1.7, 0.25,
                                 4.4, -0.05, 1.15, 2.75, 0.6, kNaN};
  const SignedRank out = signed_rank(x, 0.5);
  EXPECT_TRUE(out.exact);
  EXPECT_EQ(out.statistic, 56.0);
  EXPECT_NEAR(out.p_value, 0.20361328125, 1e-10);
  EXPECT_NEAR(out.hodges_lehmann, 1.1625, 1e-12);
  EXPECT_NEAR(out.lower, 0.1, 1e-12);
  EXPECT_NEAR(out.upper, 2.325, 1e-12);
  // (56 - 39) / sqrt(12 * 13 * 25 / 24) over sqrt(12)
  EXPECT_NEAR(out.z, 17.0 / std::sqrt(162.5), 1e-12);
  EXPECT_NEAR(out.r, 17.0 / std::sqrt(162.5 * 12.0), 1e-12);
}

// Ties and a zero; 80 values. R's estimates are roots to 1e-4: the Walsh averages they approach.
TEST(SignedRank, NormalIsThatOfR) {
  const std::vector<double> y = {1, 2, 2, 3, 3, 3, 5, 8, -1, -1, 0, 4, 2, 2, 6, 7, -3};
  const SignedRank tied = signed_rank(y, 2.0);
  EXPECT_FALSE(tied.exact);
  EXPECT_EQ(tied.n, 13);
  EXPECT_EQ(tied.statistic, 55.5);
  EXPECT_NEAR(tied.p_value, 0.504657012686059, 1e-10);
  EXPECT_EQ(tied.hodges_lehmann, 3.0); // R: 2.999978
  EXPECT_NEAR(tied.lower, 0.499994667905948, 1e-4);
  EXPECT_NEAR(tied.upper, 4.9999424982282, 1e-4);
  std::vector<double> z;
  for (int i = 0; i < 80; ++i) z.push_back((i * 37 % 101) / 7.0 - 5.0);
  const SignedRank many = signed_rank(z, 1.0);
  EXPECT_EQ(many.statistic, 2048.5);
  EXPECT_NEAR(many.p_value, 0.0221845643513083, 1e-10);
  EXPECT_NEAR(many.hodges_lehmann, 15.0 / 7.0, 1e-12); // R: 2.142857
  EXPECT_NEAR(many.lower, 1.14288627919625, 1e-4);
  EXPECT_NEAR(many.upper, 3.14289332369721, 1e-4);
}

TEST(SignedRank, MirrorsAndEdges) {
  const std::vector<double> x = {0.4, -1.0, 2.5, 0.7};
  const std::vector<double> mirrored = {-0.4, 1.0, -2.5, -0.7};
  const SignedRank a = signed_rank(x, 0.1);
  const SignedRank b = signed_rank(mirrored, -0.1);
  EXPECT_EQ(a.p_value, b.p_value);
  EXPECT_DOUBLE_EQ(a.z, -b.z);
  EXPECT_DOUBLE_EQ(a.hodges_lehmann, -b.hodges_lehmann);
  const std::vector<double> same = {1.0, 1.0};
  EXPECT_EQ(signed_rank(same, 1.0).p_value, 1.0);
  EXPECT_TRUE(std::isnan(signed_rank(same, 1.0).z));
}

// R: chisq.test(matrix(c(a, c, b, d), 2))
TEST(TwoByTwo, IsThatOfR) {
  const TwoByTwo out = two_by_two(12, 7, 5, 16);
  EXPECT_NEAR(out.statistic, 4.81228647065234, 1e-10);
  EXPECT_NEAR(out.p_value, 0.0282575285263613, 1e-10);
  EXPECT_NEAR(out.odds_ratio, 12.0 * 16.0 / 35.0, 1e-12);
  EXPECT_EQ(two_by_two(3, 3, 4, 5).p_value, 1.0);
  EXPECT_TRUE(std::isnan(two_by_two(3, 0, 4, 0).p_value));
}

} // namespace
} // namespace boldmill::cohort
