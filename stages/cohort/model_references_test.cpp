// Kernels beside independent tools: tests/reference/cohort/models.py and models.R.
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <limits>
#include <map>
#include <sstream>
#include <vector>

#include "stages/cohort/chained_imputation.hpp"
#include "stages/cohort/kernels/bayesian_regression.hpp"
#include "stages/cohort/kernels/calibration.hpp"
#include "stages/cohort/kernels/factor_model.hpp"
#include "stages/cohort/kernels/multiple_imputation.hpp"
#include "stages/cohort/kernels/normal_scores.hpp"
#include "stages/cohort/kernels/spline.hpp"
#include "stages/cohort/longitudinal_combat.hpp"
#include "stages/cohort/test_data.hpp"

namespace boldmill::cohort {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

const std::map<std::string, std::vector<double>>& reference() {
  static const auto kValues = [] {
    std::map<std::string, std::vector<double>> out;
    std::ifstream stream(BOLDMILL_SOURCE_DIR "/tests/reference/cohort/models.tsv");
    for (std::string line; std::getline(stream, line);) {
      std::istringstream text(line);
      std::string name, value;
      std::getline(text, name, '\t');
      while (std::getline(text, value, '\t')) out[name].push_back(std::stod(value));
    }
    return out;
  }();
  return kValues;
}

template <class Values>
void expect_near(const Values& found, const std::string& name, double tolerance) {
  ASSERT_TRUE(reference().contains(name)) << name;
  const std::vector<double>& expected = reference().at(name);
  ASSERT_GE(static_cast<std::size_t>(found.size()), expected.size()) << name;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    const double value = found[static_cast<Eigen::Index>(i)];
    EXPECT_NEAR(value, expected[i], tolerance * std::max(1.0, std::abs(expected[i])))
        << name << ' ' << i;
  }
}

Eigen::VectorXd normal(Eigen::Index n, std::uint64_t seed) {
  return test_data::lcg(12 * n, seed).reshaped<Eigen::RowMajor>(n, 12).rowwise().sum().array() -
         6.0;
}

TEST(NormalQuantile, IsThatOfScipy) {
  Eigen::VectorXd p(11);
  p << 1e-300, 1e-12, 1e-4, .02, .0243, .1, .3, .5, .7, .975, 1 - 1e-9;
  expect_near(p.unaryExpr([](double v) { return normal_quantile(v); }), "quantile", 1e-13);
  EXPECT_TRUE(std::isnan(normal_quantile(1.5)));
  EXPECT_EQ(normal_quantile(0.0), -std::numeric_limits<double>::infinity());
  Eigen::VectorXd x(4);
  x << 3.0, kNaN, 1.0, 3.0; // ranks 2.5, -, 1, 2.5 of 3
  const Eigen::VectorXd z = normal_scores(x);
  EXPECT_DOUBLE_EQ(z[0], normal_quantile(2.0 / 3.0));
  EXPECT_EQ(z[0], z[3]);
  EXPECT_TRUE(std::isnan(z[1]));
}

// Both stop when the likelihood stands still: covariances to 1e-4, densities, flat there, to 1e-6.
TEST(FactorModel, IsThatOfScikitLearn) {
  Eigen::MatrixXd loading(2, 8);
  loading << 1, .8, .7, .2, 0, 0, .3, .5, 0, .1, .4, .9, 1.1, .8, -.4, .2;
  Eigen::MatrixXd x = normal(240, 61).reshaped<Eigen::RowMajor>(120, 2) * loading;
  x += 0.7 * normal(960, 62).reshaped<Eigen::RowMajor>(120, 8);
  const FactorModel model = fit_factors(x, 2);
  EXPECT_TRUE(model.converged);
  expect_near(model.log_density(x), "factors density", 1e-3);
  Eigen::MatrixXd covariance = model.loadings * model.loadings.transpose();
  expect_near(Eigen::VectorXd(covariance.row(0)), "factors projector", 1e-3);
  covariance.diagonal() += model.noise;
  expect_near(Eigen::VectorXd(covariance.row(0)), "factors covariance", 1e-3);
  expect_near(Eigen::VectorXd(model.scores(x).rowwise().norm()), "factors score_norm", 1e-3);
  EXPECT_EQ(fit_factors(x, 0).loadings.cols(), 0);
}

TEST(Spline, IsThatOfScipy) {
  Eigen::VectorXd values(6);
  const Eigen::VectorXd age = test_data::lcg(50, 63) * 60.0;
  values << age[0] + 10, age[7] + 10, age[20] + 10, 10, 30, 70;
  const SplineBasis basis{Eigen::Vector4d(10, 30, 50, 70)};
  const Eigen::MatrixXd found = basis.evaluate(values).transpose();
  expect_near(Eigen::VectorXd(found.reshaped()), "spline", 1e-12);
  const Eigen::MatrixXd outside = basis.evaluate(Eigen::Vector2d(-5.0, 10.0));
  EXPECT_EQ(outside.row(0), outside.row(1));
  EXPECT_EQ(SplineBasis::at_quantiles(Eigen::VectorXd::Ones(5), 2).size(), 0);
}

RegressionData regression_data() {
  const Eigen::Index n = 50;
  const Eigen::VectorXd age = test_data::lcg(n, 63).array() * 60.0 + 10.0;
  RegressionData out{normal(n, 64).array() * 1.1 + 0.3,
                     Eigen::MatrixXd::Zero(n, 10),
                     {-1, 0, 0, 0, 0, 0, 0, 1, 1, 1},
                     Eigen::MatrixXd::Ones(n, 2)};
  out.x.col(0).setOnes();
  out.x.middleCols(1, 5) = SplineBasis{Eigen::Vector4d(10, 30, 50, 70)}.evaluate(age);
  out.x.col(6) = (test_data::lcg(n, 65).array() > 0.5).cast<double>();
  for (Eigen::Index i = 0; i < n; ++i) out.x(i, 7 + i % 3) = 1.0;
  out.v.col(1) = (age.array() - 40.0) / 30.0;
  return out;
}

TEST(BayesianRegression, EvidenceAndPosteriorAreTheClosedForm) {
  const Hyper hyper{Eigen::Vector2d(.4, 1.3), Eigen::Vector2d(-.3, .5), {.35, -.2}};
  const Posterior found = posterior(regression_data(), hyper);
  expect_near(Eigen::VectorXd::Constant(1, found.log_evidence), "regression evidence", 1e-10);
  expect_near(found.weights, "regression weights", 1e-9);
  expect_near(Eigen::VectorXd(found.covariance.diagonal()), "regression variance", 1e-9);
  EXPECT_NEAR(hyper.warp.inverse(hyper.warp.forward(-3.7)), -3.7, 1e-12);
  // Where nothing can be computed the search turns back (a real measure once ended there).
  const Hyper nowhere{Eigen::Vector2d(-14, 16), Eigen::Vector2d(-800, 0), {49, -19}};
  EXPECT_EQ(posterior(regression_data(), nowhere).log_evidence,
            -std::numeric_limits<double>::infinity());
}

TEST(BayesianRegression, SlopesAreFiniteDifferences) {
  const RegressionData data = regression_data();
  const Hyper hyper{Eigen::Vector2d(.4, 1.3), Eigen::Vector2d(-.3, .5), {.35, -.2}};
  const Eigen::VectorXd theta = hyper.packed(true);
  Eigen::VectorXd gradient, other;
  (void)objective(data, theta, 2, gradient);
  for (Eigen::Index i = 0; i < theta.size(); ++i) {
    const double h = 1e-5; // error h^2, about 1e-9 of slopes near 10
    Eigen::VectorXd up = theta, down = theta;
    up[i] += h;
    down[i] -= h;
    const double slope =
        (objective(data, up, 2, other) - objective(data, down, 2, other)) / (2.0 * h);
    EXPECT_NEAR(gradient[i], slope, 1e-6 * std::max(1.0, std::abs(slope))) << i;
  }
  const FittedRegression fitted = fit_regression(data, true);
  EXPECT_TRUE(fitted.converged);
  EXPECT_GT(fitted.posterior.log_evidence, posterior(data, hyper).log_evidence);
}

TEST(Calibration, IsThatOfScipy) {
  const Eigen::VectorXd z = normal(80, 66).array() * 1.2 + 0.1;
  const Calibration found = calibration(z, {.25, .975});
  const std::vector<double> values = {
      found.mean, found.sd,          found.skewness,   found.excess_kurtosis,
      found.ks,   found.coverage[0], found.coverage[1]};
  expect_near(Eigen::Map<const Eigen::VectorXd>(values.data(), 7).eval(), "calibration", 1e-10);
  // Asymptotic beside exact, n = 80.
  expect_near(Eigen::VectorXd::Constant(1, found.ks_p), "calibration p", 0.01);
  EXPECT_TRUE(std::isnan(calibration(Eigen::Vector2d(0, 1), {.5}).ks));
}

// lme4 stops at 1e-5 or so of the variance ratio, which moves values by less than 1e-5.
TEST(LongitudinalCombat, IsThePublishedFormOnLme4) {
  std::vector<int> person, batch;
  for (int i = 0; i < 24; ++i) person.insert(person.end(), static_cast<std::size_t>(1 + i % 4), i);
  const auto n = static_cast<Eigen::Index>(person.size());
  for (Eigen::Index k = 0; k < n; ++k) {
    const auto v = (k * 5) % 7;
    batch.push_back(v < 3 ? 0 : v < 5 ? 1 : 2);
  }
  const Eigen::VectorXd time = test_data::lcg(n, 67);
  const Eigen::MatrixXd own = normal(144, 69).reshaped<Eigen::RowMajor>(24, 6);
  const Eigen::MatrixXd shift = test_data::lcg(18, 70).reshaped<Eigen::RowMajor>(3, 6) * 2.0;
  Eigen::MatrixXd y = normal(n * 6, 68).reshaped<Eigen::RowMajor>(n, 6);
  for (Eigen::Index i = 0; i < n; ++i) {
    const auto row = static_cast<std::size_t>(i);
    y.row(i) = y.row(i) * (0.5 + 0.25 * batch[row]) + own.row(person[row]) + shift.row(batch[row]);
  }
  y += time * test_data::lcg(6, 71).transpose();
  y.array() += 10.0;
  const longitudinal_combat::Inputs inputs{y, batch, person, time};
  const auto model = longitudinal_combat::fit(inputs, {.tolerance = 1e-12}, Context{});
  expect_near(model.residual_sd, "longcombat sigma", 1e-5);
  const Eigen::MatrixXd adjusted = longitudinal_combat::apply(model, inputs);
  for (Eigen::Index c = 0; c < 6; ++c) {
    expect_near(Eigen::VectorXd(adjusted.col(c)), "longcombat y" + std::to_string(c), 2e-5);
  }
  // A person alone is adjusted as with the others.
  const std::vector<Eigen::Index> rows = {7, 8, 9}; // sessions of the fourth person
  longitudinal_combat::Inputs one{y(rows, Eigen::all), {}, {}, time(rows, Eigen::all)};
  for (const auto row : rows) {
    one.batch.push_back(batch[static_cast<std::size_t>(row)]);
    one.person.push_back(person[static_cast<std::size_t>(row)]);
  }
  longitudinal_combat::Inputs whole = inputs;
  for (std::size_t i = 0; i < person.size(); ++i) {
    if (person[i] == one.person[0] && i != 7 && i != 8 && i != 9) whole.person[i] = 99;
  }
  EXPECT_LT((longitudinal_combat::apply(model, one) -
             longitudinal_combat::apply(model, whole)(rows, Eigen::all))
                .cwiseAbs()
                .maxCoeff(),
            1e-12);
  longitudinal_combat::Inputs bad = inputs;
  bad.covariates(3, 0) = kNaN;
  EXPECT_THROW((void)longitudinal_combat::fit(bad, {}, Context{}), Error);
  bad = inputs;
  for (std::size_t i = 0; i < bad.person.size(); ++i) bad.person[i] = static_cast<int>(i);
  EXPECT_THROW((void)longitudinal_combat::fit(bad, {}, Context{}), Error);
  bad = inputs;
  bad.batch[0] = 7;
  EXPECT_THROW((void)longitudinal_combat::fit(bad, {}, Context{}), Error); // a batch of one row
  EXPECT_THROW((void)longitudinal_combat::apply(model, bad), Error);
  bad = inputs;
  bad.covariates.resize(n, 1);
  for (Eigen::Index i = 0; i < n; ++i) bad.covariates(i, 0) = batch[static_cast<std::size_t>(i)];
  EXPECT_THROW((void)longitudinal_combat::fit(bad, {}, Context{}), Error);
}

TEST(Rubin, IsThatOfMice) {
  Eigen::VectorXd q(5), u(5);
  q << 1.2, 1.5, 0.9, 1.1, 1.4;
  u << .04, .05, .045, .038, .052;
  const PooledEstimate found = pool_estimates(q, u, 57.0); // n 60, 3 parameters
  Eigen::VectorXd values(5);
  values << found.estimate, found.within, found.between, found.total, found.degrees_of_freedom;
  expect_near(values, "rubin", 1e-12);
  EXPECT_TRUE(std::isinf(
      pool_estimates(q * 0.0, u, std::numeric_limits<double>::infinity()).degrees_of_freedom));
}

// Mean, SD and correlation of a completed column over 200 imputations, beside mice's 200. Both
// scatter by SD / sqrt(200); limits: five standard errors of the difference, plus 0.15 SD between
// imputations, for this program draws donors of new rows with parameters of the last sweep.
TEST(ChainedEquations, DistributionIsThatOfMice) {
  Eigen::MatrixXd h = normal(450, 72).reshaped<Eigen::RowMajor>(150, 3);
  h.col(0) = 0.7 * h.col(1) + 0.4 * h.col(2) + 0.6 * h.col(0);
  const Eigen::VectorXd chance = test_data::lcg(150, 73);
  for (Eigen::Index i = 0; i < 150; ++i) {
    if (chance[i] < 1.0 / (1.0 + std::exp(-1.5 * h(i, 1) + 0.5))) h(i, 0) = kNaN;
  }
  EXPECT_EQ(static_cast<double>(h.col(0).array().isNaN().count()), reference().at("holes")[0]);
  const int m = 200;
  const auto model = chained_imputation::fit(h, {}, {.imputations = m});
  Eigen::ArrayXXd values(m, 3);
  for (int i = 0; i < m; ++i) {
    const Eigen::MatrixXd x = chained_imputation::apply(model, h, {}, i).x;
    const Eigen::ArrayXd a = x.col(0).array() - x.col(0).mean();
    const Eigen::ArrayXd b = x.col(1).array() - x.col(1).mean();
    values(i, 0) = x.col(0).mean();
    values(i, 1) = std::sqrt(a.square().sum() / 149.0);
    values(i, 2) = (a * b).sum() / std::sqrt(a.square().sum() * b.square().sum());
  }
  for (Eigen::Index c = 0; c < 3; ++c) {
    const auto at = static_cast<std::size_t>(c);
    const double sd = reference().at("mice sd")[at];
    EXPECT_NEAR(values.col(c).mean(), reference().at("mice mean")[at],
                5.0 * sd * std::sqrt(2.0 / m) + 0.15 * sd)
        << c;
    const double own = std::sqrt((values.col(c) - values.col(c).mean()).square().sum() / (m - 1));
    EXPECT_NEAR(own / sd, 1.0, 0.35) << c; // SD of 200 values: 5 %, twice
  }
}

} // namespace
} // namespace boldmill::cohort
