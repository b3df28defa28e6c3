#include "stages/connectivity/connectivity_matrix.hpp"

#include <gtest/gtest.h>

#include "stages/connectivity/correlation.hpp"
#include "stages/connectivity/test_data.hpp"

namespace boldmill::connectivity_matrix {
namespace {

using test_data::kind_of;
using test_data::max_difference;
using test_data::reference;
using test_data::series;

Outputs of(const Eigen::MatrixXf& x, const std::string& kind,
           std::span<const std::uint8_t> keep = {}, int lag = 1) {
  return run({{x.data(), x.rows(), x.cols()}, keep},
             Params{.kind = kind, .lag = lag, .min_volumes = 5}, {});
}

std::vector<std::uint8_t> censored() {
  std::vector<std::uint8_t> keep(60, 1);
  for (const std::size_t t : {0U, 7U, 8U, 30U, 59U}) keep[t] = 0;
  return keep;
}

// nilearn 0.14.1, numpy 2.4.6; 12 digits are stored.
TEST(ConnectivityMatrix, AgreesWithNilearn) {
  const Eigen::MatrixXf x = series(60, 12, 1);
  const auto keep = censored();
  for (const std::string kind :
       {"correlation", "covariance", "precision", "partial", "ledoit_wolf",
        "ledoit_wolf_covariance", "ledoit_wolf_precision", "ledoit_wolf_partial"}) {
    const Eigen::MatrixXd expected = reference(kind + ".tsv");
    const Outputs out = of(x, kind, keep);
    EXPECT_LT(max_difference(out.matrix, expected), 1e-10 * expected.cwiseAbs().maxCoeff()) << kind;
    EXPECT_EQ(out.n_volumes, 55);
  }
}

TEST(ConnectivityMatrix, ShrinkageAgreesWithScikitLearn) {
  const Eigen::MatrixXd expected = reference("shrinkage.tsv");
  const auto keep = censored();
  EXPECT_NEAR(of(series(60, 12, 1), "ledoit_wolf_covariance", keep).shrinkage, expected(0, 0),
              1e-11);
  EXPECT_NEAR(of(series(60, 12, 1), "ledoit_wolf", keep).shrinkage, expected(0, 1), 1e-11);
  EXPECT_NEAR(of(series(20, 30, 2), "ledoit_wolf_covariance").shrinkage, expected(0, 2), 1e-11);
  EXPECT_TRUE(std::isnan(of(series(60, 12, 1), "correlation").shrinkage));
}

TEST(ConnectivityMatrix, SpearmanAgreesWithScipyOnTies) {
  const Eigen::MatrixXf x = series(60, 12, 1).unaryExpr(
      [](float v) { return static_cast<float>(std::nearbyint(static_cast<double>(v) * 10) / 10); });
  EXPECT_LT(max_difference(of(x, "spearman", censored()).matrix, reference("spearman.tsv")), 1e-11);
}

TEST(ConnectivityMatrix, LaggedAgreesWithNumpyAndTransposesWithTheSign) {
  const Eigen::MatrixXf x = series(60, 12, 1);
  for (const int lag : {1, 3}) {
    const Outputs out = of(x, "lagged", censored(), lag);
    EXPECT_LT(max_difference(out.matrix, reference("lag" + std::to_string(lag) + ".tsv")), 1e-11);
    EXPECT_LT(max_difference(of(x, "lagged", censored(), -lag).matrix, out.matrix.transpose()),
              1e-12);
  }
  EXPECT_LT(max_difference(of(x, "lagged", censored(), 0).matrix, reference("correlation.tsv")),
            1e-11);
}

// A copy that is two volumes late correlates perfectly at lag 2 and only there.
TEST(ConnectivityMatrix, LagFindsADelay) {
  const Eigen::MatrixXf source = series(62, 2, 3);
  Eigen::MatrixXf x(60, 2);
  x.col(0) = source.col(0).tail(60);
  x.col(1) = source.col(0).head(60);
  EXPECT_NEAR(of(x, "lagged", {}, 2).matrix(0, 1), 1.0, 1e-6);
  EXPECT_LT(of(x, "lagged", {}, -2).matrix(0, 1), 0.9);
}

TEST(ConnectivityMatrix, MatchesTheCorrelationStage) {
  const Eigen::MatrixXf x = series(60, 12, 1);
  const auto keep = censored();
  const auto edges = edges_of(of(x, "correlation", keep).matrix);
  const auto other = correlation::run({{x.data(), 60, 12}, keep, 0}, {}, {}).correlation;
  ASSERT_EQ(edges.size(), other.size());
  for (std::size_t e = 0; e < edges.size(); ++e) EXPECT_NEAR(edges[e], other[e], 1e-13);
}

TEST(ConnectivityMatrix, MissingRegionsAndVolumesAreLeftOut) {
  const Eigen::MatrixXf x = series(60, 12, 1);
  Eigen::MatrixXf holes(60, 14); // two unusable regions among the twelve
  holes << x.leftCols(3), Eigen::MatrixXf::Constant(60, 1, NAN), x.middleCols(3, 6),
      Eigen::MatrixXf::Constant(60, 1, 7.0F), x.rightCols(3);
  for (const int t : {0, 7, 8, 30, 59}) holes.row(t).setConstant(NAN); // instead of `keep`
  for (const auto kind : kKinds) {
    const Outputs plain = of(x, std::string(kind), censored());
    const Outputs out = of(holes, std::string(kind));
    EXPECT_EQ(out.n_missing, 2);
    EXPECT_EQ(out.n_volumes, plain.n_volumes);
    EXPECT_TRUE(out.matrix.row(3).array().isNaN().all() &&
                out.matrix.col(10).array().isNaN().all());
    const std::vector<int> there{0, 1, 2, 4, 5, 6, 7, 8, 9, 11, 12, 13};
    EXPECT_LT(max_difference(out.matrix(there, there), plain.matrix), 1e-15) << kind;
  }
}

TEST(ConnectivityMatrix, CorrelationsIgnoreScaleAndShift) {
  const Eigen::MatrixXf x = series(60, 12, 1);
  Eigen::MatrixXf y = x;
  for (Eigen::Index r = 0; r < 12; ++r) y.col(r) *= static_cast<float>(1 << r);
  for (const std::string kind : {"correlation", "spearman", "partial", "ledoit_wolf", "lagged"}) {
    EXPECT_LT(max_difference(of(x, kind).matrix, of(y, kind).matrix), 1e-10) << kind;
  }
}

// Independent noise is shrunk almost wholly; a shared signal is not.
TEST(ConnectivityMatrix, ShrinkageFallsWithSignal) {
  test_data::Sequence random(5);
  Eigen::MatrixXf x(50, 40);
  for (float& v : x.reshaped()) v = static_cast<float>(random.next());
  EXPECT_GT(of(x, "ledoit_wolf").shrinkage, 0.7);
  for (Eigen::Index r = 1; r < 40; ++r) x.col(r) = 3 * x.col(0) + x.col(r);
  EXPECT_LT(of(x, "ledoit_wolf").shrinkage, 0.05);
}

TEST(ConnectivityMatrix, SameBitsAtAnyThreadCount) {
  const Eigen::MatrixXf x = series(80, 300, 4);
  for (const std::string kind : {"correlation", "spearman", "ledoit_wolf_partial", "lagged"}) {
    EXPECT_TRUE(test_data::with_threads(1, [&] { return of(x, kind); }).matrix ==
                test_data::with_threads(8, [&] { return of(x, kind); }).matrix)
        << kind;
  }
}

TEST(ConnectivityMatrix, RefusesWhatHasNoAnswer) {
  const Eigen::MatrixXf x = series(60, 12, 1);
  EXPECT_EQ(kind_of([&] { (void)of(x, "distance"); }), ErrorKind::usage);
  EXPECT_EQ(kind_of([&] { (void)of(x, "correlation", std::vector<std::uint8_t>(59, 1)); }),
            ErrorKind::input);
  EXPECT_EQ(kind_of([&] { (void)of(x, "correlation", std::vector<std::uint8_t>(60, 0)); }),
            ErrorKind::gate);
  EXPECT_EQ(kind_of([&] { (void)of(x, "lagged", {}, 58); }), ErrorKind::gate);
  EXPECT_EQ(kind_of([&] { (void)of(x.leftCols(1), "correlation"); }), ErrorKind::input);
  EXPECT_EQ(kind_of([&] { (void)of(Eigen::MatrixXf::Ones(60, 3), "correlation"); }),
            ErrorKind::input);
  EXPECT_EQ(kind_of([&] { (void)of(x.topRows(12), "partial"); }), ErrorKind::gate);
  Eigen::MatrixXf twice = x;
  twice.col(3) = 2 * twice.col(5);
  EXPECT_EQ(kind_of([&] { (void)of(twice, "precision"); }), ErrorKind::gate);
  EXPECT_NO_THROW((void)of(x.topRows(12), "ledoit_wolf_partial"));
}

} // namespace
} // namespace boldmill::connectivity_matrix
