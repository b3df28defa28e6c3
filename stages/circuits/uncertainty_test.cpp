// measure_covariance against the errors of simulated people, reliability against planted variances.
#include <gtest/gtest.h>

#include <cmath>

#include "stages/circuits/measure_covariance.hpp"
#include "stages/circuits/reliability.hpp"
#include "stages/circuits/scores.hpp"
#include "stages/connectivity/correlation.hpp"
#include "stages/core/parallel.hpp"
#include "stages/core/random.hpp"
#include "stages/core/statistics.hpp"
#include "stages/ppi/ppi.hpp"
#include "stages/task/glm.hpp"
#include "stages/task/hrf.hpp"

namespace boldmill {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

// Columns of unit-variance AR(1) noise whose innovations are mixed by `mixing`.
Eigen::MatrixXd ar1(Eigen::Index n, double rho, const Eigen::MatrixXd& mixing, Random& random) {
  Eigen::MatrixXd x(n, mixing.rows());
  Eigen::VectorXd state = Eigen::VectorXd::Zero(mixing.cols());
  for (double& s : state) s = random.normal();
  for (Eigen::Index t = 0; t < n; ++t) {
    x.row(t) = (mixing * state).transpose();
    for (double& s : state) s = rho * s + std::sqrt(1.0 - rho * rho) * random.normal();
  }
  return x;
}

// What a cohort of people without true differences shows: estimates and believed covariances.
struct Trial {
  std::vector<Eigen::VectorXd> estimates;
  std::vector<Eigen::MatrixXd> believed, correlation;

  explicit Trial(std::size_t n) : estimates(n), believed(n), correlation(n) {}

  void add(std::size_t i, const Eigen::VectorXd& estimate, const Eigen::VectorXd& se,
           std::vector<measure_covariance::Run> runs) {
    const auto out = measure_covariance::run({se, std::move(runs)}, {}, {});
    estimates[i] = estimate;
    believed[i] = out.covariance;
    correlation[i] = out.correlation;
  }
  [[nodiscard]] Eigen::MatrixXd found() const { // covariance of the estimates
    Eigen::VectorXd center = Eigen::VectorXd::Zero(estimates[0].size());
    for (const auto& e : estimates) center += e / static_cast<double>(estimates.size());
    Eigen::MatrixXd out = Eigen::MatrixXd::Zero(center.size(), center.size());
    for (const auto& e : estimates) out += (e - center) * (e - center).transpose();
    return out / static_cast<double>(estimates.size() - 1);
  }
  [[nodiscard]] Eigen::MatrixXd mean_of(const std::vector<Eigen::MatrixXd>& all) const {
    Eigen::MatrixXd out = Eigen::MatrixXd::Zero(all[0].rows(), all[0].cols());
    for (const auto& b : all) out += b / static_cast<double>(all.size());
    return out;
  }
  // Correlations within 3.5 sampling errors of a correlation over the people, and `bias` more for
  // what windowing and small runs do to the estimate; variances within 3.5 errors and `excess`.
  void expect_agreement(double bias, double excess) const {
    const Eigen::MatrixXd truth = found();
    const Eigen::MatrixXd mean_r = mean_of(correlation);
    const Eigen::MatrixXd mean_c = mean_of(believed);
    const double n = static_cast<double>(estimates.size());
    for (Eigen::Index i = 0; i < truth.rows(); ++i) {
      EXPECT_NEAR(mean_c(i, i) / truth(i, i), 1.0, 3.5 * std::sqrt(2.0 / n) + excess) << i;
      for (Eigen::Index j = 0; j < i; ++j) {
        const double r = truth(i, j) / std::sqrt(truth(i, i) * truth(j, j));
        EXPECT_NEAR(mean_r(i, j), r, 3.5 * (1.0 - r * r) / std::sqrt(n) + bias) << i << " " << j;
      }
    }
  }
};

constexpr std::size_t kPeople = 1500;

// Edges that share regions, AR(1) regions of rho 0.6: AB, AC, BC, and CD, a far one.
TEST(MeasureCovariance, OfEdgesThatShareARegion) {
  Eigen::MatrixXd mixing = Eigen::MatrixXd::Identity(4, 4);
  mixing.row(1) << 0.6, 0.8, 0.0, 0.0;
  mixing.row(2) << 0.5, 0.4, std::sqrt(1.0 - 0.41), 0.0;
  const std::vector<std::pair<std::size_t, std::size_t>> edges{{0, 1}, {0, 2}, {1, 2}, {2, 3}};
  Trial trial(kPeople);
  parallel_blocks({}, kPeople, 50, [&](std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; ++i) {
      Random random(stream_seed(1, "edges", std::to_string(i)));
      const Eigen::MatrixXf y = ar1(240, 0.6, mixing, random).cast<float>();
      const correlation::Inputs inputs{{y.data(), y.rows(), y.cols()}, {}, 0};
      const auto out = correlation::run(inputs, {}, {});
      Eigen::VectorXd z(4), se(4);
      for (std::size_t e = 0; e < 4; ++e) {
        const std::size_t at = correlation::edge_index(edges[e].first, edges[e].second, 4);
        z[static_cast<Eigen::Index>(e)] = out.fisher_z[at];
        se[static_cast<Eigen::Index>(e)] = out.fisher_z_se[at];
      }
      trial.add(i, z, se, {{"run", 2.0, correlation::influence(inputs, edges, {})}});
    }
  });
  const Eigen::MatrixXd c = trial.found();
  EXPECT_GT(c(1, 0) / std::sqrt(c(0, 0) * c(1, 1)), 0.1); // there is something to find
  trial.expect_agreement(0.03, 0.05);
}

// Activation of two masks that share half of their voxels and of one apart, default noise model.
TEST(MeasureCovariance, OfActivationsOfOverlappingMasks) {
  Eigen::MatrixXd mixing = Eigen::MatrixXd::Zero(3, 3);
  mixing.row(0) << std::sqrt(0.5), std::sqrt(0.5), 0.0;
  mixing.row(1) << 0.0, std::sqrt(0.5), std::sqrt(0.5);
  mixing.row(2) << 0.3, -0.5, std::sqrt(1.0 - 0.34);
  Eigen::MatrixXd design(150, 4);
  for (Eigen::Index t = 0; t < 150; ++t) {
    design.row(t) << (t / 5 % 4 == 0), (t / 5 % 4 == 2),
        std::cos(0.02 * (static_cast<double>(t) + 0.5)), 1.0;
  }
  const std::vector<Contrast> contrasts{{"a - b", Eigen::RowVector4d(1, -1, 0, 0)}};
  Trial trial(kPeople);
  parallel_blocks({}, kPeople, 50, [&](std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; ++i) {
      Random random(stream_seed(2, "masks", std::to_string(i)));
      const Eigen::MatrixXf y = ar1(150, 0.5, mixing, random).cast<float>();
      const auto out = glm::run({.series = {y.data(), y.rows(), y.cols()},
                                 .design = &design,
                                 .tr_s = 2.0,
                                 .contrasts = contrasts,
                                 .influence = true},
                                {}, {});
      const auto& r = out.contrasts[0];
      trial.add(i, r.effect.cast<double>(), r.variance.cast<double>().cwiseSqrt(),
                {{"run", 2.0, r.influence}});
    }
  });
  trial.expect_agreement(0.03, 0.08);
}

// Both directions of an interaction between unrelated regions are almost one number.
TEST(MeasureCovariance, OfBothDirectionsOfAnInteraction) {
  ppi::Inputs in;
  in.hrf = hrf::double_gamma(2.0 / 16.0);
  in.conditions = {"a", "b"};
  std::vector<ppi::Event> a, b;
  for (int k = 0; k < 6; ++k) {
    a.push_back({5.0 + 33.0 * k, 14.0});
    b.push_back({22.0 + 33.0 * k, 14.0});
  }
  in.psychological.resize(100 * 16, 2);
  in.psychological << ppi::microtime_condition(a, 100, 2.0, 16),
      ppi::microtime_condition(b, 100, 2.0, 16);
  in.contrasts = {{"a - b", Eigen::Vector2d(1.0, -1.0)}};
  in.questions = ppi::both_directions({{0, 1}}, 0);
  in.tr_s = 2.0;
  const std::size_t n = 300;
  Trial trial(n);
  parallel_blocks({}, n, 10, [&](std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; ++i) {
      ppi::Inputs mine = in;
      Random random(stream_seed(3, "pair", std::to_string(i)));
      mine.series = ar1(100, 0.4, Eigen::Matrix2d::Identity(), random);
      const auto out = ppi::run(mine, {.deconvolution = "none"}, {});
      Eigen::VectorXd effect(2), se(2);
      Eigen::MatrixXd influence(100, 2);
      for (Eigen::Index q = 0; q < 2; ++q) {
        const auto& e = out.estimates[static_cast<std::size_t>(q)];
        effect[q] = e.effect;
        se[q] = std::sqrt(e.variance);
        influence.col(q) = e.influence;
      }
      trial.add(i, effect, se, {{"run", 2.0, influence}});
    }
  });
  const Eigen::MatrixXd c = trial.found();
  EXPECT_GT(c(1, 0) / std::sqrt(c(0, 0) * c(1, 1)), 0.8);
  trial.expect_agreement(0.06, 0.2);
}

Eigen::MatrixXd drawn(Eigen::Index rows, Eigen::Index cols, std::uint64_t seed) {
  Random random(seed);
  Eigen::MatrixXd out(rows, cols);
  for (double& v : out.reshaped()) v = random.normal();
  return out;
}

TEST(MeasureCovariance, IsPositiveSemiDefiniteAndScalesWithTheErrors) {
  const Eigen::MatrixXd u = drawn(60, 20, 4); // fewer independent sums than measures
  Eigen::VectorXd se = Eigen::VectorXd::LinSpaced(20, 0.1, 2.0);
  const auto out = measure_covariance::run({se, {{"r", 0.7, u}}}, {}, {});
  const auto smallest = [](const Eigen::MatrixXd& m) {
    return Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd>(m).eigenvalues().minCoeff();
  };
  EXPECT_GT(smallest(out.correlation), -1e-12);
  EXPECT_LT((out.covariance.diagonal() - se.cwiseAbs2()).norm(), 1e-12);
  const Eigen::MatrixXd scaled = u * se.asDiagonal(); // another unit of every measure
  const auto again = measure_covariance::run({2.0 * se, {{"r", 0.7, scaled}}}, {}, {});
  EXPECT_LT((again.correlation - out.correlation).norm(), 1e-12);
  EXPECT_LT((again.covariance - 4.0 * out.covariance).norm(), 1e-11);
  // Without a window, products of the same volume; a run of zeros adds nothing.
  const auto white = measure_covariance::run(
      {se, {{"r", 2.0, u}, {"none", 2.0, Eigen::MatrixXd::Zero(30, 20)}}}, {.window_s = 0.0}, {});
  EXPECT_NEAR(white.correlation(3, 7), u.col(3).dot(u.col(7)) / (u.col(3).norm() * u.col(7).norm()),
              1e-12);
}

TEST(MeasureCovariance, MeasuresOfDifferentRunsAreIndependentAndMissingOnesStayMissing) {
  Eigen::MatrixXd first = drawn(80, 3, 5);
  Eigen::MatrixXd second = first;
  first.col(2).setZero();
  second.leftCols(2).setZero();
  Eigen::VectorXd se(3);
  se << 1.0, 2.0, 3.0;
  const auto out = measure_covariance::run({se, {{"a", 2.0, first}, {"b", 2.0, second}}}, {}, {});
  EXPECT_EQ(out.correlation(0, 2), 0.0);
  EXPECT_NE(out.correlation(0, 1), 0.0);
  EXPECT_TRUE(out.without_influence.empty());
  se[1] = kNaN;
  const auto one_run = measure_covariance::run({se, {{"a", 2.0, first}}}, {}, {});
  EXPECT_TRUE(std::isnan(one_run.correlation(0, 1)) && std::isnan(one_run.covariance(1, 1)));
  EXPECT_EQ(one_run.covariance(2, 2), 9.0);
  EXPECT_EQ(one_run.covariance(2, 0), 0.0);
  EXPECT_EQ(one_run.without_influence, std::vector<std::size_t>{2});
  first(3, 0) = kNaN;
  EXPECT_THROW((void)measure_covariance::run({se, {{"a", 2.0, first}}}, {}, {}), Error);
  EXPECT_THROW((void)measure_covariance::run({se, {{"a", 2.0, second.leftCols(2)}}}, {}, {}),
               Error);
  const Eigen::VectorXd spread =
      measure_covariance::over_all_volumes(Eigen::Vector2d(5, 7), {1, 3}, 5);
  EXPECT_EQ(spread, (Eigen::VectorXd(5) << 0, 5, 0, 7, 0).finished());
}

std::function<Eigen::MatrixXd(Eigen::Index)> always(const Eigen::MatrixXd& errors) {
  return [errors](Eigen::Index) { return errors; };
}

// The spread of a new person's score about its value under the true norm, over many references.
TEST(ScoresError, CarriesTheErrorsOfThePersonAndOfTheReference) {
  taxonomy::Taxonomy t;
  for (const char* code : {"A", "B", "C"}) {
    t.measures.push_back({.code = code, .feature = code});
    t.features.push_back({code, {code}});
  }
  t.scores = {{"S", "", "", "", {"A", "B", "C"}, {}}};
  Eigen::Matrix3d spread;
  spread << 1.0, 0.5, 0.3, 0.5, 1.0, 0.4, 0.3, 0.4, 1.0;
  Eigen::Matrix3d errors;
  errors << 1.0, 0.7, 0.0, 0.7, 1.0, 0.2, 0.0, 0.2, 1.0;
  const Eigen::Vector3d true_z(1.5, -0.5, 2.0);
  const Eigen::Matrix3d root = spread.llt().matrixL();
  const Eigen::Matrix3d error_root = errors.llt().matrixL();
  std::vector<double> deviation;
  double believed = 0.0, believed_run = 0.0;
  constexpr int kTrials = 4000;
  for (int i = 0; i < kTrials; ++i) {
    const Eigen::MatrixXd controls =
        drawn(20, 3, stream_seed(6, "norm", std::to_string(i))) * root.transpose();
    const Eigen::Vector3d noise = drawn(3, 1, stream_seed(7, "noise", std::to_string(i))).col(0);
    const Eigen::MatrixXd person = (true_z + 0.4 * (error_root * noise)).transpose();
    const auto out =
        scores::apply(scores::fit(controls, {}),
                      {&t, person, Eigen::MatrixXd::Constant(1, 3, 0.4), {}, always(errors)}, {});
    deviation.push_back(out.scores(0, 0) - true_z.mean());
    believed += out.scores_se(0, 0) * out.scores_se(0, 0) / kTrials;
    believed_run += out.scores_se_run(0, 0) * out.scores_se_run(0, 0) / kTrials;
  }
  const double sd = standard_deviation(deviation);
  // Sampling error of a variance: sqrt(2 / trials) = 2 %; the formula is of first order in 1 / 20.
  EXPECT_NEAR(believed / (sd * sd), 1.0, 0.08 + 1.0 / 20.0);
  EXPECT_NEAR(believed_run, 0.16 * errors.sum() / 9.0, 0.1 * 0.16 * errors.sum() / 9.0 + 0.01);
  EXPECT_GT(believed, 1.2 * believed_run);
}

TEST(ScoresError, WrongSizesAreRefused) {
  taxonomy::Taxonomy t;
  t.measures = {{.code = "A", .feature = "A"}};
  t.features = {{"A", {"A"}}};
  t.scores = {{"S", "", "", "", {"A"}, {}}};
  const auto model = scores::fit(drawn(10, 1, 1), {});
  const Eigen::MatrixXd one = Eigen::MatrixXd::Ones(1, 1);
  EXPECT_THROW(
      (void)scores::apply(model, {&t, one, one, {}, always(Eigen::MatrixXd::Ones(2, 2))}, {}),
      Error);
  EXPECT_FALSE(
      std::isnan(scores::apply(model, {&t, one, one, {}, always({})}, {}).scores_se(0, 0)));
}

// n people, true SD 1, error SD e; halves have twice the error variance, and two sessions differ.
struct People {
  reliability::Inputs inputs;
  People(Eigen::Index n, double e, double session_sd, std::uint64_t seed) {
    Random random(seed);
    inputs.values.resize(2 * n, 1);
    inputs.se = Eigen::MatrixXd::Constant(2 * n, 1, e);
    inputs.difference.resize(2 * n, 1);
    for (Eigen::Index p = 0; p < n; ++p) {
      const double own = 5.0 + random.normal();
      for (Eigen::Index s = 0; s < 2; ++s) {
        const double here = own + session_sd * random.normal();
        const double a = here + std::sqrt(2.0) * e * random.normal();
        const double b = here + std::sqrt(2.0) * e * random.normal();
        inputs.values(2 * p + s, 0) = 0.5 * (a + b);
        inputs.difference(2 * p + s, 0) = a - b;
        inputs.person.push_back(static_cast<std::size_t>(p));
      }
    }
  }
};

TEST(Reliability, RecoversPlantedVariances) {
  for (const double wanted : {0.2, 0.4, 0.6}) {
    const double e = std::sqrt(1.0 / wanted - 1.0);
    const People people(3000, e, 0.0, 8);
    const auto m = reliability::run(people.inputs, {.resamples = 200}, {}).measures[0];
    // SE of a correlation of 3000 people is 0.018; three of them
    EXPECT_NEAR(m.within_run.value, wanted, 0.055);
    EXPECT_NEAR(m.split_half.value, wanted, 0.055);
    EXPECT_NEAR(m.icc.value, wanted, 0.055); // no session effect: the same number
    EXPECT_EQ(m.n_people, 3000);
    EXPECT_EQ(m.source, reliability::SessionError::repeats);
    EXPECT_NEAR(m.session_sd, e, 0.05 * e);
  }
}

TEST(Reliability, HalvesThatDisagreeHaveNoReliability) {
  // With y the whole and d the difference, halves y +- d/2 of equal variance correlate by
  // (var y - var d / 4) / (var y + var d / 4) when y and d do not.
  reliability::Inputs in;
  in.values.resize(400, 3);
  in.difference.resize(400, 3);
  for (Eigen::Index i = 0; i < 400; ++i) {
    const double sign_y = i % 2 == 0 ? 1.0 : -1.0;
    const double sign_d = i % 4 < 2 ? 1.0 : -1.0;
    in.values.row(i) << sign_y, sign_y, 1e-3 * sign_y;
    in.difference.row(i) << 2.0 * std::sqrt(1.0 / 3.0) * sign_d, 4.0 * sign_d, 4.0 * sign_d;
  }
  const auto found = reliability::run(in, {.resamples = 200}, {}).measures;
  EXPECT_NEAR(found[0].half_correlation.value, 0.5, 1e-12);
  EXPECT_NEAR(found[0].split_half.value, 2.0 / 3.0, 1e-12);
  EXPECT_EQ(found[0].split_half.reason, "");
  EXPECT_NEAR(found[1].half_correlation.value, -0.6, 1e-12); // 2 r / (1 + r) would be -3
  EXPECT_NEAR(found[2].half_correlation.value, -1.0, 1e-5);  // and here about -1e6
  for (const std::size_t m : {1U, 2U}) {
    EXPECT_EQ(found[m].split_half.value, 0.0);
    EXPECT_EQ(found[m].split_half.low, 0.0);
    EXPECT_EQ(found[m].split_half.high, 0.0);
    EXPECT_LT(found[m].half_correlation.high, 0.0);
    EXPECT_NE(found[m].split_half.reason.find("do not correlate"), std::string::npos);
    EXPECT_EQ(found[m].half_correlation.reason, "");
  }
}

TEST(Reliability, IntervalsCoverAndSessionErrorIsSeenByRepeatsAlone) {
  int covered_run = 0, covered_half = 0;
  constexpr int kTrials = 200;
  for (int i = 0; i < kTrials; ++i) {
    const People people(80, 1.0, 0.0, stream_seed(9, "cover", std::to_string(i)));
    const auto m = reliability::run(people.inputs, {.resamples = 400}, {}).measures[0];
    covered_run += m.within_run.low <= 0.5 && 0.5 <= m.within_run.high ? 1 : 0;
    covered_half += m.split_half.low <= 0.5 && 0.5 <= m.split_half.high ? 1 : 0;
  }
  // Percentile intervals of 80 people are a little short: 95 % less 3 points, 3.3 binomial errors.
  EXPECT_GT(covered_run, 200 * (0.92 - 3.3 * 0.0192));
  EXPECT_GT(covered_half, 200 * (0.92 - 3.3 * 0.0192));
  const People moving(2000, 0.5, 1.0, 10);
  const auto m = reliability::run(moving.inputs, {.resamples = 100}, {}).measures[0];
  EXPECT_GT(m.within_run.value, 0.85); // 2 / 2.25
  EXPECT_NEAR(m.icc.value, 1.0 / 2.25, 0.06);
  EXPECT_NEAR(m.session_sd, std::sqrt(1.25), 0.06);
  EXPECT_NEAR(reliability::reliable_change(1.0, 3.0, m), 2.0 / std::sqrt(2.5), 0.1);
}

TEST(Reliability, GivenIccsAreOfPatternsAndEachProblemIsNamed) {
  reliability::Params params;
  params.icc = {"D1=0.5", "D*=0.4"};
  const auto icc = reliability::given_icc(params, {"D1", "D2", "S1"});
  EXPECT_EQ(icc[0], 0.5);
  EXPECT_EQ(icc[1], 0.4);
  EXPECT_TRUE(std::isnan(icc[2]));
  params.icc = {"D1", "D1=1", "D1=x", "Q=0.5"};
  try {
    (void)reliability::given_icc(params, {"D1"});
    FAIL() << "expected an error";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::usage);
    const std::string text = error.what();
    for (const char* each : {"found D1,", "D1=1,", "D1=x,", "Q=0.5, expected a measure"}) {
      EXPECT_NE(text.find(each), std::string::npos) << text;
    }
  }
}

TEST(Reliability, WithoutRepeatsReliableChangeNeedsAnIcc) {
  People people(40, 1.0, 0.0, 11);
  people.inputs.person.clear();
  const auto none = reliability::run(people.inputs, {}, {}).measures[0];
  EXPECT_EQ(reliability::to_string(none.source), "not available");
  EXPECT_TRUE(std::isnan(reliability::reliable_change(0.0, 1.0, none)));
  EXPECT_NE(none.icc.reason.find("no ICC given"), std::string::npos);
  people.inputs.icc = {0.75};
  const auto given = reliability::run(people.inputs, {}, {}).measures[0];
  EXPECT_NEAR(given.session_sd, 0.5 * std::sqrt(given.variance), 1e-12);
  people.inputs.icc = {1.0};
  EXPECT_THROW((void)reliability::run(people.inputs, {}, {}), Error);
}

TEST(Reliability, DegenerateMeasuresAreMissingWithAReason) {
  People people(20, 1.0, 0.0, 12);
  people.inputs.person.clear();
  auto in = people.inputs;
  in.values.setConstant(3.0);
  in.difference.setZero();
  auto m = reliability::run(in, {}, {}).measures[0];
  EXPECT_TRUE(std::isnan(m.within_run.value) && std::isnan(m.split_half.value));
  EXPECT_TRUE(std::isnan(m.half_correlation.value));
  EXPECT_EQ(m.split_half.reason, "no spread between people");
  EXPECT_EQ(m.within_run.reason, "no spread between people");
  in = people.inputs;
  in.se.resize(0, 0);
  in.values.bottomRows(33).setConstant(kNaN);
  m = reliability::run(in, {}, {}).measures[0];
  EXPECT_NE(m.within_run.reason.find("0 people with the measure and its standard error"),
            std::string::npos);
  EXPECT_NE(m.split_half.reason.find("7 people with both halves, expected at least 8"),
            std::string::npos);
  EXPECT_EQ(reliability::run({Eigen::MatrixXd(0, 2), {}, {}, {}, {}}, {}, {}).measures[1].n_people,
            0);
  in.se.resize(3, 1);
  EXPECT_THROW((void)reliability::run(in, {}, {}), Error);
}

} // namespace
} // namespace boldmill
