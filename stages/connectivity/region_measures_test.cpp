// sliding_window, volume_selection: measures of region series.
#include <gtest/gtest.h>

#include <numeric>

#include "stages/connectivity/connectivity_matrix.hpp"
#include "stages/connectivity/sliding_window.hpp"
#include "stages/connectivity/test_data.hpp"
#include "stages/connectivity/volume_selection.hpp"

namespace boldmill {
namespace {

using test_data::kind_of;
using test_data::reference;
using test_data::series;

Eigen::Map<const Eigen::MatrixXf> map(const Eigen::MatrixXf& x) {
  return {x.data(), x.rows(), x.cols()};
}

std::vector<std::uint8_t> censored() {
  std::vector<std::uint8_t> keep(60, 1);
  for (const std::size_t t : {0U, 7U, 8U, 30U, 59U}) keep[t] = 0;
  return keep;
}

sliding_window::Params windows(int length, int step, const std::string& taper) {
  sliding_window::Params params;
  params.window = length;
  params.step = step;
  params.taper = taper;
  return params;
}

// numpy 2.4.6 cov with aweights, scipy 1.17.1 windows.
TEST(SlidingWindow, AgreesWithNumpy) {
  const Eigen::MatrixXf x = series(60, 6, 1);
  const Eigen::MatrixXd expected = reference("sliding_window.tsv");
  Eigen::Index row = 0;
  for (const auto& params :
       {windows(15, 1, "none"), windows(15, 2, "hamming"), windows(15, 4, "gaussian")}) {
    const auto out = sliding_window::run({map(x), censored()}, params, {});
    EXPECT_EQ(out.n_windows, (55 - 15) / params.step + 1);
    for (Eigen::Index e = 0; e < 15; ++e) {
      EXPECT_NEAR(out.mean_z[static_cast<std::size_t>(e)], expected(row, e), 1e-10) << params.taper;
      EXPECT_NEAR(out.sd_z[static_cast<std::size_t>(e)], expected(row + 1, e), 1e-9);
    }
    row += 2;
  }
}

// Stationary noise is not called dynamic more often than p says; coupling that comes and goes is.
TEST(SlidingWindow, NullTellsChangeFromNoise) {
  sliding_window::Params params = windows(20, 5, "none");
  params.n_surrogates = 39;
  test_data::Sequence random(7);
  int small = 0;
  for (int repetition = 0; repetition < 20; ++repetition) {
    Eigen::MatrixXf x(120, 3);
    for (float& v : x.reshaped()) v = static_cast<float>(random.next());
    const auto out = sliding_window::run({map(x), {}}, params, {});
    ASSERT_EQ(out.null_mean_sd.size(), 39U);
    small += out.p_value <= 0.05;
  }
  EXPECT_LE(small, 5); // binomial(20, 0.05): more has probability 3e-4
  Eigen::MatrixXf x(240, 3);
  for (float& v : x.reshaped()) v = static_cast<float>(random.next());
  x.col(1).head(120) = x.col(0).head(120) + 0.3F * x.col(1).head(120);
  x.col(1).tail(120) = 0.3F * x.col(1).tail(120) - x.col(0).tail(120);
  EXPECT_LE(sliding_window::run({map(x), {}}, params, {}).p_value, 0.05);
}

TEST(SlidingWindow, MissingRegionsThreadsAndErrors) {
  Eigen::MatrixXf x = series(60, 6, 1);
  x.col(2).setConstant(NAN);
  sliding_window::Params params = windows(15, 1, "none");
  params.n_surrogates = 3;
  const auto work = [&] { return sliding_window::run({map(x), {}}, params, {}); };
  const auto one = test_data::with_threads(1, work), eight = test_data::with_threads(8, work);
  EXPECT_EQ(one.null_mean_sd, eight.null_mean_sd);
  EXPECT_EQ(std::count_if(one.sd_z.begin(), one.sd_z.end(), [](double v) { return std::isnan(v); }),
            5);
  EXPECT_FALSE(std::isnan(one.mean_sd));
  params.window = 60;
  EXPECT_EQ(kind_of(work), ErrorKind::gate);
  params.window = 15;
  const std::vector<std::uint8_t> keep(59, 1);
  EXPECT_EQ(kind_of([&] {
              (void)sliding_window::run({map(x), keep}, params, {});
            }),
            ErrorKind::input);
  x.setZero();
  EXPECT_EQ(kind_of(work), ErrorKind::input);
}

TEST(VolumeSelection, DrawsExactlyNOfTheKeptVolumes) {
  const auto keep = censored();
  const volume_selection::Params params{.n_volumes = 20, .random_seed = 3};
  const auto chosen = volume_selection::choose(keep, params, "run-1");
  EXPECT_EQ(std::accumulate(chosen.begin(), chosen.end(), 0), 20);
  for (std::size_t t = 0; t < 60; ++t) EXPECT_LE(chosen[t], keep[t]);
  EXPECT_EQ(chosen, volume_selection::choose(keep, params, "run-1"));
  EXPECT_NE(chosen, volume_selection::choose(keep, params, "run-2"));
  EXPECT_NE(chosen, volume_selection::choose(keep, {.n_volumes = 20, .random_seed = 4}, "run-1"));
  EXPECT_EQ(volume_selection::choose(keep, {}, "run-1"), keep);
  EXPECT_EQ(kind_of([&] { (void)volume_selection::choose(keep, {.n_volumes = 56}, ""); }),
            ErrorKind::gate);
}

// Every kept volume is drawn equally often: 400 draws of 11 of 55 give 80 each, SD 8.
TEST(VolumeSelection, DrawsEvenly) {
  std::vector<int> drawn(60, 0);
  for (int seed = 0; seed < 400; ++seed) {
    const auto chosen =
        volume_selection::choose(censored(), {.n_volumes = 11, .random_seed = seed}, "run");
    for (std::size_t t = 0; t < 60; ++t) drawn[t] += chosen[t];
  }
  for (std::size_t t = 0; t < 60; ++t) {
    if (censored()[t] != 0) {
      EXPECT_NEAR(drawn[t], 80, 40);
    }
  }
}

// The correlation of runs after z-scoring is the mean of their correlations, weighted by n - 1.
TEST(VolumeSelection, CombinedCorrelationIsTheMeanOverRuns) {
  const Eigen::MatrixXf a = series(60, 5, 1), b = 50.0F * series(40, 5, 2);
  const auto keep = censored();
  const std::vector<volume_selection::Run> runs{{map(a), keep}, {map(b), {}}};
  const auto both = volume_selection::combine(runs);
  ASSERT_EQ(both.series.rows(), 100);
  EXPECT_EQ(std::accumulate(both.keep.begin(), both.keep.end(), 0), 95);
  EXPECT_TRUE(both.series.row(7).array().isNaN().all());
  const auto r = [](const Eigen::MatrixXf& x, std::span<const std::uint8_t> k) {
    return connectivity_matrix::run({map(x), k}, {}, {}).matrix;
  };
  const Eigen::MatrixXd expected = (54.0 * r(a, keep) + 39.0 * r(b, {})) / 93.0;
  EXPECT_LT(test_data::max_difference(r(both.series, both.keep), expected), 1e-7);
}

TEST(VolumeSelection, RefusesRunsThatDoNotFit) {
  const Eigen::MatrixXf a = series(60, 5, 1), b = series(40, 4, 2);
  const std::vector<std::uint8_t> none(60, 0);
  using volume_selection::Run;
  EXPECT_EQ(kind_of([&] { (void)volume_selection::combine({}); }), ErrorKind::input);
  const std::vector<Run> different{{map(a), {}}, {map(b), {}}};
  EXPECT_EQ(kind_of([&] { (void)volume_selection::combine(different); }), ErrorKind::input);
  const std::vector<Run> empty{{map(a), none}};
  EXPECT_EQ(kind_of([&] { (void)volume_selection::combine(empty); }), ErrorKind::gate);
}

} // namespace
} // namespace boldmill
