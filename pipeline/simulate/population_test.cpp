#include <gtest/gtest.h>

#include <cmath>
#include <map>

#include "pipeline/simulate/anatomy.hpp"
#include "pipeline/simulate/population.hpp"
#include "pipeline/simulate/truth.hpp"

namespace boldmill::simulate {
namespace {

TEST(SourceCorrelation, KeepsTheGivenEdgesAndIsPositiveDefinite) {
  std::array<double, kEdges> z{};
  for (std::size_t e = 0; e < kEdges; ++e) z[e] = edges()[e].mean_z + (e % 2 == 0 ? 0.3 : -0.3);
  const Eigen::MatrixXd r = source_correlation(z);
  for (std::size_t e = 0; e < kEdges; ++e) {
    EXPECT_NEAR(std::atanh(r(edges()[e].a, edges()[e].b)), z[e], 1e-9) << edges()[e].code;
  }
  EXPECT_TRUE(r.isApprox(r.transpose()));
  EXPECT_NEAR((r.diagonal() - Eigen::VectorXd::Ones(kSources)).norm(), 0.0, 1e-12);
  EXPECT_GT(Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd>(r).eigenvalues().minCoeff(), 0.0);
  // No direct coupling is added: the inverse is zero where no edge is given.
  const Eigen::MatrixXd inverse = r.inverse();
  EXPECT_NEAR(inverse(1, 2), 0.0, 1e-9);  // D2-D3
  EXPECT_NEAR(inverse(11, 8), 0.0, 1e-9); // A4-A1
  EXPECT_NEAR(inverse(6, 5), 0.0, 1e-9);  // S3-S2
  EXPECT_NEAR(inverse(0, 8), 0.0, 1e-12); // other circuit
}

TEST(SourceCorrelation, AnImpossibleTriangleIsShrunk) {
  std::array<double, kEdges> z{};
  z.fill(0.2);
  z[0] = 1.4;  // D2-D1
  z[2] = 1.4;  // D1-D4
  z[3] = -1.4; // D2-D4
  const Eigen::MatrixXd r = source_correlation(z);
  EXPECT_GT(Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd>(r).eigenvalues().minCoeff(), 0.0);
}

TEST(People, GroupsAreBalancedWithinSitesAndEffectsAreAsDeclared) {
  SimulationParams params;
  params.participants = 4000;
  params.effect_size = {1.0, -0.8, 0.6};
  params.biotype_separation = 0.6;
  const std::vector<Site> sites = make_sites(params);
  const std::vector<Person> people = draw_people(params, sites);
  std::array<std::array<int, 2>, 2> n{};
  std::array<std::array<double, 4>, 2> sum{};
  for (const Person& p : people) {
    const std::size_t g = p.patient ? 1 : 0;
    ++n[static_cast<std::size_t>(p.site)][g];
    for (std::size_t c = 0; c < 4; ++c) sum[g][c] += p.trait[c] / 2000.0;
    EXPECT_EQ(p.biotype >= 0, p.patient);
    EXPECT_EQ(p.arm >= 0, p.patient);
    EXPECT_EQ(std::isnan(p.severity_baseline), !p.patient);
  }
  for (const auto& site : n) {
    EXPECT_EQ(site[0], 1000);
    EXPECT_EQ(site[1], 1000);
  }
  const std::array<double, 4> declared{1.0, -0.8, 0.6, -0.6};
  for (std::size_t c = 0; c < 4; ++c) {
    EXPECT_NEAR(sum[1][c] - sum[0][c], declared[c], 0.11); // 3.3 standard errors
  }
}

TEST(People, BiotypesAndArmsAreCrossedWithinSites) {
  for (int k = 1; k <= 6; ++k) {
    SimulationParams params;
    params.participants = 240;
    params.biotypes = k;
    std::map<std::array<int, 3>, int> n;
    for (const Person& p : draw_people(params, make_sites(params))) {
      if (p.patient) ++n[{p.site, p.biotype, p.arm}];
    }
    EXPECT_EQ(n.size(), static_cast<std::size_t>(2 * k * 2)) << k;
    for (const auto& [cell, count] : n) EXPECT_NEAR(count, 120.0 / (4.0 * k), 2.0) << k;
  }
}

TEST(People, PrevalenceIsKept) {
  SimulationParams params;
  params.participants = 100;
  params.prevalence = 0.25;
  params.sites = 3;
  int patients = 0;
  for (const Person& p : draw_people(params, make_sites(params))) patients += p.patient ? 1 : 0;
  EXPECT_NEAR(patients, 25, 2);
}

TEST(People, EveryPersonKeepsTheirValuesInALargerCohort) {
  SimulationParams small;
  small.participants = 4;
  SimulationParams large = small;
  large.participants = 9;
  const std::vector<Person> a = draw_people(small, make_sites(small));
  const std::vector<Person> b = draw_people(large, make_sites(large));
  for (std::size_t p = 0; p < 4; ++p) EXPECT_EQ(a[p].edge_z, b[p].edge_z);
}

TEST(Biotypes, ShiftsAverageToZero) {
  for (int k = 1; k <= 6; ++k) {
    SimulationParams params;
    params.biotypes = k;
    std::array<double, 4> sum{};
    for (int b = 0; b < k; ++b) {
      for (std::size_t c = 0; c < 4; ++c) sum[c] += biotype_shift(params, b)[c];
    }
    for (const double s : sum) EXPECT_NEAR(s, 0.0, 1e-12);
  }
}

TEST(Outcomes, ExplainedVarianceIsAsDeclared) {
  SimulationParams params;
  params.participants = 6000;
  params.prevalence = 0.0; // in controls the traits are standard normal
  params.outcome_r2 = 0.4;
  double xy = 0.0;
  double xx = 0.0;
  double yy = 0.0;
  const OutcomeWeights w;
  for (const Person& p : draw_people(params, make_sites(params))) {
    double x = 0.0;
    for (std::size_t c = 0; c < 4; ++c) x += w.rumination[c] * p.trait[c];
    const double y = p.rumination - 45.0;
    xy += x * y;
    xx += x * x;
    yy += y * y;
  }
  EXPECT_NEAR(xy * xy / (xx * yy), 0.4, 0.04);
}

TEST(RealisedEffects, AreStandardisedByTheControls) {
  std::vector<Person> people(5);
  people[3].patient = people[4].patient = true;
  Eigen::MatrixXd z(5, 1);
  z << 1.0, 2.0, 3.0, 5.0, 7.0; // controls: mean 2, SD 1; patients: mean 6
  EXPECT_NEAR(realised_effects(z, people)[0], 4.0, 1e-12);
}

TEST(Regions, FormTheCircuits) {
  EXPECT_EQ(regions().size(), 28U);
  for (const Edge& edge : edges()) {
    const std::string code(edge.code);
    const std::string a(source_names()[static_cast<std::size_t>(edge.a)]);
    const std::string b(source_names()[static_cast<std::size_t>(edge.b)]);
    EXPECT_TRUE(code == a + b || code == b + a) << code;
  }
  const Places places = load_places({}, {});
  EXPECT_FALSE(places.carried);
  for (std::size_t s = 0; s < kSources; ++s) {
    ASSERT_FALSE(places.source[s].empty());
    const auto w = source_weights(places, places.source[s][0]);
    EXPECT_GT(w[s], 0.75F) << source_names()[s]; // its own place belongs to it
  }
}

TEST(Classes, AreFoundInAThreeModeHistogram) {
  Random random(2);
  std::vector<float> values;
  const std::array<double, 3> true_means{40.0, 85.0, 115.0};
  for (int i = 0; i < 30000; ++i) {
    const std::size_t c = i % 10 < 1 ? 0 : (i % 10 < 6 ? 1 : 2);
    values.push_back(static_cast<float>(true_means[c] + 4.0 * random.normal()));
  }
  const std::array<double, 3> means = three_class_means(values);
  for (std::size_t c = 0; c < 3; ++c) EXPECT_NEAR(means[c], true_means[c], 1.5);
}

} // namespace
} // namespace boldmill::simulate
