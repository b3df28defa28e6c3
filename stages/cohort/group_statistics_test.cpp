// Regressions and effect sizes too: their values stand in the same reference file.
#include "stages/cohort/group_statistics.hpp"

#include <gtest/gtest.h>
#include <tbb/task_arena.h>

#include <cmath>
#include <fstream>
#include <limits>
#include <map>
#include <numeric>
#include <sstream>

#include "stages/cohort/kernels/distributions.hpp"
#include "stages/cohort/kernels/regression.hpp"
#include "stages/cohort/test_data.hpp"
#include "stages/core/random.hpp"

namespace boldmill::group_statistics {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
using test_data::lcg;
using Values = std::vector<double>;

const std::multimap<std::string, Values>& references() {
  static const auto table = [] {
    std::multimap<std::string, Values> out;
    std::ifstream stream(BOLDMILL_SOURCE_DIR "/tests/reference/cohort/statistics.tsv");
    for (std::string line; std::getline(stream, line);) {
      std::istringstream cells(line);
      std::string name;
      cells >> name;
      Values values;
      for (double value = 0.0; cells >> value;) values.push_back(value);
      out.emplace(name, values);
    }
    return out;
  }();
  return table;
}
const Values& reference(const std::string& name) { return references().find(name)->second; }

// Relative beyond 1: rounding of both sides, and of 15 digits.
void expect_near(double found, double expected, double tolerance, const std::string& what) {
  EXPECT_NEAR(found, expected, tolerance * std::max(1.0, std::abs(expected))) << what;
}

// The people of tests/reference/cohort/statistics.py.
struct People {
  static constexpr Eigen::Index kN = 60;
  std::vector<int> site;
  Eigen::VectorXd age, group, symptom, binary, weight;
  Eigen::MatrixXd y;

  People() {
    age = lcg(kN, 31).array() * 40.0 + 20.0;
    Eigen::VectorXd middle(kN), number(kN);
    for (int i = 0; i < kN; ++i) {
      site.push_back(i % 3);
      number[i] = i % 3;
      middle[i] = i % 3 == 1;
    }
    group = ((lcg(kN, 32) + 0.1 * middle).array() > 0.5).cast<double>();
    symptom = lcg(kN, 33) * 30.0 + 0.1 * age;
    const Eigen::MatrixXd noise = lcg(3 * kN, 34).reshaped<Eigen::RowMajor>(kN, 3);
    y = (noise.array() - 0.5) * 4.0;
    const double effect[] = {1.0, 0.3, 0.0};
    for (int c = 0; c < 3; ++c) y.col(c) += 0.05 * age + 0.8 * effect[c] * group + number;
    y(5, 0) = y(17, 0) = y(40, 2) = kNaN;
    binary = ((symptom + 20.0 * lcg(kN, 35)).array() > 28.0).cast<double>();
    weight = 0.5 + lcg(kN, 36).array();
  }
  [[nodiscard]] Eigen::MatrixXd design() const {
    Eigen::MatrixXd x(kN, 4);
    x << Eigen::VectorXd::Ones(kN), age, group, symptom;
    return x;
  }
  [[nodiscard]] Inputs inputs() const {
    return {.y = y,
            .names = {"a", "b", "c"},
            .terms = {{"group", true, group}, {"symptom", false, symptom}},
            .covariates = age,
            .site = site,
            .person = {}};
  }
};

TEST(EffectSizes, AgreeWithScipyStatsmodelsAndR) {
  for (auto [at, end] = references().equal_range("nct"); at != end; ++at) {
    const Values& v = at->second;
    EXPECT_NEAR(cohort::noncentral_t_cdf(v[0], v[1], v[2]), v[3], 1e-11);
  }
  for (auto [at, end] = references().equal_range("ncp_bounds"); at != end; ++at) {
    const Values& v = at->second;
    const auto bounds = cohort::noncentrality_bounds(v[0], v[1], 0.95);
    EXPECT_NEAR(bounds.lower, v[2], 1e-8); // of a root in 1e-12 of probability
    EXPECT_NEAR(bounds.upper, v[3], 1e-8);
  }
  Eigen::VectorXd p(18); // 15 squares, a missing one, two ties
  p << lcg(15, 37).cwiseAbs2(), kNaN, 0.2, 0.2;
  const Eigen::VectorXd q = cohort::benjamini_hochberg(p);
  EXPECT_TRUE(std::isnan(q[15]));
  for (const char* name : {"bh", "r_bh"}) {
    for (int i = 0; i < 17; ++i) {
      EXPECT_NEAR(q[i < 15 ? i : i + 1], reference(name)[static_cast<std::size_t>(i)], 1e-13);
    }
  }
  EXPECT_NEAR(cohort::normal_quantile(0.975), 1.959963984540054, 1e-13);
  EXPECT_NEAR(cohort::t_critical(0.95, 10.0), 2.2281388519862739, 1e-12); // R: qt(.975, 10)
  const auto wilson = cohort::wilson_bounds(7, 25, 0.95);
  EXPECT_NEAR(wilson.lower, reference("r_wilson")[0], 1e-12);
  EXPECT_NEAR(wilson.upper, reference("r_wilson")[1], 1e-12);
}

TEST(Regression, AgreesWithStatsmodelsAndR) {
  const People people;
  const Eigen::VectorXd y = people.y.col(1);
  for (const char* name : {"ols", "wls", "wls_hc3"}) {
    const std::string text(name);
    const auto fit =
        cohort::linear_fit(people.design(), y, text == "ols" ? Eigen::VectorXd() : people.weight,
                           text == "wls_hc3" ? cohort::Errors::hc3 : cohort::Errors::classical);
    const Values& expected = reference(name);
    for (Eigen::Index c = 0; c < 4; ++c) {
      const auto i = static_cast<std::size_t>(c);
      expect_near(fit.beta[c], expected[i], 1e-10, text);
      expect_near(std::sqrt(fit.covariance(c, c)), expected[4 + i], 1e-10, text);
      expect_near(fit.p_value(c), expected[8 + i], 1e-10, text);
    }
    const auto wald = cohort::wald_test(fit, {2, 3});
    expect_near(wald.f, expected[12], 1e-9, text);
    expect_near(wald.p_value, expected[13], 1e-9, text);
  }
  const auto logit = cohort::logistic_fit(people.design()(Eigen::all, {0, 1, 3}), people.binary);
  ASSERT_TRUE(logit.converged);
  for (Eigen::Index c = 0; c < 3; ++c) {
    const auto i = static_cast<std::size_t>(c);
    expect_near(logit.beta[c], reference("logit")[i], 1e-9, "logit");
    expect_near(std::sqrt(logit.covariance(c, c)), reference("logit")[3 + i], 1e-8, "logit");
    expect_near(logit.beta[c], reference("r_glm")[i], 1e-6, "glm stops earlier");
  }
}

TEST(Regression, DependentColumnsAndSeparationAreSaid) {
  const People people;
  Eigen::MatrixXd x(People::kN, 5);
  x << people.design(), people.age + people.group;
  const auto fit = cohort::linear_fit(x, people.y.col(1), {}, cohort::Errors::classical);
  EXPECT_EQ(fit.beta.array().isNaN().count(), 1);
  EXPECT_EQ(fit.degrees_of_freedom, 56.0);
  const Eigen::VectorXd old = (people.age.array() > 40.0).cast<double>();
  EXPECT_FALSE(cohort::logistic_fit(people.design(), old).converged);
}

TEST(Ridge, CoefficientsAndLeaveOneOutAgreeWithScikitLearn) {
  const People people;
  Eigen::MatrixXd x(People::kN, 6);
  x << people.age, people.symptom, lcg(4 * People::kN, 38).reshaped<Eigen::RowMajor>(60, 4);
  x.rowwise() -= x.colwise().mean().eval();
  for (auto column : x.colwise()) column /= std::sqrt(column.squaredNorm() / 59.0);
  double least = 0.0;
  for (auto [at, end] = references().equal_range("ridge"); at != end; ++at) {
    const Values& v = at->second;
    const auto fit = cohort::ridge_fit(x, people.y.col(1), {v[0]});
    expect_near(fit.intercept, v[1], 1e-11, "intercept");
    for (int c = 0; c < 6; ++c) {
      expect_near(fit.beta[c], v[2 + static_cast<std::size_t>(c)], 1e-11, "beta");
    }
    for (int i = 0; i < 5; ++i) {
      expect_near(fit.loo[i], v[8 + static_cast<std::size_t>(i)], 1e-11, "left out");
    }
    expect_near(fit.loo.squaredNorm(), v[13], 1e-11, "sum");
    least = least == 0.0 ? v[13] : std::min(least, v[13]);
  }
  expect_near(cohort::ridge_fit(x, people.y.col(1), {20.0, 0.5}).loo.squaredNorm(), least, 1e-11,
              "the better of two");
}

TEST(GroupStatistics, AgreesWithStatsmodels) {
  const People people;
  const auto out = run(people.inputs(), {.n_permutations = 0}, {});
  ASSERT_EQ(out.results.size(), 6U);
  for (std::size_t i = 0; i < 6; ++i) {
    const Result& r = out.results[i];
    const Values& v = reference(r.term + "_" + std::to_string(i % 3));
    const Values found{static_cast<double>(r.n),
                       r.beta,
                       r.se,
                       r.t,
                       r.degrees_of_freedom,
                       r.p,
                       r.beta_bounds.lower,
                       r.beta_bounds.upper,
                       r.standardised_beta,
                       r.partial_r,
                       r.r_bounds.lower,
                       r.r_bounds.upper,
                       r.cohens_d,
                       r.hedges_g,
                       r.d_bounds.lower,
                       r.d_bounds.upper};
    for (std::size_t k = 0; k < v.size(); ++k) {
      expect_near(found[k], v[k], k < 14 ? 1e-10 : 1e-8, r.term + " " + std::to_string(k));
    }
    EXPECT_EQ(std::isnan(r.cohens_d), !r.is_group);
    EXPECT_TRUE(std::isnan(r.p_permutation));
  }
}

TEST(GroupStatistics, WithoutCovariatesIsTheTTest) {
  const People people;
  Inputs in = people.inputs();
  in.covariates.resize(People::kN, 0);
  in.site.clear();
  const Result r = run(in, {.n_permutations = 0}, {}).results[1];
  const Values& v = reference("r_t_test");
  expect_near(r.t, v[0], 1e-11, "t");
  expect_near(r.degrees_of_freedom, v[1], 0.0, "df");
  expect_near(r.p, v[2], 1e-11, "p");
  expect_near(r.beta_bounds.lower, v[3], 1e-11, "lower");
  expect_near(r.beta_bounds.upper, v[4], 1e-11, "upper");
  // d = t sqrt(1 / n_0 + 1 / n_1) when nothing is adjusted for.
  EXPECT_NEAR(r.cohens_d, r.t * std::sqrt(1.0 / r.n_0 + 1.0 / r.n_1), 1e-12);
  // partial r is then the point-biserial correlation.
  EXPECT_NEAR(r.standardised_beta, r.partial_r, 1e-12);
}

// All exchanges of six people, and p of the same test by brute force over them.
TEST(GroupStatistics, PermutationApproachesTheExactOne) {
  Inputs in;
  in.y.resize(6, 1);
  in.y << 1.0, 2.5, 2.0, 4.0, 3.2, 5.1;
  in.names = {"y"};
  in.terms = {{"x", false, Eigen::VectorXd::LinSpaced(6, 0.0, 1.0)}};
  in.terms[0].x[4] = 0.1;
  in.covariates.resize(6, 0);
  const Result r = run(in, {.n_permutations = 20000, .min_people = 4}, {}).results[0];
  std::vector<int> order(6);
  std::iota(order.begin(), order.end(), 0);
  const Eigen::VectorXd x = in.terms[0].x.array() - in.terms[0].x.mean();
  const Eigen::VectorXd y = in.y.col(0).array() - in.y.mean();
  int reached = 0;
  int all = 0;
  do {
    double sum = 0.0;
    for (int i = 0; i < 6; ++i) sum += x[i] * y[order[static_cast<std::size_t>(i)]];
    reached += std::abs(sum) >= std::abs(x.dot(y)) - 1e-12;
    ++all;
  } while (std::next_permutation(order.begin(), order.end()));
  const double exact = static_cast<double>(reached) / all;
  EXPECT_NEAR(r.p_permutation, exact, 4.0 * std::sqrt(exact * (1 - exact) / 20000.0) + 1e-4);
}

TEST(GroupStatistics, SameBitsAtAnyThreadCountAndForOtherUnits) {
  const People people;
  const Params params{.n_permutations = 99};
  Outputs first, many, scaled;
  Inputs in = people.inputs();
  tbb::task_arena(1).execute([&] { first = run(in, params, {}); });
  tbb::task_arena(8).execute([&] { many = run(in, params, {}); });
  in.y *= 4.0;
  scaled = run(in, params, {});
  for (std::size_t i = 0; i < first.results.size(); ++i) {
    const Result &a = first.results[i], &b = many.results[i], &c = scaled.results[i];
    EXPECT_EQ(a.p_permutation, b.p_permutation);
    EXPECT_EQ(a.p_fwe, b.p_fwe);
    EXPECT_EQ(a.p_permutation, c.p_permutation);
    EXPECT_NEAR(4.0 * a.beta, c.beta, 1e-12);
    EXPECT_NEAR(a.partial_r, c.partial_r, 1e-12);
    EXPECT_GE(a.p_fwe, a.p_permutation);
    EXPECT_GE(a.q, a.p);
  }
}

// Site shifts measure and group alike: exchanges inside sites keep 5 %.
TEST(GroupStatistics, PermutationInsideSitesHoldsItsLevel) {
  constexpr int kCohorts = 400;
  int rejected = 0;
  for (int cohort = 0; cohort < kCohorts; ++cohort) {
    Random random(stream_seed(5, "null", std::to_string(cohort)));
    Inputs in;
    in.y.resize(40, 1);
    in.names = {"y"};
    in.terms = {{"group", true, Eigen::VectorXd(40)}};
    in.covariates.resize(40, 1);
    for (int i = 0; i < 40; ++i) {
      in.site.push_back(i % 2);
      in.covariates(i, 0) = random.normal();
      in.terms[0].x[i] = random.uniform() < (i % 2 == 0 ? 0.3 : 0.7);
      const double noise = random.normal();
      in.y(i, 0) = 2.0 * (i % 2) + in.covariates(i, 0) + noise * noise; // skewed
    }
    const auto out = run(in, {.n_permutations = 99, .random_seed = cohort}, {});
    rejected += out.results[0].p_permutation <= 0.05;
  }
  // 99.9 % binomial interval of 5 % in 400 cohorts.
  EXPECT_GE(rejected, 8);
  EXPECT_LE(rejected, 36);
}

TEST(GroupStatistics, SaysWhyAColumnIsNotTested) {
  const People people;
  Inputs in = people.inputs();
  in.y.col(1).head(52).setConstant(kNaN);
  in.y.col(2).setConstant(3.0);
  Eigen::VectorXd of_site(People::kN), rare = Eigen::VectorXd::Zero(People::kN);
  for (int i = 0; i < People::kN; ++i) of_site[i] = i % 3 == 0;
  rare.head(2).setOnes();
  in.terms.push_back({"of_site", true, of_site});
  in.terms.push_back({"rare", true, rare});
  const auto out = run(in, {.n_permutations = 9}, {});
  EXPECT_EQ(out.results[0].reason, "");
  EXPECT_EQ(out.results[1].reason, "8 complete people, expected at least 10");
  EXPECT_EQ(out.results[2].reason, "the column does not vary beyond the covariates");
  EXPECT_EQ(out.results[6].reason, "of_site is explained by the covariates and the sites");
  EXPECT_EQ(out.results[9].reason, "2 people in the smaller group, expected at least 5");
  EXPECT_TRUE(std::isnan(out.results[9].p_permutation));
  in.terms[0].x[0] = 0.5;
  EXPECT_THROW((void)run(in, {}, {}), Error);
}

TEST(GroupStatistics, APersonCountsOncePerColumn) {
  const People people;
  Inputs twice = people.inputs();
  const auto once = run(twice, {.n_permutations = 0}, {});
  // A second session of everybody, after the first: nothing changes.
  const auto stacked = [](const Eigen::MatrixXd& m) {
    Eigen::MatrixXd out(2 * m.rows(), m.cols());
    out << m, m;
    return out;
  };
  twice.y = stacked(twice.y);
  twice.y.bottomRows(People::kN).array() += 7.0;
  twice.y(65, 0) = twice.y(77, 0) = twice.y(100, 2) = kNaN;
  twice.covariates = stacked(twice.covariates);
  for (auto& term : twice.terms) term.x = stacked(term.x);
  for (int i = 0; i < 2 * People::kN; ++i) twice.person.push_back(i % 60);
  twice.site.insert(twice.site.end(), people.site.begin(), people.site.end());
  const auto out = run(twice, {.n_permutations = 0}, {});
  for (std::size_t i = 0; i < 6; ++i) EXPECT_EQ(out.results[i].t, once.results[i].t);
}

} // namespace
} // namespace boldmill::group_statistics
