#include "stages/ppi/ppi.hpp"

#include "stages/ppi/neural_deconvolution.hpp"
#include "stages/ppi/seed_series.hpp"
#include "stages/ppi/test_data.hpp"

namespace boldmill::ppi {
namespace {

using namespace ppi_data;

Eigen::VectorXd blocks(std::vector<double> onsets, double length, int n_volumes = kVolumes) {
  std::vector<Event> events;
  for (const double onset : onsets) events.push_back({onset, length});
  return microtime_condition(events, n_volumes, kTr, kBins);
}

Eigen::VectorXd pair(double a, double b) {
  Eigen::VectorXd out(2);
  out << a, b;
  return out;
}

Inputs three_regions() {
  Inputs in;
  in.series = series();
  in.regions = {"A", "B", "C"};
  in.confounds = confounds();
  in.tr_s = kTr;
  in.hrf = canonical();
  in.conditions = {"sad", "neutral"};
  in.psychological.resize(kVolumes * kBins, 2);
  in.psychological << blocks({8, 56}, 12), blocks({32, 80}, 12);
  in.contrasts = {{"difference", pair(1, -1)}, {"mean", pair(0.5, 0.5)}};
  in.questions = {{0, 1, 0}, {0, 1, 1}, {1, 0, 0}, {1, 0, 1}, {0, 2, 0}, {0, 2, 1}};
  return in;
}

// Five settings of six questions, from dense matrices, numpy and statsmodels (make.py).
TEST(Ppi, AgreesWithTheWrittenOutModel) {
  const Eigen::MatrixXd expected = reference("ppi.tsv");
  const auto keep = part();
  const Params plain{.neural_prior = "white", .noise = "white"};
  std::vector<Params> settings(5, plain);
  settings[1].center_conditions = false;
  settings[2].deconvolution = "spm";
  settings[3].deconvolution = "none";
  for (std::size_t s = 0; s < settings.size(); ++s) {
    Inputs in = three_regions();
    if (s == 4) {
      in.keep = keep;
      in.rho = {0.3, 0.3, 0.3};
    }
    const Outputs out = run(in, settings[s], {});
    for (std::size_t q = 0; q < 6; ++q) {
      const Eigen::RowVectorXd row = expected.row(static_cast<Eigen::Index>(6 * s + q));
      const Estimate& e = out.estimates[q];
      EXPECT_NEAR(e.effect, row[0], 2e-5 * std::sqrt(row[1])) << s << " " << q;
      EXPECT_NEAR(e.variance, row[1], 2e-5 * row[1]) << s << " " << q;
      EXPECT_NEAR(e.t, row[2], 2e-5) << s << " " << q;
      EXPECT_EQ(e.dof, row[3]);
    }
    EXPECT_EQ(out.seeds.size(), 2U);
    EXPECT_EQ(out.seeds[0].rank, 8);
  }
}

TEST(Ppi, GivenWhiteningMatrixDoesWhatRhoDoes) {
  Inputs in = three_regions();
  in.rho = {0.4, 0.4, 0.4};
  const Outputs by_rho = run(in, {}, {});
  Eigen::MatrixXd covariance(kVolumes, kVolumes);
  for (Eigen::Index i = 0; i < kVolumes; ++i) {
    for (Eigen::Index j = 0; j < kVolumes; ++j) {
      covariance(i, j) = std::pow(0.4, static_cast<double>(std::abs(i - j)));
    }
  }
  const Eigen::MatrixXd root = covariance.llt().matrixL();
  in.rho.clear();
  in.whitening.assign(3, root.inverse());
  const Outputs by_matrix = run(in, {}, {});
  in.whitening.clear();
  const Outputs plain = run(in, {.noise = "white"}, {});
  for (std::size_t q = 0; q < 6; ++q) {
    EXPECT_NEAR(by_matrix.estimates[q].t, by_rho.estimates[q].t, 1e-9);
    EXPECT_NEAR(by_matrix.estimates[q].effect, by_rho.estimates[q].effect, 1e-9);
    EXPECT_GT(std::abs(plain.estimates[q].t - by_rho.estimates[q].t), 1e-4);
  }
}

// A neural series inside the basis and no noise: the slope per condition comes back.
TEST(Ppi, NoiseFreeSlopeIsRecovered) {
  Inputs in = three_regions();
  in.confounds.resize(0, 0);
  Eigen::VectorXd neural = Eigen::VectorXd::Zero(kVolumes * kBins);
  const Eigen::VectorXd draw = sequence(20, 3).array() - 0.5;
  for (Eigen::Index i = 0; i < neural.size(); ++i) {
    for (Eigen::Index k = 1; k <= 20; ++k) { // nothing before the run: the sines start at zero
      neural[i] += draw[k - 1] * std::sin(std::numbers::pi * static_cast<double>(k * i) / 1200.0);
    }
  }
  const Eigen::VectorXd seed = at_volumes(neural, in.hrf, 7);
  Eigen::VectorXd target = 3.0 + 0.7 * seed.array();
  const double slope[2] = {0.8, -0.3};
  for (Eigen::Index k = 0; k < 2; ++k) {
    const Eigen::VectorXd u = in.psychological.col(k);
    target +=
        slope[k] * at_volumes(u.cwiseProduct(neural), in.hrf, 7) + 0.5 * at_volumes(u, in.hrf, 7);
  }
  in.series.resize(kVolumes, 2);
  in.series << seed, target;
  in.regions = {"A", "B"};
  in.contrasts = {{"sad", pair(1, 0)}, {"neutral", pair(0, 1)}, {"difference", pair(1, -1)}};
  in.questions = {{0, 1, 0}, {0, 1, 1}, {0, 1, 2}};
  const Outputs out = run(in, {}, {});
  EXPECT_NEAR(out.estimates[0].effect, 0.8, 0.03);
  EXPECT_NEAR(out.estimates[1].effect, -0.3, 0.03);
  EXPECT_NEAR(out.estimates[2].effect, 1.1, 0.03);
  EXPECT_NEAR(out.estimates[2].effect, out.estimates[0].effect - out.estimates[1].effect, 1e-9);
}

// White neural noise, blocks of faces, noise in both regions: on average the slope that was put in.
TEST(Ppi, SlopeIsRecoveredThroughNoiseInTheSeed) {
  const int n = 150;
  Inputs in;
  in.tr_s = kTr;
  in.hrf = canonical();
  in.conditions = {"sad", "neutral"};
  in.psychological.resize(n * kBins, 2);
  in.psychological << blocks({10, 60, 130, 180, 240}, 20, n),
      blocks({35, 90, 155, 210, 270}, 20, n);
  in.contrasts = {{"difference", pair(1, -1)}};
  in.questions = {{0, 1, 0}};
  in.series.resize(n, 2);
  double sum = 0.0;
  double squares = 0.0;
  constexpr int kRepeats = 60;
  for (int repeat = 0; repeat < kRepeats; ++repeat) {
    Random random(stream_seed(3, "ppi", std::to_string(repeat)));
    Eigen::VectorXd neural(n * kBins);
    for (double& v : neural) v = 8.0 * random.normal();
    const Eigen::VectorXd difference = in.psychological.col(0) - in.psychological.col(1);
    in.series.col(0) = at_volumes(neural, in.hrf, 7);
    in.series.col(1) =
        0.5 * in.series.col(0) + 0.5 * at_volumes(difference.cwiseProduct(neural), in.hrf, 7);
    for (double& v : in.series.reshaped()) v += 0.4 * random.normal();
    const double effect = run(in, {}, {}).estimates[0].effect;
    sum += effect;
    squares += effect * effect;
  }
  const double mean = sum / kRepeats;
  const double se = std::sqrt((squares / kRepeats - mean * mean) / kRepeats);
  EXPECT_LT(se, 0.05);
  EXPECT_NEAR(mean, 1.0, 0.1); // the contrast is 0.5 - (-0.5)
}

// Regions whose own fluctuations are slow, as BOLD series are: 95 % intervals of the default noise
// model cover, those of white noise do not. 300 runs: binomial SE 1.3 %, 3.3 of them.
TEST(Ppi, IntervalsCoverSlowNoise) {
  constexpr int kRuns = 300;
  constexpr int kN = 100;
  Inputs in;
  in.tr_s = kTr;
  in.hrf = canonical();
  in.conditions = {"sad", "neutral"};
  in.psychological.resize(kN * kBins, 2);
  in.psychological << blocks({10, 60, 110, 160}, 20, kN), blocks({35, 85, 135}, 20, kN);
  in.contrasts = {{"difference", pair(1, -1)}};
  in.questions = {{0, 1, 0}};
  int covered[2] = {0, 0};
  for (int i = 0; i < kRuns; ++i) {
    Random random(stream_seed(4, "ppi cover", std::to_string(i)));
    in.series.resize(kN, 2);
    for (Eigen::Index r = 0; r < 2; ++r) {
      double slow = random.normal();
      for (Eigen::Index t = 0; t < kN; ++t) {
        slow = 0.75 * slow + std::sqrt(1.0 - 0.75 * 0.75) * random.normal();
        in.series(t, r) = 100.0 + slow + 0.5 * random.normal();
      }
    }
    for (int m = 0; m < 2; ++m) {
      const auto e = run(in, {.deconvolution = "none", .noise = m == 0 ? "mixture" : "white"}, {})
                         .estimates[0];
      // Two-sided 5 % points of t lie at 1.96 + 2.4 / dof to 0.01 from 10 degrees of freedom on.
      covered[m] += std::abs(e.t) < 1.96 + 2.4 / e.dof + 4.0 / (e.dof * e.dof) ? 1 : 0;
    }
  }
  EXPECT_GT(covered[0], kRuns * (0.95 - 3.3 * 0.0126));
  EXPECT_LT(covered[1], kRuns * 0.90);
}

TEST(Ppi, EffectFollowsTheTargetAndItsInfluenceItsVariance) {
  Inputs in = three_regions();
  const Outputs once = run(in, {}, {});
  in.series.col(1) = 7.0 * in.series.col(1).array() - 50.0;
  const Outputs scaled = run(in, {}, {});
  EXPECT_NEAR(scaled.estimates[0].effect, 7.0 * once.estimates[0].effect, 1e-8);
  EXPECT_NEAR(scaled.estimates[0].t, once.estimates[0].t, 1e-8);
  EXPECT_EQ(scaled.estimates[4].effect, once.estimates[4].effect); // another target
  // The robust variance of the same slope: of the same size, as errors do not depend on the design
  const double robust = once.estimates[0].influence.squaredNorm();
  EXPECT_GT(robust, 0.4 * once.estimates[0].variance);
  EXPECT_LT(robust, 2.5 * once.estimates[0].variance);
}

TEST(Ppi, SameBitsAtOneAndEightThreads) {
  const Inputs in = three_regions();
  const auto go = [&] { return run(in, {}, {}); };
  const Outputs one = with_threads(1, go);
  const Outputs eight = with_threads(8, go);
  for (std::size_t q = 0; q < 6; ++q) {
    EXPECT_EQ(one.estimates[q].effect, eight.estimates[q].effect);
    EXPECT_EQ(one.estimates[q].variance, eight.estimates[q].variance);
    EXPECT_EQ(one.estimates[q].influence, eight.estimates[q].influence);
  }
}

TEST(Ppi, WhatCannotBeEstimatedIsMissingWithTheReason) {
  const auto reason = [](const Inputs& in, std::size_t q, const Params& params = {}) {
    const Outputs out = run(in, params, {});
    EXPECT_TRUE(std::isnan(out.estimates[q].effect) && std::isnan(out.estimates[q].variance));
    return out.estimates[q].reason;
  };
  Inputs in = three_regions();
  in.psychological.col(1).setZero();
  EXPECT_EQ(reason(in, 0), "condition neutral has no event");
  in.contrasts[1].weights = pair(1, 0); // the other condition alone still works
  EXPECT_TRUE(run(in, {}, {}).estimates[1].reason.empty());
  in = three_regions();
  in.psychological.col(1) = in.psychological.col(0);
  EXPECT_NE(reason(in, 0).find("cannot tell"), std::string::npos);
  EXPECT_TRUE(run(in, {}, {}).estimates[1].reason.empty()); // their sum it can
  in = three_regions();
  in.series.col(1).setConstant(5.0);
  EXPECT_EQ(reason(in, 0), "B has no finite, varying series");
  EXPECT_EQ(reason(in, 2), "B has no finite, varying series");
  EXPECT_TRUE(run(in, {}, {}).estimates[4].reason.empty());
  EXPECT_NE(reason(three_regions(), 0, {.min_dof = 60}).find("degrees of freedom"),
            std::string::npos);
}

TEST(Ppi, RefusesSizesThatDoNotFit) {
  const auto kind_after = [](const auto& change) {
    Inputs in = three_regions();
    change(in);
    return kind_of([&] { (void)run(in, {}, {}); });
  };
  EXPECT_EQ(kind_after([](Inputs& in) { in.psychological.conservativeResize(900, 2); }),
            ErrorKind::input);
  EXPECT_EQ(kind_after([](Inputs& in) { in.contrasts[0].weights.resize(3); }), ErrorKind::input);
  EXPECT_EQ(kind_after([](Inputs& in) { in.questions[0].target = 3; }), ErrorKind::input);
  EXPECT_EQ(kind_after([](Inputs& in) { in.questions[0].target = 0; }), ErrorKind::input);
  EXPECT_EQ(kind_after([](Inputs& in) { in.tr_s = 0.0; }), ErrorKind::input);
  EXPECT_EQ(kind_after([](Inputs& in) { in.rho = {0.1}; }), ErrorKind::input);
  EXPECT_EQ(kind_after([](Inputs& in) { in.rho = {1.0, 0.0, 0.0}; }), ErrorKind::input);
  EXPECT_EQ(kind_after([](Inputs& in) { in.confounds(3, 1) = std::nan(""); }), ErrorKind::input);
  EXPECT_EQ(kind_after([](Inputs& in) { in.psychological(3, 1) = std::nan(""); }),
            ErrorKind::input);
  EXPECT_EQ(kind_after([](Inputs& in) { in.hrf.resize(0); }), ErrorKind::input);
  EXPECT_EQ(kind_after([](Inputs& in) { in.whitening.assign(3, Eigen::MatrixXd::Ones(2, 2)); }),
            ErrorKind::input);
  EXPECT_EQ(kind_of([] { (void)run(three_regions(), {.reference_bin = 16}, {}); }),
            ErrorKind::usage);
}

TEST(PpiCondition, IsABoxcarOnTheMicrotimeGrid) {
  const std::vector<Event> events{{1.0, 3.0}, {10.0, 0.0}, {-1.0, 2.0}, {19.0, 5.0}, {40.0, 1.0}};
  const Eigen::VectorXd u = microtime_condition(events, 10, 2.0, 16); // bins of 0.125 s, 20 s
  EXPECT_EQ(u.segment(0, 8).sum(), 8.0);
  EXPECT_EQ(u.segment(8, 24).sum(), 24.0);
  EXPECT_EQ(u[32], 0.0);
  EXPECT_EQ(u[80], 8.0); // one bin of area 1
  EXPECT_EQ(u.tail(8).sum(), 8.0);
  EXPECT_EQ(u.sum(), 8.0 + 24.0 + 8.0 + 8.0);
  const std::vector<Event> bad{{1.0, -1.0}};
  EXPECT_EQ(kind_of([&] { (void)microtime_condition(bad, 10, 2.0, 16); }), ErrorKind::input);
}

TEST(SeedSeries, EigenvariateAgreesWithTheSingularValueDecomposition) {
  Eigen::MatrixXd tall(40, 12), wide(12, 40);
  const Eigen::VectorXd a = sequence(40 * 12, 3);
  const Eigen::VectorXd b = sequence(40 * 12, 4);
  for (Eigen::Index v = 0; v < 12; ++v) {
    for (Eigen::Index t = 0; t < 40; ++t) {
      const double line = -0.2 + 1.2 * static_cast<double>(v) / 11.0;
      tall(t, v) = a[v * 40 + t] + std::sin(static_cast<double>(t) / 3.0) * line;
    }
  }
  for (Eigen::Index v = 0; v < 40; ++v) {
    for (Eigen::Index t = 0; t < 12; ++t) {
      const double line = -0.2 + 1.2 * static_cast<double>(v) / 39.0;
      wide(t, v) = b[v * 12 + t] + line * std::cos(static_cast<double>(t));
    }
  }
  const Eigen::MatrixXd trend = Eigen::VectorXd::LinSpaced(40, 0, 39) / 40;
  const auto check = [&](const Eigen::MatrixXd& voxels, const std::string& file) {
    const Eigen::VectorXd expected = reference(file).col(0);
    const Eigen::VectorXd found =
        seed_series(voxels, trend.topRows(voxels.rows()), SeedKind::eigenvariate);
    EXPECT_LT((found - expected).cwiseAbs().maxCoeff(), 1e-8) << file;
  };
  check(tall, "eigenvariate_tall.tsv");
  check(wide, "eigenvariate_wide.tsv");
  EXPECT_LT((seed_series(tall, {}, SeedKind::mean) - tall.rowwise().mean()).norm(), 1e-13);
  EXPECT_NEAR(seed_series(tall, trend, SeedKind::mean).dot(trend.col(0)), 0.0, 1e-10);
  tall.col(0).setConstant(4.0);
  tall(3, 1) = std::nan("");
  EXPECT_LT((seed_series(tall, {}, SeedKind::mean) - tall.rightCols(10).rowwise().mean()).norm(),
            1e-13);
  EXPECT_EQ(kind_of([&] { (void)seed_series(tall.leftCols(2), {}, SeedKind::mean); }),
            ErrorKind::input);
}

} // namespace
} // namespace boldmill::ppi
