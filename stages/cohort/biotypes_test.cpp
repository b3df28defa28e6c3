#include "stages/cohort/biotypes.hpp"

#include <gtest/gtest.h>
#include <tbb/global_control.h>
#include <tbb/task_arena.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <map>
#include <numeric>
#include <sstream>

#include "stages/cohort/kernels/correlation_clustering.hpp"
#include "stages/cohort/kernels/null_tables.hpp"
#include "stages/cohort/kernels/stability.hpp"
#include "stages/cohort/test_data.hpp"
#include "stages/core/random.hpp"

namespace boldmill::biotypes {
namespace {

using cohort::Hierarchy;

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

// The tables of tests/reference/cohort/biotypes.py.
Eigen::MatrixXd table(Eigen::Index n, Eigen::Index p, std::uint64_t seed) {
  Eigen::MatrixXd x = test_data::lcg(n * p, seed).reshaped<Eigen::RowMajor>(n, p);
  x += test_data::lcg(n * p, seed + 1).reshaped<Eigen::RowMajor>(n, p);
  x.leftCols(p / 3).colwise() += test_data::lcg(n, seed + 2);
  for (Eigen::Index i = 0; i < n; ++i) {
    x.row(i).segment(i % 3 * (p / 3), p / 3).array() += 0.4 * static_cast<double>(seed % 2);
  }
  return x;
}

Eigen::MatrixXd tied_distances() {
  const Eigen::MatrixXd u = test_data::lcg(1600, 50).reshaped<Eigen::RowMajor>(40, 40);
  Eigen::MatrixXd d =
      ((u.array() * 6.0).floor() + 1.0).matrix().triangularView<Eigen::StrictlyLower>();
  return d + Eigen::MatrixXd(d.transpose());
}

std::map<std::string, std::vector<double>> reference() {
  std::map<std::string, std::vector<double>> out;
  std::ifstream stream(BOLDMILL_SOURCE_DIR "/tests/reference/cohort/biotypes.tsv");
  for (std::string line; std::getline(stream, line);) {
    std::istringstream text(line);
    std::string name, quantity, k;
    text >> name >> quantity >> k;
    auto& values = out[name + " " + quantity + " " + k];
    for (double value = 0; text >> value;) values.push_back(value);
  }
  return out;
}

std::vector<double> heights(const Hierarchy& hierarchy) {
  std::vector<double> out;
  for (const auto& merge : hierarchy.merges) out.push_back(merge.height);
  return out;
}

double largest_difference(const std::vector<double>& a, const std::vector<double>& b) {
  if (a.size() != b.size()) return std::numeric_limits<double>::infinity();
  double out = 0.0;
  for (std::size_t i = 0; i < a.size(); ++i) out = std::max(out, std::abs(a[i] - b[i]));
  return out;
}

std::vector<double> plus_one(const std::vector<int>& labels) {
  std::vector<double> out;
  for (const int label : labels) out.push_back(label + 1);
  return out;
}

// R on random tables: 1e-10 (target), 15 digits stored. Labels exactly.
TEST(Hierarchy, HeightsLabelsSilhouettesAndSumsAreThoseOfR) {
  const auto expected = reference();
  for (const auto& [name, x] : {std::pair<std::string, Eigen::MatrixXd>{"wide", table(60, 8, 30)},
                                {"tall", table(120, 12, 41)}}) {
    const Eigen::MatrixXd units = cohort::unit_rows(x);
    const Hierarchy ours = cohort::average_linkage(cohort::correlation_distance(units));
    const Hierarchy fast = cohort::correlation_linkage(units);
    EXPECT_LT(largest_difference(heights(ours), expected.at(name + " heights 0")), 1e-10);
    EXPECT_LT(largest_difference(heights(fast), expected.at(name + " heights 0")), 1e-10);
    const auto cuts = cohort::cut(ours, 15);
    const auto quality = cohort::cut_quality(units, cuts, 2);
    for (int k = 2; k <= 15; ++k) {
      const std::string at = " " + std::to_string(k);
      EXPECT_EQ(plus_one(cuts.labels(k)), expected.at(name + " labels" + at));
      EXPECT_EQ(cuts.labels(k), cohort::cut(fast, 15).labels(k));
      EXPECT_EQ(cuts.labels(k), cohort::cut(fast, k).labels(k));
      EXPECT_NEAR(quality.silhouette[k - 2], expected.at(name + " silhouette" + at)[0], 1e-10);
      EXPECT_NEAR(quality.within_sum[k - 2], expected.at(name + " within" + at)[0], 1e-10);
    }
    const Eigen::VectorXd widths = cohort::silhouette_widths(units, cuts.labels(6));
    EXPECT_LT(largest_difference({widths.begin(), widths.end()}, expected.at(name + " widths 6")),
              1e-10);
  }
}

TEST(Hierarchy, TiesFollowTheOrderOfR) {
  const auto expected = reference();
  const Hierarchy ours = cohort::average_linkage(tied_distances());
  EXPECT_LT(largest_difference(heights(ours), expected.at("tied heights 0")), 1e-12);
  const auto cuts = cohort::cut(ours, 15);
  for (int k = 2; k <= 15; ++k) {
    EXPECT_EQ(plus_one(cuts.labels(k)), expected.at("tied labels " + std::to_string(k)));
  }
}

// scipy and scikit-learn.
TEST(Stability, LeaveOneOutIsThatOfScikitLearn) {
  const auto expected = reference();
  for (const auto& [name, x] : {std::pair<std::string, Eigen::MatrixXd>{"wide", table(60, 8, 30)},
                                {"tall", table(120, 12, 41)}}) {
    const Eigen::MatrixXd units = cohort::unit_rows(x);
    const auto cuts = cohort::cut(cohort::correlation_linkage(units), 15);
    std::vector<int> people(static_cast<std::size_t>(x.rows()));
    std::iota(people.begin(), people.end(), 0);
    const Eigen::RowVectorXd mean =
        cohort::leave_one_out_agreement({x, units, cuts, {2, 15}}, people, {}).colwise().mean();
    for (int k = 2; k <= 15; ++k) {
      EXPECT_NEAR(mean[k - 2], expected.at(name + " loo " + std::to_string(k))[0], 1e-10) << k;
    }
  }
  EXPECT_NEAR(cohort::adjusted_rand({0, 0, 1, 1, 2, 2, 2, 0}, {0, 0, 0, 1, 1, 2, 2, 2}),
              expected.at("ari pair 0")[0], 1e-14);
  EXPECT_EQ(cohort::adjusted_rand({0, 0, 0}, {1, 1, 1}), 1.0);
  EXPECT_EQ(cohort::adjusted_rand({0, 1, 2}, {2, 1, 0}), 1.0);
}

// Sizes around the width of a panel, few features, and rows that are equal to others.
TEST(CorrelationLinkage, IsAverageLinkageAtEverySize) {
  for (const Eigen::Index n : {2, 3, 7, 8, 9, 15, 16, 17, 31, 33, 100}) {
    const Eigen::MatrixXd units = cohort::unit_rows(table(n, 9, static_cast<std::uint64_t>(n)));
    const Hierarchy slow = cohort::average_linkage(cohort::correlation_distance(units));
    const Hierarchy fast = cohort::correlation_linkage(units);
    EXPECT_LT(largest_difference(heights(slow), heights(fast)), 1e-14) << n;
    EXPECT_EQ(cohort::cut(slow, 5).finest, cohort::cut(fast, 5).finest) << n;
  }
}

TEST(CorrelationLinkage, EndsWhenAllDistancesAreEqual) {
  const Eigen::MatrixXd same = Eigen::RowVector4d(1, 2, 4, 3).replicate(50, 1);
  const Hierarchy out = cohort::correlation_linkage(cohort::unit_rows(same));
  EXPECT_EQ(out.merges.size(), 49U);
  EXPECT_LT(std::abs(out.merges.back().height), 1e-14);
  // An equilateral set: every pair of a simplex correlates alike.
  const Eigen::MatrixXd simplex = Eigen::MatrixXd::Identity(20, 20);
  const Hierarchy all = cohort::correlation_linkage(cohort::unit_rows(simplex));
  EXPECT_EQ(all.merges.size(), 19U);
  EXPECT_NEAR(all.merges.back().height, 20.0 / 19.0, 1e-12);
}

TEST(CorrelationDistance, ForgetsLevelAndAmplitude) {
  const Eigen::MatrixXd x = table(30, 8, 5);
  Eigen::MatrixXd moved = x;
  for (Eigen::Index i = 0; i < 30; ++i) {
    moved.row(i) = x.row(i) * (1.0 + 0.1 * static_cast<double>(i));
    moved.row(i).array() += static_cast<double>(i);
  }
  EXPECT_LT((cohort::correlation_distance(cohort::unit_rows(x)) -
             cohort::correlation_distance(cohort::unit_rows(moved)))
                .cwiseAbs()
                .maxCoeff(),
            1e-13);
}

TEST(NullTables, NormalTablesHaveMeanAndCovarianceAndPermutedOnesTheMargins) {
  const Eigen::MatrixXd x = table(400, 5, 9);
  const cohort::NormalNull null(x);
  Eigen::RowVectorXd mean = Eigen::RowVectorXd::Zero(5);
  Eigen::MatrixXd product = Eigen::MatrixXd::Zero(5, 5);
  for (std::uint64_t i = 0; i < 200; ++i) {
    const Eigen::MatrixXd y = null.draw(i);
    mean += y.colwise().mean() / 200.0;
    const Eigen::MatrixXd c = y.rowwise() - y.colwise().mean();
    product += c.transpose() * c / 399.0 / 200.0;
  }
  const Eigen::MatrixXd c = x.rowwise() - x.colwise().mean();
  const Eigen::MatrixXd covariance = c.transpose() * c / 399.0;
  // 80,000 rows: 5 standard errors of a mean of SD 0.5 are 0.009, of a variance of 0.25 0.007.
  EXPECT_LT((mean - x.colwise().mean()).cwiseAbs().maxCoeff(), 0.009);
  EXPECT_LT((product - covariance).cwiseAbs().maxCoeff(), 0.007);
  const Eigen::MatrixXd shuffled = cohort::permuted_columns(x, 3);
  for (Eigen::Index f = 0; f < 5; ++f) {
    Eigen::VectorXd a = x.col(f);
    Eigen::VectorXd b = shuffled.col(f);
    EXPECT_NE(a, b);
    std::sort(a.begin(), a.end());
    std::sort(b.begin(), b.end());
    EXPECT_EQ(a, b);
  }
  // Fewer people than features.
  EXPECT_TRUE(cohort::NormalNull(table(6, 9, 2)).draw(1).allFinite());
}

Inputs inputs_of(const Eigen::MatrixXd& x) {
  Inputs out{x, {}, {}, {}};
  for (Eigen::Index f = 0; f < x.cols(); ++f) out.features.push_back("f" + std::to_string(f));
  return out;
}

// Four groups far apart: half of the profile raised, another half in each.
Inputs planted(Eigen::Index n, double separation, std::uint64_t seed) {
  Random random(seed);
  Eigen::MatrixXd x(n, 12);
  for (double& v : x.reshaped()) v = random.normal();
  for (Eigen::Index i = 0; i < n; ++i) x.row(i).segment(i % 4 * 3, 3).array() += separation;
  return inputs_of(x);
}

Params quick() {
  Params params;
  params.k_max = 8;
  params.repetitions = 39;
  params.resamplings = 20;
  params.stability_nulls = 0;
  return params;
}

TEST(Biotypes, FindsPlantedGroupsAndNamesThemByTheirProfiles) {
  Inputs in = planted(200, 4.0, 1);
  for (Eigen::Index f = 0; f < 12; ++f) in.group.push_back("score" + std::to_string(f / 3));
  const Outputs out = run(in, quick(), {});
  EXPECT_EQ(out.chosen, 4);
  std::vector<int> truth, found;
  for (int i = 0; i < 200; ++i) {
    truth.push_back(i % 4);
    found.push_back(out.label(i, 2));
  }
  EXPECT_GT(cohort::adjusted_rand(truth, found), 0.95);
  EXPECT_EQ(out.profile_name[0], "score0+");
  EXPECT_EQ(out.profile_name[3], "score3+");
  EXPECT_DOUBLE_EQ(out.nulls[0].p_value[2], 1.0 / 40.0);
  EXPECT_GT(out.ari_resampling[2], 0.9);
  EXPECT_GT(out.splits[0].ari[2], 0.9);
  EXPECT_GT(out.margin.minCoeff(), 0.0);
}

// One cloud: leave-one-out and profile agreement look good, and so do those of its null.
TEST(Biotypes, StabilityIsJudgedByItsNull) {
  Random random(4);
  Eigen::MatrixXd x(150, 12);
  for (double& v : x.reshaped()) v = random.normal();
  Params params = quick();
  params.stability_nulls = 19;
  params.stability_people = 10;
  params.stability_resamplings = 10;
  const Outputs out = run(inputs_of(x), params, {});
  EXPECT_EQ(out.stability.resampling.rows(), 19);
  const auto inside = [](const Eigen::VectorXd& null, double value) {
    const double mean = null.mean();
    const double sd = std::sqrt((null.array() - mean).square().mean());
    return std::abs(value - mean) < 5.0 * sd;
  };
  for (Eigen::Index k = 0; k < 7; ++k) {
    EXPECT_TRUE(inside(out.stability.resampling.col(k), out.ari_resampling[k]));
    EXPECT_TRUE(inside(out.stability.split_ari.col(k), out.splits[0].ari[k]));
    EXPECT_GT(out.stability.split_profile_r.col(k).mean(), 0.3); // of nothing
  }
}

// Neighbours are looked for in float: rows that differ by 1e-9 must be told apart as in double.
TEST(CorrelationLinkage, DecidesAsDoubleWhereFloatCannot) {
  Eigen::MatrixXd x = table(40, 41, 6).replicate(3, 1);
  Random random(5);
  for (double& v : x.reshaped()) v += 1e-9 * random.normal();
  const Eigen::MatrixXd units = cohort::unit_rows(x);
  // In double the distances of near copies are rounding; their order is that of u_i - u_j.
  const Hierarchy slow = cohort::average_linkage(cohort::correlation_distance(units));
  const Hierarchy fast = cohort::correlation_linkage(units);
  EXPECT_LT(largest_difference(heights(slow), heights(fast)), 1e-14);
  for (int k = 2; k <= 40; ++k) EXPECT_EQ(cohort::cut(slow, k).finest, cohort::cut(fast, k).finest);
  Eigen::MatrixXd close = table(300, 41, 8);
  close *= 1e-4;
  close.rowwise() += Eigen::RowVectorXd::LinSpaced(41, -1.0, 1.0); // distances near 1e-8
  const Eigen::MatrixXd close_units = cohort::unit_rows(close);
  EXPECT_LT(largest_difference(
                heights(cohort::average_linkage(cohort::correlation_distance(close_units))),
                heights(cohort::correlation_linkage(close_units))),
            1e-14);
}

TEST(Biotypes, SameBitsAtAnyThreadCount) {
  Params params = quick();
  params.stability_nulls = 5;
  params.stability_people = params.stability_resamplings = 3;
  const Inputs in = planted(60, 1.0, 7);
  Outputs first;
  const tbb::global_control eight(tbb::global_control::max_allowed_parallelism, 8);
  for (const int threads : {1, 8}) {
    tbb::task_arena arena(threads);
    const Outputs out = arena.execute([&] { return run(in, params, {}); });
    if (threads == 1) first = out;
    EXPECT_EQ(first.nulls[0].silhouette, out.nulls[0].silhouette);
    EXPECT_EQ(first.nulls[1].silhouette, out.nulls[1].silhouette);
    EXPECT_EQ(first.ari_resampling, out.ari_resampling);
    EXPECT_EQ(first.ari_leave_one_out, out.ari_leave_one_out);
    EXPECT_EQ(first.stability.split_ari, out.stability.split_ari);
  }
}

TEST(Biotypes, LeavesOutPeopleWithMissingFeaturesOrNoProfile) {
  Inputs in = planted(80, 3.0, 2);
  const Outputs before = run(in, quick(), {});
  Inputs more = in;
  more.x.conservativeResize(82, Eigen::NoChange);
  more.x.row(80).setConstant(2.0);
  more.x.row(81) = in.x.row(0);
  more.x(81, 4) = kNaN;
  const Outputs after = run(more, quick(), {});
  EXPECT_EQ(after.used.size(), 80U);
  EXPECT_EQ(before.silhouette, after.silhouette);
  EXPECT_EQ(after.label(80, 0), -1);
  EXPECT_TRUE(std::isnan(after.margin[81]));
}

TEST(Biotypes, LeavesSitesOut) {
  Inputs in = planted(120, 4.0, 3);
  for (int i = 0; i < 120; ++i) in.site.push_back(i < 60 ? 0 : (i < 110 ? 1 : -1));
  const Outputs out = run(in, quick(), {});
  ASSERT_EQ(out.splits.size(), 3U);
  EXPECT_EQ(out.splits[1].name, "site 0");
  EXPECT_EQ(out.splits[1].n_training, 50);
  EXPECT_EQ(out.splits[1].n_test, 60);
  EXPECT_GT(out.splits[1].ari[2], 0.9);
}

TEST(Biotypes, PValues) {
  const Eigen::Vector4d null(0.1, 0.2, 0.3, 0.4);
  EXPECT_DOUBLE_EQ(null_p(null, 0.3, true), 3.0 / 5.0);
  EXPECT_DOUBLE_EQ(null_p(null, 0.3, false), 1.0 / 4.0);
  EXPECT_DOUBLE_EQ(null_p(null, 9.0, false), 0.0); // the published rule can say impossible
  EXPECT_TRUE(std::isnan(null_p({}, 0.3, true)));
}

TEST(Biotypes, SaysWhyItIsNotDoneAndRefusesWhatDoesNotFit) {
  EXPECT_NE(run(planted(15, 1.0, 1), quick(), {}).not_done.find("found 15 people"),
            std::string::npos);
  Params params = quick();
  params.k_min = 9;
  EXPECT_THROW((void)run(planted(60, 1.0, 1), params, {}), Error);
  params = quick();
  params.clusters = 20;
  EXPECT_THROW((void)run(planted(60, 1.0, 1), params, {}), Error);
  params = quick();
  params.nulls = {"uniform"};
  EXPECT_THROW((void)run(planted(60, 1.0, 1), params, {}), Error);
}

} // namespace
} // namespace boldmill::biotypes
