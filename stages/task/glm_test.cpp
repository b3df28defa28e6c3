#include "stages/task/glm.hpp"

#include "stages/core/random.hpp"
#include "stages/task/kernels/tail.hpp"
#include "stages/task/test_data.hpp"

namespace boldmill {
namespace {

using namespace test_data;

struct Problem {
  Eigen::MatrixXd design;
  Eigen::MatrixXf series;
  std::vector<Contrast> contrasts;
  std::vector<std::uint8_t> keep;
  double tr_s = 2.0;

  [[nodiscard]] glm::Inputs inputs() const {
    return {.series = {series.data(), series.rows(), series.cols()},
            .design = &design,
            .keep = keep,
            .tr_s = tr_s,
            .contrasts = contrasts};
  }
};

// The fits of make.py: 120 volumes, 24 columns, fear - neutral, press, and both as F.
Problem reference_problem() {
  const Events all = reference_events();
  task_design::Params params;
  params.variant = "spm";
  params.reference_bin = 8;
  const task_design::Design design =
      task_design::run({.events = all.events, .n_volumes = 120, .tr_s = 2.0}, params);
  Problem out{.design = design.matrix, .series = reference_series(120, 24)};
  const auto names = design.names();
  const Eigen::RowVectorXd a = contrast_weights("fear - neutral", names);
  const Eigen::RowVectorXd b = contrast_weights("press", names);
  Eigen::MatrixXd joint(2, a.size());
  joint << a, b;
  out.contrasts = {{"fear - neutral", a}, {"press", b}, {"both", joint}};
  return out;
}

glm::Outputs fit(const Problem& problem, const std::string& noise) {
  glm::Params params;
  params.noise = noise;
  return glm::run(problem.inputs(), params, Context{});
}

Eigen::MatrixXd table(const glm::ContrastResult& r) {
  Eigen::MatrixXd out(r.stat.size(), 4);
  out << (r.effect.size() > 0 ? r.effect : Eigen::VectorXf(Eigen::VectorXf::Zero(r.stat.size())))
             .cast<double>(),
      r.variance.cast<double>(), r.stat.cast<double>(), r.z.cast<double>();
  return out;
}

TEST(Glm, NilearnOlsAndAr1) {
  const Problem problem = reference_problem();
  for (const char* noise : {"ols", "ar1"}) {
    const Eigen::MatrixXd expected = reference(std::string("glm_") + noise + ".tsv");
    const glm::Outputs out = fit(problem, noise);
    for (Eigen::Index k = 0; k < 3; ++k) {
      const Eigen::MatrixXd found = table(out.contrasts[static_cast<std::size_t>(k)]);
      for (Eigen::Index c = k == 2 ? 1 : 0; c < 4; ++c) {
        EXPECT_LT(relative_error(found.col(c), expected.col(4 * k + c)), 1e-6)
            << noise << " contrast " << k << " column " << c;
      }
    }
  }
}

TEST(Glm, StatsmodelsOls) {
  const Eigen::MatrixXd expected = reference("statsmodels_ols.tsv");
  const glm::Outputs out = fit(reference_problem(), "ols");
  const glm::ContrastResult& t = out.contrasts[0];
  EXPECT_NEAR(t.effect[5], expected(0, 0), 1e-6 * std::abs(expected(0, 0)));
  EXPECT_NEAR(std::sqrt(t.variance[5]), expected(0, 1), 1e-6 * expected(0, 1));
  EXPECT_NEAR(t.stat[5], expected(0, 2), 1e-6);
  EXPECT_EQ(t.dof[5], static_cast<float>(expected(0, 3)));
  EXPECT_NEAR(out.contrasts[2].stat[5], expected(0, 4), 1e-6);
  EXPECT_NEAR(0.5 * std::erfc(static_cast<double>(out.contrasts[2].z[5]) / std::sqrt(2.0)),
              expected(0, 5), 1e-6);
}

TEST(Glm, StatsmodelsGlsWithOneRho) {
  const Eigen::MatrixXd expected = reference("statsmodels_gls.tsv");
  const glm::Outputs out = fit(reference_problem(), "ar1_global");
  const Eigen::MatrixXd found = table(out.contrasts[0]);
  EXPECT_NEAR(out.autocorrelation[0], expected(0, 0), 1e-6);
  for (Eigen::Index c = 0; c < 3; ++c) {
    EXPECT_LT(relative_error(found.col(c), expected.col(1 + c)), 1e-5) << c;
  }
}

TEST(Glm, MixtureIsThatOfItsFormulasWithAndWithoutGaps) {
  Problem problem = reference_problem();
  for (const char* file : {"mixture.tsv", "mixture_gaps.tsv"}) {
    const Eigen::MatrixXd expected = reference(file);
    const glm::ContrastResult found = fit(problem, "mixture").contrasts[0];
    EXPECT_LT(relative_error(table(found), expected.leftCols(4)), 1e-5) << file;
    EXPECT_LT(relative_error(found.dof.cast<double>(), expected.col(4)), 1e-5) << file;
    problem.keep.assign(120, 1);
    for (const std::size_t t : {7, 8, 9, 40, 77, 78}) problem.keep[t] = 0;
  }
}

TEST(Glm, TrueEffectsAreFoundAndScaleAsTheyShould) {
  Problem problem = reference_problem();
  const Eigen::VectorXf response = problem.design.col(0).cast<float>();
  for (const char* noise : {"ols", "ar1", "ar1_global", "mixture"}) {
    const glm::Outputs before = fit(problem, noise);
    Problem more = problem;
    more.series.colwise() += 7.0F * response;
    const glm::Outputs after = fit(more, noise);
    const Eigen::VectorXf gain = after.contrasts[0].effect - before.contrasts[0].effect;
    EXPECT_LT((gain.array() - 7.0F).abs().maxCoeff(), 1e-3F) << noise;
    Problem twice = problem;
    twice.series *= 2.0F;
    const glm::Outputs scaled = fit(twice, noise);
    EXPECT_LT((scaled.contrasts[0].stat - before.contrasts[0].stat).cwiseAbs().maxCoeff(), 1e-5F)
        << noise;
  }
}

TEST(Glm, SpikesAndDroppedRowsAgree) {
  const Events all = reference_events();
  std::vector<std::uint8_t> keep(120, 1);
  for (const std::size_t t : {3, 50, 51, 90}) keep[t] = 0;
  Problem dropped = reference_problem();
  dropped.keep = keep;
  task_design::Params params;
  params.variant = "spm";
  params.reference_bin = 8;
  params.censoring = "spikes";
  const task_design::Design design =
      task_design::run({.events = all.events, .n_volumes = 120, .tr_s = 2.0, .keep = keep}, params);
  Problem spikes = dropped;
  spikes.keep.clear();
  spikes.design = design.matrix;
  spikes.contrasts = {{"fear - neutral", contrast_weights("fear - neutral", design.names())}};
  const glm::ContrastResult a = fit(dropped, "ols").contrasts[0];
  const glm::ContrastResult b = fit(spikes, "ols").contrasts[0];
  EXPECT_LT((a.stat - b.stat).cwiseAbs().maxCoeff(), 1e-5F);
  EXPECT_EQ(a.dof[0], b.dof[0]);
}

TEST(Glm, PercentSignalDividesByTheMean) {
  const Problem problem = reference_problem();
  glm::Params params;
  params.percent_signal = true;
  const glm::Outputs percent = glm::run(problem.inputs(), params, Context{});
  const glm::Outputs raw = fit(problem, "mixture");
  for (Eigen::Index c = 0; c < 24; ++c) {
    const double mean = problem.series.col(c).cast<double>().mean();
    EXPECT_NEAR(percent.contrasts[0].effect[c], 100.0 * raw.contrasts[0].effect[c] / mean, 1e-6);
    EXPECT_NEAR(percent.contrasts[0].variance[c], 1e4 * raw.contrasts[0].variance[c] / mean / mean,
                1e-6);
    EXPECT_EQ(percent.contrasts[0].stat[c], raw.contrasts[0].stat[c]);
  }
}

TEST(Glm, InfluencesAddUpToTheVarianceAndChangeNothing) {
  Problem problem = reference_problem();
  problem.keep.assign(120, 1);
  problem.keep[7] = problem.keep[60] = 0;
  glm::Inputs inputs = problem.inputs();
  inputs.influence = true;
  for (const char* noise : {"ols", "ar1", "mixture"}) {
    glm::Params params;
    params.noise = noise;
    const glm::Outputs plain = fit(problem, noise);
    const glm::Outputs out = glm::run(inputs, params, Context{});
    const glm::ContrastResult& r = out.contrasts[0];
    EXPECT_EQ(r.effect, plain.contrasts[0].effect);
    EXPECT_EQ(plain.contrasts[0].influence.size(), 0);
    EXPECT_EQ(out.contrasts[2].influence.size(), 0); // an F test
    ASSERT_EQ(r.influence.rows(), 120);
    EXPECT_EQ(r.influence.row(7).norm() + r.influence.row(60).norm(), 0.0);
    for (Eigen::Index c = 0; c < 24; ++c) {
      // Weights lie in the space of the design, residuals do not.
      EXPECT_LT(std::abs(r.influence.col(c).sum()), 1e-6 * r.influence.col(c).norm()) << noise;
      // 118 volumes of one design: the sum of squares is within a factor of two of the variance.
      const double ratio = r.influence.col(c).squaredNorm() / static_cast<double>(r.variance[c]);
      EXPECT_GT(ratio, 0.5) << noise << c;
      EXPECT_LT(ratio, 2.0) << noise << c;
    }
    params.percent_signal = true;
    const glm::Outputs percent = glm::run(inputs, params, Context{});
    EXPECT_LT((percent.contrasts[0].influence.col(3) -
               r.influence.col(3) * 100.0 / static_cast<double>(out.mean[3]))
                  .norm(),
              1e-6 * r.influence.col(3).norm());
  }
}

TEST(Glm, ColumnsWithoutVarianceOrWithNanAreMissing) {
  Problem problem = reference_problem();
  problem.series.col(3).setConstant(812.25F);
  problem.series(17, 6) = std::numeric_limits<float>::quiet_NaN();
  problem.series.col(9).setZero();
  for (const char* noise : {"ols", "ar1", "ar1_global", "mixture"}) {
    const glm::Outputs out = fit(problem, noise);
    EXPECT_EQ(out.n_missing, 3U) << noise;
    for (const glm::ContrastResult& result : out.contrasts) {
      for (const Eigen::Index c : {3, 6, 9}) EXPECT_TRUE(std::isnan(result.stat[c])) << noise;
      EXPECT_EQ(result.stat.array().isNaN().count(), 3) << noise;
    }
  }
}

TEST(Glm, ContrastsThatCannotBeEstimatedSayWhy) {
  Problem problem = reference_problem();
  problem.design.conservativeResize(Eigen::NoChange, problem.design.cols() + 1);
  problem.design.rightCols(1) = problem.design.col(0); // fear twice
  for (Contrast& contrast : problem.contrasts) {
    contrast.weights.conservativeResize(Eigen::NoChange, problem.design.cols());
    contrast.weights.rightCols(1).setZero();
  }
  problem.contrasts[2].weights.row(0) = problem.contrasts[2].weights.row(1);
  for (const char* noise : {"ols", "mixture"}) {
    const glm::Outputs out = fit(problem, noise);
    EXPECT_NE(out.contrasts[0].missing.find("not estimable"), std::string::npos);
    EXPECT_TRUE(out.contrasts[0].stat.array().isNaN().all());
    EXPECT_TRUE(out.contrasts[1].missing.empty());
    EXPECT_FALSE(out.contrasts[1].stat.array().isNaN().any());
    EXPECT_NE(out.contrasts[2].missing.find("depend"), std::string::npos);
  }
}

TEST(Glm, SameBitsAtAnyNumberOfThreads) {
  Problem problem = reference_problem();
  const Eigen::MatrixXf some = problem.series;
  problem.series.resize(120, 24 * 40);
  for (int i = 0; i < 40; ++i) {
    problem.series.middleCols(24 * i, 24) = some;
    problem.series.middleCols(24 * i, 24).row(i) *= 1.01F;
  }
  for (const char* noise : {"ar1", "ar1_global", "mixture"}) {
    const auto one = with_threads(1, [&] { return fit(problem, noise); });
    const auto eight = with_threads(8, [&] { return fit(problem, noise); });
    for (std::size_t k = 0; k < one.contrasts.size(); ++k) {
      EXPECT_TRUE(one.contrasts[k].stat == eight.contrasts[k].stat) << noise;
      EXPECT_TRUE(one.contrasts[k].z == eight.contrasts[k].z) << noise;
      EXPECT_TRUE(one.contrasts[k].variance == eight.contrasts[k].variance) << noise;
    }
  }
}

TEST(Glm, DocumentedErrors) {
  Problem problem = reference_problem();
  Problem bad = problem;
  bad.design.conservativeResize(119, Eigen::NoChange);
  expect_error(ErrorKind::input, "119 rows", [&] { (void)fit(bad, "ols"); });
  bad = problem;
  bad.design(3, 0) = NAN;
  expect_error(ErrorKind::input, "not finite", [&] { (void)fit(bad, "ols"); });
  bad = problem;
  bad.contrasts[0].weights.conservativeResize(1, 2);
  expect_error(ErrorKind::input, "2 weights", [&] { (void)fit(bad, "ols"); });
  bad = problem;
  bad.tr_s = 0.0;
  expect_error(ErrorKind::input, "repetition time", [&] { (void)fit(bad, "ols"); });
  bad = problem;
  bad.keep.assign(120, 0);
  std::fill_n(bad.keep.begin(), 12, std::uint8_t{1});
  expect_error(ErrorKind::gate, "12 volumes kept", [&] { (void)fit(bad, "ols"); });
  bad = problem;
  bad.series.resize(120, 0);
  EXPECT_EQ(fit(bad, "mixture").contrasts[0].stat.size(), 0);
}

TEST(Glm, NullRunsHoldTheirRateUnderSlowNoise) {
  // White noise, one correlation of 2 s and one of 15 s, a block design: about 5 % of 600.
  constexpr Eigen::Index kRuns = 600;
  const Problem base = reference_problem();
  Problem problem = base;
  problem.contrasts.resize(1);
  problem.series.resize(120, kRuns);
  for (Eigen::Index c = 0; c < kRuns; ++c) {
    Random random(stream_seed(4, "null run", std::to_string(c)));
    double fast = random.normal();
    double slow = random.normal();
    for (Eigen::Index t = 0; t < 120; ++t) {
      const double a = std::exp(-2.0 / 2.0);
      const double b = std::exp(-2.0 / 15.0);
      fast = a * fast + std::sqrt(1 - a * a) * random.normal();
      slow = b * slow + std::sqrt(1 - b * b) * random.normal();
      problem.series(t, c) =
          static_cast<float>(100 + std::sqrt(0.5) * random.normal() + 0.5 * (fast + slow));
    }
  }
  const auto rate = [&](const char* noise) {
    const glm::Outputs out = fit(problem, noise);
    return static_cast<double>((out.contrasts[0].z.array().abs() > 1.959964F).count()) / kRuns;
  };
  const double mixture = rate("mixture");
  EXPECT_GT(mixture, 0.05 - 0.03); // the 99.9 % interval of 600 draws is +- 0.029
  EXPECT_LT(mixture, 0.05 + 0.03);
  EXPECT_GT(rate("ols"), 0.12); // the noise is one that matters
}

TEST(FixedEffects, AreNilearns) {
  const Eigen::MatrixXd expected = reference("fixed_effects.tsv");
  Eigen::MatrixXf effects(3, 3), variances(3, 3);
  effects << 1.0F, -2.0F, 0.5F, 1.5F, -1.0F, 0.1F, 0.7F, 0.2F, 0.4F;
  variances << 0.2F, 0.5F, 0.1F, 0.4F, 0.1F, 0.3F, 0.1F, 0.9F, 0.2F;
  std::vector<glm::ContrastResult> runs(3);
  std::vector<const glm::ContrastResult*> list;
  for (Eigen::Index r = 0; r < 3; ++r) {
    glm::ContrastResult& run = runs[static_cast<std::size_t>(r)];
    run.effect = effects.row(r);
    run.variance = variances.row(r);
    run.stat = run.effect;
    run.dof = Eigen::VectorXf::Constant(3, r == 0 ? 90.0F : r == 1 ? 100.0F : 80.0F);
    list.push_back(&run);
  }
  for (const bool weighted : {false, true}) {
    const glm::ContrastResult out = glm::fixed_effects(list, weighted, Context{});
    EXPECT_LT(relative_error(table(out), expected.middleRows(weighted ? 3 : 0, 3)), 1e-6);
    EXPECT_EQ(out.dof[0], 270.0F);
  }
  runs[1].effect[2] = NAN;
  const glm::ContrastResult two = glm::fixed_effects(list, false, Context{});
  EXPECT_NEAR(two.effect[2], 0.45, 1e-6);
  EXPECT_EQ(two.dof[2], 170.0F);
  runs[1].effect.resize(2);
  expect_error(ErrorKind::input, "runs of 3 and 2 columns",
               [&] { (void)glm::fixed_effects(list, false, Context{}); });
  runs[0].n_rows = 2;
  expect_error(ErrorKind::input, "F test",
               [&] { (void)glm::fixed_effects(list, false, Context{}); });
  expect_error(ErrorKind::input, "no run", [&] { (void)glm::fixed_effects({}, false, Context{}); });
}

TEST(Tail, ScipysFarIntoTheTails) {
  const Eigen::MatrixXd expected = reference("tails.tsv");
  for (Eigen::Index i = 0; i < expected.rows(); ++i) {
    const double statistic = expected(i, 0);
    const double dof = expected(i, 1);
    const double rows = expected(i, 2);
    const double z = rows == 0 ? z_of_t(statistic, dof) : z_of_f(statistic, rows, dof);
    EXPECT_NEAR(z, expected(i, 3), 1e-8) << statistic << " " << dof << " " << rows;
    if (rows == 0) {
      EXPECT_NEAR(TTable(dof)(statistic), expected(i, 3), 1e-7) << statistic;
    }
  }
  EXPECT_TRUE(std::isnan(z_of_t(NAN, 10)));
  EXPECT_TRUE(std::isnan(z_of_t(1.0, 0)));
  EXPECT_TRUE(std::isnan(z_of_f(1.0, 2, 0)));
  EXPECT_NEAR(z_of_t(INFINITY, 10), 37.0471, 1e-3); // p = 1e-300
}

} // namespace
} // namespace boldmill
