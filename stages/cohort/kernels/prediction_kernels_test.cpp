// Models, stacking, pooling and conformal sets against independent values (make_prediction.py) and
// closed forms.
#include <gtest/gtest.h>

#include <cmath>
#include <map>

#include "stages/cohort/kernels/baseline_model.hpp"
#include "stages/cohort/kernels/biotype_membership.hpp"
#include "stages/cohort/kernels/conformal.hpp"
#include "stages/cohort/kernels/connectome_model.hpp"
#include "stages/cohort/kernels/distributions.hpp"
#include "stages/cohort/kernels/pooled_metric.hpp"
#include "stages/cohort/kernels/prediction_quality.hpp"
#include "stages/cohort/test_data.hpp"
#include "stages/core/random.hpp"

namespace boldmill::cohort {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

std::vector<std::vector<double>> reference(const std::string& wanted) {
  return test_data::reference_lines("prediction.tsv", wanted);
}

ElasticNetSettings tight(Family family, double alpha) {
  return {.family = family, .alpha = alpha, .tolerance = 1e-14, .max_sweeps = 1000000};
}

TEST(SupportVectors, AgreeWithAGeneralMinimiser) {
  const auto p = test_data::problem(60, 10, 5);
  const auto lines = reference("svm");
  ASSERT_EQ(lines.size(), 2U);
  for (const auto& line : lines) {
    const auto settings = tight(Family::squared_hinge, 0.0);
    const auto fit = elastic_net_path(p.x, p.binary, {10 * line[0], line[0]}, settings)[1];
    EXPECT_NEAR(elastic_net_objective(p.x, p.binary, fit, line[0], settings), line[1], 1e-10);
    EXPECT_NEAR(fit.intercept, line[2], 1e-5);
    for (std::size_t j = 0; j < 10; ++j) {
      EXPECT_NEAR(fit.beta[static_cast<Eigen::Index>(j)], line[3 + j], 1e-5);
    }
  }
}

// 60 columns of 30 rows: solved on the rotated columns.
TEST(ElasticNet, RidgeOfManyColumnsReachesScikitLearn) {
  const auto p = test_data::problem(30, 60, 200);
  for (const auto& line : reference("ridge")) {
    const auto settings = tight(Family::binomial, 0.0);
    const auto fit = elastic_net_path(p.x, p.binary, {line[0]}, settings)[0];
    EXPECT_NEAR(elastic_net_objective(p.x, p.binary, fit, line[0], settings), line[1], 1e-9);
  }
  // Gaussian: the normal equations of all columns.
  const Eigen::MatrixXd x = p.x.rowwise() - p.x.colwise().mean();
  const Eigen::MatrixXd a = x.transpose() * x / 30.0 + 0.1 * Eigen::MatrixXd::Identity(60, 60);
  const Eigen::VectorXd expected =
      a.ldlt().solve(x.transpose() * (p.y.array() - p.y.mean()).matrix() / 30.0);
  const auto fit = elastic_net_path(p.x, p.y, {0.1}, tight(Family::gaussian, 0.0))[0];
  EXPECT_LT((fit.beta - expected).norm(), 1e-9);
  EXPECT_NEAR(fit.intercept, p.y.mean() - p.x.colwise().mean().dot(expected), 1e-9);
}

// 400 columns of 40 rows, along a path that ends at the reference penalty: screened columns.
TEST(ElasticNet, ScreenedPathsReachScikitLearn) {
  const auto p = test_data::problem(40, 400, 11);
  const auto lines = reference("wide");
  ASSERT_EQ(lines.size(), 2U);
  for (const auto& line : lines) {
    for (const Family family : {Family::gaussian, Family::binomial}) {
      const Eigen::VectorXd& y = family == Family::gaussian ? p.y : p.binary;
      std::vector<double> lambdas = lambda_path(p.x, y, line[0], 20, 0.3);
      lambdas.push_back(line[1]);
      const auto settings = tight(family, line[0]);
      const auto path = elastic_net_path(p.x, y, lambdas, settings);
      const double expected = family == Family::gaussian ? line[2] : line[3];
      EXPECT_NEAR(elastic_net_objective(p.x, y, path.back(), line[1], settings), expected, 1e-8);
      // Every penalty on the way is optimal too, also for columns that were never looked at.
      for (std::size_t l = 0; l < lambdas.size(); ++l) {
        const Eigen::VectorXd error = y - elastic_net_predict(p.x, path[l], family);
        const Eigen::VectorXd pull =
            p.x.transpose() * error / 40.0 - lambdas[l] * (1 - line[0]) * path[l].beta;
        EXPECT_LT(pull.cwiseAbs().maxCoeff(), lambdas[l] * line[0] + 1e-5) << l;
      }
    }
  }
}

TEST(ElasticNet, OneProblemGivesThePathsOfSeparateOnes) {
  const auto p = test_data::problem(60, 10, 5);
  ElasticNetProblem problem(p.x, p.binary, Family::binomial);
  for (const double alpha : {0.0, 0.5, 1.0}) {
    const auto settings = tight(Family::binomial, alpha);
    const auto together = problem.path({0.2, 0.05}, settings);
    const auto apart = elastic_net_path(p.x, p.binary, {0.2, 0.05}, settings);
    EXPECT_EQ(together[1].beta, apart[1].beta);
    const Eigen::MatrixXd all = elastic_net_predict_all(p.x, together, Family::binomial);
    EXPECT_LT((all.col(1) - elastic_net_predict(p.x, together[1], Family::binomial)).norm(), 1e-12);
  }
}

TEST(Connectome, SelectsAndFitsAsScipyAndNumpyDo) {
  const auto p = test_data::problem(60, 10, 5);
  for (const auto& line : reference("cpm")) {
    const auto fit = connectome_path(p.x, p.y, {line[0]}, Family::gaussian)[0];
    EXPECT_EQ((fit.beta.array() != 0.0).count(), static_cast<Eigen::Index>(line[1] + line[2]));
    const Eigen::VectorXd fitted = elastic_net_predict(p.x, fit, Family::gaussian);
    // The regression of the sums carries a ridge of 1e-6 for stability.
    for (std::size_t i = 0; i < 5; ++i) {
      EXPECT_NEAR(fitted[static_cast<Eigen::Index>(i)], line[3 + i], 2e-5);
    }
  }
  const double r = critical_correlation(0.01, 60);
  EXPECT_NEAR(t_two_sided(r * std::sqrt(58 / (1 - r * r)), 58), 0.01, 1e-9);
  const Eigen::VectorXd noise = test_data::lcg(60, 3);
  const auto none = connectome_path(p.x, noise, {1e-9}, Family::gaussian)[0];
  EXPECT_EQ(none.beta.norm(), 0.0);
  EXPECT_NEAR(none.intercept, noise.mean(), 1e-12);
}

TEST(Biotypes, BecomeColumnsOfTheNearestCluster) {
  Random random(4);
  Rows rows;
  rows.x.resize(30, 4);
  for (Eigen::Index i = 0; i < 30; ++i) {
    for (Eigen::Index c = 0; c < 4; ++c) {
      rows.x(i, c) = (c == i % 2 ? 3.0 : 0.0) + 0.1 * random.normal();
    }
  }
  const auto apply = biotype_membership(2).fit(rows);
  const Rows out = apply(rows);
  ASSERT_EQ(out.x.cols(), 2);
  for (Eigen::Index i = 0; i < 30; ++i) EXPECT_EQ(out.x(i, i % 2), 1.0);
  EXPECT_EQ(out.x.sum(), 30.0);
  rows.x.row(3).setConstant(1.0);
  EXPECT_EQ(apply(rows).x.row(3).sum(), 0.0);
  EXPECT_EQ(biotype_membership(2).fit(rows.select({0}))(rows).x.cols(), 0);
}

TEST(PooledMetric, AgreesWithStatsmodels) {
  const double effect[4] = {.2, .5, -.1, .45};
  const double variance[4] = {.01, .02, .03, .015};
  std::vector<MetricInGroup> groups(5);
  groups[4].transformed = kNaN;
  for (std::size_t i = 0; i < 4; ++i) {
    groups[i].transformed = effect[i];
    groups[i].variance = variance[i];
  }
  const PooledMetric out = pool_groups(true, groups);
  const auto line = reference("pool").at(0);
  EXPECT_EQ(out.n_groups, 4);
  EXPECT_NEAR(out.value, line[0], 1e-9);
  EXPECT_NEAR(out.lower, line[1], 1e-9);
  EXPECT_NEAR(out.upper, line[2], 1e-9);
  EXPECT_NEAR(out.tau2, line[3], 1e-9);
  EXPECT_NEAR(out.q, line[4], 1e-9);
  EXPECT_NEAR(out.i2, line[5], 1e-9);
  EXPECT_TRUE(std::isnan(pool_groups(true, {groups[0]}).value));
}

// Placements by hand: positives 3, 1 over negatives 2, 0: 1 and 1/2, 1/2 and 1.
TEST(PooledMetric, VarianceOfTheAucIsDeLongs) {
  const Eigen::Vector4d y(1, 1, 0, 0);
  const auto out = metric_in_group(true, y, Eigen::Vector4d(3, 1, 2, 0), {0, 1, 2, 3});
  EXPECT_EQ(out.value, 0.75);
  EXPECT_NEAR(out.variance, 0.125 / 2 + 0.125 / 2, 1e-15);
  EXPECT_TRUE(std::isnan(metric_in_group(true, y, y, {0, 1}).value));
}

TEST(Calibration, SlopeAgreesWithStatsmodels) {
  const auto p = test_data::problem(60, 10, 5);
  const Eigen::VectorXd probability = test_data::lcg(60, 77).array().max(.02).min(.98);
  const auto line = reference("slope").at(0);
  const CalibrationLine out = calibration_line(true, p.binary, probability);
  EXPECT_NEAR(out.intercept, line[0], 1e-6);
  EXPECT_NEAR(out.slope, line[1], 1e-6);
  const CalibrationLine exact = calibration_line(false, 3.0 + 2.0 * p.y.array(), p.y);
  EXPECT_NEAR(exact.slope, 2.0, 1e-8);
  EXPECT_NEAR(exact.intercept, 3.0, 1e-7);
  EXPECT_TRUE(
      std::isnan(calibration_line(true, p.binary, Eigen::VectorXd::Constant(60, 0.4)).slope));
}

TEST(Calibration, CurvesCountEveryRowOnce) {
  const auto p = test_data::problem(60, 10, 5);
  const Eigen::VectorXd probability = test_data::lcg(60, 77);
  int n = 0;
  for (const auto& bin : calibration_curve(p.binary, probability, 7)) n += bin.n;
  EXPECT_EQ(n, 60);
  // A perfect prediction is worth the prevalence at every threshold.
  for (const auto& point : decision_curve(p.binary, p.binary)) {
    EXPECT_NEAR(point.model, p.binary.mean(), 1e-12);
    EXPECT_LE(point.all, point.model);
  }
}

TEST(Conformal, SitesCountAlikeAndNineAreNeeded) {
  EXPECT_EQ(sites_needed(0.1), 9);
  EXPECT_EQ(sites_needed(0.05), 19);
  Eigen::VectorXd y(20), prediction = Eigen::VectorXd::Zero(20);
  std::vector<int> site;
  for (int i = 0; i < 20; ++i) {
    y[i] = i / 2;
    site.push_back(i / 2);
  }
  const Interval out = conformal_interval_by_site(y, prediction, site, 0.1);
  EXPECT_EQ(out.upper[0], 9.0); // the largest of the nine other sites
  EXPECT_EQ(out.upper[19], 8.0);
  for (int& s : site) s = std::min(s, 8); // nine sites, eight others
  EXPECT_TRUE(std::isinf(conformal_interval_by_site(y, prediction, site, 0.1).upper[0]));
}

// 12 sites with effects of their own: a new site is covered, rows treated as exchangeable are not.
TEST(Conformal, CoversANewSite) {
  Random random(8);
  double covered = 0, n = 0;
  for (int cohort = 0; cohort < 200; ++cohort) {
    Eigen::VectorXd y(12 * 8);
    std::vector<int> site;
    for (int s = 0; s < 12; ++s) {
      const double shift = 2.0 * random.normal();
      for (int i = 0; i < 8; ++i) {
        y[s * 8 + i] = shift + 0.3 * random.normal();
        site.push_back(s);
      }
    }
    const Interval out = conformal_interval_by_site(y, Eigen::VectorXd::Zero(y.size()), site, 0.2);
    for (Eigen::Index i = 0; i < 8; ++i) { // of one site: cohorts are independent
      covered += y[i] >= out.lower[i] && y[i] <= out.upper[i] ? 1 : 0;
      ++n;
    }
  }
  EXPECT_GT(covered / n, 0.8 - 3 * std::sqrt(0.16 / 200)); // 200 sites, alike within a site
}

TEST(Folds, CopiesUnderAnotherIdAreOnePerson) {
  Eigen::MatrixXd x = test_data::problem(10, 6, 3).x;
  x(4, 2) = kNaN;
  x.row(7) = x.row(4);
  People people = join_copies(x, {});
  EXPECT_EQ(people.n_copies, 1);
  EXPECT_EQ(people.person[7], people.person[4]);
  EXPECT_NE(people.person[7], people.person[3]);
  people = join_copies(x, {0, 0, 1, 1, 2, 2, 3, 3, 4, 4}); // sessions follow their person
  EXPECT_EQ(people.person[6], people.person[5]);
  x.col(0).setConstant(1.0); // questionnaires with few values are no fingerprints
  x.rightCols(5).setZero();
  EXPECT_EQ(join_copies(x, {}).n_copies, 0);
}

TEST(Stacking, NeedsNoImagingWhereTheBaselineTellsAll) {
  const auto p = test_data::problem(80, 6, 3);
  const std::vector<LearningStep> none;
  const Learner learner{.steps = &none, .alphas = {0.0}, .n_lambdas = 5, .n_inner_folds = 4};
  const Sample sample{{.x = p.x.rightCols(2)}, p.y, {}};
  const Split split = k_fold(80, 5, {}, {}, 1);
  std::vector<Trained> models;
  Eigen::VectorXd eta(80);
  for (int fold = 0; fold < 5; ++fold) {
    const FoldRows rows = rows_of(split, fold);
    models.push_back(train(learner, sample.select(rows.training), fold_seed(1, fold)));
    eta(rows.test) = predict(models.back(), sample.rows.select(rows.test)).eta;
  }
  const auto baseline = stacked_baseline(learner, sample, p.x.leftCols(4), split, 1);
  const Eigen::VectorXd stacked =
      stacked_prediction(Family::gaussian, p.y, split, baseline, models, eta);
  const double alone = (p.y - baseline.test_eta).norm();
  EXPECT_LT((p.y - stacked).norm(), 1.05 * alone);
  EXPECT_LT(alone, 0.5 * (p.y - eta).norm());
}

} // namespace
} // namespace boldmill::cohort
