#include "stages/ppi/neural_deconvolution.hpp"

#include <algorithm>

#include "stages/ppi/test_data.hpp"

namespace boldmill::neural_deconvolution {
namespace {

using namespace ppi_data;

Outputs deconvolve(const Eigen::VectorXd& y, const Params& params, const Eigen::MatrixXd& nuisance,
                   std::span<const std::uint8_t> keep = {}) {
  const DesignInputs design{static_cast<int>(y.size()), keep, canonical(), nuisance};
  const Basis basis = prepare(design, params, {});
  return run({&basis, y}, params, {});
}

// tests/reference/ppi/make.py: spm_PEB written out with the augmented two-level matrices.
TEST(NeuralDeconvolution, FixedVariancesAgreeWithSpmsEquations) {
  const Eigen::MatrixXd expected = reference("neural_spm.tsv");
  for (Eigen::Index r = 0; r < 2; ++r) {
    const auto out =
        deconvolve(series().col(r), {.variances = "spm", .sample_bin = 0}, confounds());
    // SPM adds 1e-6 to each variance and gives confounds the variance 1e6 instead of none.
    EXPECT_LT((out.neural - expected.col(r)).norm() / expected.col(r).norm(), 2e-5);
    EXPECT_EQ(out.noise_variance, 0.25);
  }
}

TEST(NeuralDeconvolution, RemlAgreesWithFisherScoringAlsoWhenCensored) {
  const Eigen::MatrixXd expected = reference("neural_reml.tsv");
  const Eigen::MatrixXd variances = reference("variances_reml.tsv");
  auto y = series().col(0).eval();
  const auto keep = part();
  for (Eigen::Index c = 0; c < 2; ++c) {
    if (c == 1) y[20] = y[45] = std::nan(""); // what is not kept is not looked at
    const auto out = deconvolve(y, {.prior = "white"}, confounds(),
                                c == 0 ? std::span<const std::uint8_t>{} : std::span(keep));
    EXPECT_NEAR(out.noise_variance, variances(c, 0), 1e-5 * variances(c, 0));
    EXPECT_NEAR(out.prior_variance, variances(c, 1), 1e-5 * variances(c, 1));
    EXPECT_LT((out.neural - expected.col(c)).norm() / expected.col(c).norm(), 1e-5);
    EXPECT_FALSE(out.at_limit);
  }
}

Eigen::VectorXd boxcar() {
  Eigen::VectorXd u = Eigen::VectorXd::Zero(kVolumes * kBins);
  for (const int second : {10, 50, 90}) u.segment(second * 8, 20 * 8).setOnes(); // 20 s blocks
  return u;
}

TEST(NeuralDeconvolution, NoiseFreeBoxcarComesBackButForItsEdges) {
  const Eigen::VectorXd y = at_volumes(boxcar(), canonical(), 7);
  const auto out = deconvolve(y, {}, {});
  EXPECT_GT(correlation(out.neural, boxcar()), 0.95);
  // What is slower than 0.06 Hz is there but for the ends of the run; nothing fast passes.
  Eigen::VectorXd slow(15), expected(15);
  for (Eigen::Index k = 0; k < 15; ++k) {
    Eigen::VectorXd wave(out.neural.size());
    for (Eigen::Index i = 0; i < wave.size(); ++i) {
      wave[i] = std::cos(std::numbers::pi * static_cast<double>((2 * i + 1) * (k + 1)) /
                         (2.0 * static_cast<double>(wave.size())));
    }
    slow[k] = wave.dot(out.neural);
    expected[k] = wave.dot(boxcar());
  }
  EXPECT_LT((slow - expected).norm() / expected.norm(), 0.12);
  const Eigen::VectorXd again = at_volumes(out.neural, canonical(), 7);
  EXPECT_GT(correlation(again.tail(50), y.tail(50)), 0.9995);
}

TEST(NeuralDeconvolution, SolvesTheNormalEquationsOfThePosterior) {
  const Params params;
  const Basis basis = prepare({kVolumes, {}, canonical(), confounds()}, params, {});
  const Eigen::VectorXd y = series().col(1);
  const auto out = run({&basis, y}, params, {});
  const auto prior = std::find_if(basis.priors.begin(), basis.priors.end(),
                                  [&](const Prior& p) { return p.exponent == out.prior_exponent; });
  ASSERT_NE(prior, basis.priors.end());
  EXPECT_NEAR(prior->variance.mean(), 1.0, 1e-12);
  // (X'X / s + D) b = X'y / s, D = 1 / (p times the prior's shape) on the cosines, 0 on the
  // confounds
  Eigen::MatrixXd x(kVolumes, kVolumes + 3);
  x << basis.convolved, Eigen::VectorXd::Ones(kVolumes), confounds();
  Eigen::MatrixXd a = x.transpose() * x / out.noise_variance;
  a.diagonal().head(kVolumes).array() += (out.prior_variance * prior->variance.array()).inverse();
  const Eigen::VectorXd b = a.fullPivLu().solve(x.transpose() * y / out.noise_variance);
  Eigen::VectorXd expected = basis.cosines * b.head(kVolumes);
  expected.array() -= expected.mean();
  EXPECT_LT((out.neural - expected).norm() / expected.norm(), 1e-7);
}

TEST(NeuralDeconvolution, RemlFindsTheVariancesThatMadeTheSeries) {
  const int n = 200;
  const Basis basis = prepare({n, {}, canonical(), {}}, {}, {});
  ASSERT_EQ(basis.priors.size(), 3U);
  Basis white = basis;
  white.priors.resize(1);
  constexpr int kRepeats = 30;
  std::vector<double> exponent;
  for (const Prior& truth : basis.priors) {
    double noise = 0.0;
    double prior = 0.0;
    double found = 0.0;
    for (int repeat = 0; repeat < kRepeats; ++repeat) {
      Random random(stream_seed(7, "reml", std::to_string(repeat)));
      Eigen::VectorXd c(n), e(n);
      for (double& v : c) v = 3.0 * random.normal();
      for (double& v : e) v = 0.3 * random.normal();
      const Eigen::VectorXd y = basis.convolved * truth.variance.cwiseSqrt().cwiseProduct(c) + e;
      found += run({&basis, y}, {}, {}).prior_exponent / kRepeats;
      const auto out = run({&white, y}, {}, {});
      noise += out.noise_variance / kRepeats;
      prior += out.prior_variance / kRepeats;
    }
    exponent.push_back(found);
    if (truth.exponent > 0.0) continue;
    EXPECT_NEAR(noise, 0.09, 0.012);
    EXPECT_NEAR(prior, 9.0, 1.8);
  }
  EXPECT_LT(exponent[0], 0.35);
  EXPECT_GT(exponent[1], exponent[0]);
  EXPECT_GT(exponent[2], 0.65);
}

TEST(NeuralDeconvolution, FollowsTheScaleAndIgnoresTheLevel) {
  const Eigen::VectorXd y = series().col(0);
  const auto once = deconvolve(y, {}, confounds());
  const auto tenfold = deconvolve(10.0 * y.array() + 500.0, {}, confounds());
  EXPECT_LT((tenfold.neural - 10.0 * once.neural).norm() / once.neural.norm(), 1e-5);
  EXPECT_NEAR(tenfold.noise_variance / once.noise_variance, 100.0, 1e-3);
}

TEST(NeuralDeconvolution, SaysWhenNoSignalIsFound) {
  Eigen::VectorXd y(kVolumes); // alternating: nothing a haemodynamic response could make
  for (Eigen::Index i = 0; i < kVolumes; ++i) y[i] = i % 2 == 0 ? 1.0 : -1.0;
  EXPECT_TRUE(deconvolve(y, {}, {}).at_limit);
}

TEST(NeuralDeconvolution, RefusesWhatItCannotUse) {
  const auto prepare_with = [](const DesignInputs& design, const Params& params = {}) {
    return kind_of([&] { (void)prepare(design, params, {}); });
  };
  const std::vector<std::uint8_t> short_keep(3, 1);
  EXPECT_EQ(prepare_with({kVolumes, short_keep, canonical(), {}}), ErrorKind::input);
  EXPECT_EQ(prepare_with({kVolumes, {}, {}, {}}), ErrorKind::input);
  EXPECT_EQ(prepare_with({kVolumes, {}, canonical(), Eigen::MatrixXd::Ones(4, 1)}),
            ErrorKind::input);
  EXPECT_EQ(prepare_with({8, {}, canonical(), {}}), ErrorKind::input);
  EXPECT_EQ(prepare_with({kVolumes, {}, canonical(), {}}, {.sample_bin = 16}), ErrorKind::usage);
  const auto series_is = [](const Eigen::VectorXd& y) {
    return kind_of([&] {
      const Basis basis = prepare({kVolumes, {}, canonical(), {}}, {}, {});
      (void)run({&basis, y}, {}, {});
    });
  };
  EXPECT_EQ(series_is(Eigen::VectorXd::Constant(kVolumes, 100.1)), ErrorKind::input);
  EXPECT_EQ(series_is(Eigen::VectorXd::Ones(5)), ErrorKind::input);
  EXPECT_EQ(series_is(Eigen::VectorXd::Constant(kVolumes, std::nan(""))), ErrorKind::input);
}

} // namespace
} // namespace boldmill::neural_deconvolution
