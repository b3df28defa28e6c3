#include "stages/functional/slice_timing.hpp"

#include <gtest/gtest.h>
#include <tbb/global_control.h>
#include <tbb/task_arena.h>

#include <cmath>
#include <numbers>

#include "stages/core/error.hpp"

namespace boldmill::slice_timing {
namespace {

constexpr double kTr = 2.0;

// A sum of sines below 0.8 of the Nyquist frequency (0.25 Hz), a trend and a level, at any time.
double signal(double time_s, double phase) {
  const double f[] = {0.011, 0.043, 0.094, 0.151, 0.198};
  const double a[] = {3.0, 4.0, 2.0, 1.0, 0.5};
  double sum = 800.0 + 0.05 * time_s;
  for (int n = 0; n < 5; ++n)
    sum += a[n] * std::sin(2.0 * std::numbers::pi * f[n] * time_s + phase + 1.3 * n);
  return sum;
}

double phase_of(std::size_t voxel) { return 0.37 * static_cast<double>(voxel); }

// Every slice along `axis` sampled at its own time; `at` >= 0: all slices at that time.
Series sampled(const Timing& timing, std::array<int, 3> shape, int n_volumes, double at = -1.0) {
  Series series;
  series.grid.shape = shape;
  series.n_volumes = n_volumes;
  series.tr_s = kTr;
  series.data.resize(series.grid.n_voxels() * static_cast<std::size_t>(n_volumes));
  for (int t = 0; t < n_volumes; ++t)
    for (int k = 0; k < shape[2]; ++k)
      for (int j = 0; j < shape[1]; ++j)
        for (int i = 0; i < shape[0]; ++i) {
          const int along = timing.axis == 0 ? i : timing.axis == 1 ? j : k;
          const int n = static_cast<int>(timing.times_s.size());
          const auto slice = static_cast<std::size_t>(timing.reversed ? n - 1 - along : along);
          const double when = at >= 0.0 ? at : timing.times_s[slice];
          const std::size_t v = series.grid.index(i, j, k);
          series.volume(t)[v] = static_cast<float>(signal(t * kTr + when, phase_of(v)));
        }
  return series;
}

double largest_error(const Series& a, const Series& b, int first, int last) {
  double largest = 0.0;
  for (int t = first; t < last; ++t)
    for (std::size_t v = 0; v < a.grid.n_voxels(); ++v)
      largest = std::max(largest, std::abs(static_cast<double>(a.volume(t)[v] - b.volume(t)[v])));
  return largest;
}

const Timing kMultiband{{0.0, 1.0, 0.5, 1.5, 0.0, 1.0, 0.5, 1.5}};

// Oracle: the sines at the reference time. 0.01 is 0.1 % of their range; without the correction the
// error is hundreds of times that.
TEST(SliceTiming, SinesAreReadAtTheReferenceTime) {
  for (const double reference : {0.0, 0.5, 1.0}) {
    const double at = reference_time_s(kMultiband.times_s, reference);
    EXPECT_DOUBLE_EQ(at, 1.5 * reference);
    const Series truth = sampled(kMultiband, {3, 2, 8}, 120, at);
    Series series = sampled(kMultiband, {3, 2, 8}, 120);
    EXPECT_GT(largest_error(series, truth, 13, 107), 2.0);
    const Outputs out = run({series, kMultiband, 0}, {.reference = reference}, {});
    EXPECT_LT(largest_error(series, truth, 13, 107), 0.01);
    EXPECT_DOUBLE_EQ(out.reference_s, at);
    EXPECT_DOUBLE_EQ(out.largest_shift_s, reference == 0.5 ? 0.75 : 1.5);
  }
}

// What a Fourier shift gives: the series taken as periodic once its straight line is away.
std::vector<double> fourier_shifted(std::vector<double> x, double d) {
  const auto n = static_cast<double>(x.size());
  double mean = 0.0, slope = 0.0, squares = 0.0;
  for (std::size_t t = 0; t < x.size(); ++t) {
    const double at = static_cast<double>(t) - (n - 1) / 2;
    mean += x[t] / n;
    slope += at * x[t];
    squares += at * at;
  }
  slope /= squares;
  for (std::size_t t = 0; t < x.size(); ++t)
    x[t] -= mean + slope * (static_cast<double>(t) - (n - 1) / 2);
  std::vector<double> out(x.size());
  for (std::size_t t = 0; t < x.size(); ++t) {
    out[t] = mean + slope * (static_cast<double>(t) + d - (n - 1) / 2);
    for (std::size_t u = 0; u < x.size(); ++u) {
      const double at = std::numbers::pi * (static_cast<double>(t) + d - static_cast<double>(u));
      out[t] += x[u] * (at == 0.0 ? 1.0 : std::sin(at) / (n * std::tan(at / n)));
    }
  }
  return out;
}

// At the ends half of the taps fall on continued values.
TEST(SliceTiming, EndsAreBetterThanUncorrectedAndThanAFourierShift) {
  const int n = 100; // even: the kernel above
  const double at = reference_time_s(kMultiband.times_s, 0.5);
  const Series truth = sampled(kMultiband, {6, 5, 8}, n, at);
  const Series raw = sampled(kMultiband, {6, 5, 8}, n);
  Series series = raw;
  (void)run({series, kMultiband, 0}, {}, {});
  Series fourier = raw;
  for (std::size_t v = 0; v < raw.grid.n_voxels(); ++v) {
    std::vector<double> x(n);
    for (int t = 0; t < n; ++t) x[static_cast<std::size_t>(t)] = raw.volume(t)[v];
    x = fourier_shifted(x, (at - kMultiband.times_s[v / 30]) / kTr);
    for (int t = 0; t < n; ++t)
      fourier.volume(t)[v] = static_cast<float>(x[static_cast<std::size_t>(t)]);
  }
  const auto rms = [&](const Series& x, int first, int last) {
    double sum = 0.0;
    for (int t = first; t < last; ++t)
      for (std::size_t v = 0; v < x.grid.n_voxels(); ++v)
        sum += std::pow(static_cast<double>(x.volume(t)[v] - truth.volume(t)[v]), 2);
    return std::sqrt(sum / static_cast<double>((last - first) * 240));
  };
  for (const auto& [first, last] : {std::pair(0, 4), std::pair(96, 100)}) {
    EXPECT_LT(rms(series, first, last), rms(raw, first, last));
    EXPECT_LT(rms(series, first, last), rms(fourier, first, last));
  }
}

TEST(SliceTiming, StraightLinesAreMovedExactly) {
  const Timing timing{{0.0, 0.7, 1.4, 1.9}};
  Series series;
  series.grid.shape = {2, 2, 4};
  series.n_volumes = 9; // shorter than the filter
  series.tr_s = kTr;
  series.data.resize(16 * 9);
  for (int t = 0; t < 9; ++t)
    for (std::size_t v = 0; v < 16; ++v)
      series.volume(t)[v] = static_cast<float>(1000.0 + 3.0 * (t + timing.times_s[v / 4] / kTr));
  (void)run({series, timing, 0}, {}, {});
  for (int t = 0; t < 9; ++t)
    for (std::size_t v = 0; v < 16; ++v)
      EXPECT_NEAR(static_cast<double>(series.volume(t)[v]), 1000.0 + 3.0 * (t + 0.95 / kTr), 2e-4);
}

TEST(SliceTiming, EveryAxisAndDirection) {
  for (int axis = 0; axis < 3; ++axis) {
    for (const bool reversed : {false, true}) {
      const Timing timing{{0.0, 0.4, 0.8, 1.2, 1.6}, axis, reversed};
      std::array<int, 3> shape{3, 4, 2};
      shape[static_cast<std::size_t>(axis)] = 5;
      const Series truth = sampled(timing, shape, 60, 0.8);
      Series series = sampled(timing, shape, 60);
      (void)run({series, timing, 0}, {}, {});
      EXPECT_LT(largest_error(series, truth, 13, 47), 0.01) << axis << reversed;
    }
  }
}

TEST(SliceTiming, DummiesStayAndDoNotLeak) {
  Series series = sampled(kMultiband, {2, 2, 8}, 50);
  Series loud = series;
  for (int t = 0; t < 3; ++t)
    for (std::size_t v = 0; v < 32; ++v) loud.volume(t)[v] += 5000.0F;
  const Series before = loud;
  (void)run({series, kMultiband, 3}, {}, {});
  (void)run({loud, kMultiband, 3}, {}, {});
  EXPECT_EQ(largest_error(loud, before, 0, 3), 0.0);
  EXPECT_EQ(largest_error(loud, series, 3, 50), 0.0);
}

TEST(SliceTiming, SameBitsWithOneAndEightThreads) {
  Series one = sampled(kMultiband, {17, 13, 8}, 40);
  Series eight = one;
  {
    const tbb::global_control limit(tbb::global_control::max_allowed_parallelism, 1);
    (void)run({one, kMultiband, 0}, {}, {});
  }
  tbb::task_arena arena(8);
  arena.execute([&] { (void)run({eight, kMultiband, 0}, {}, {}); });
  EXPECT_EQ(one.data, eight.data);
}

TEST(SliceTiming, TapsOfAWholeSampleAndTheirSum) {
  const std::vector<double> none = shift_taps(0.0);
  for (int n = 0; n < kTaps; ++n) EXPECT_EQ(none[static_cast<std::size_t>(n)], n == 11 ? 1.0 : 0.0);
  for (const double d : {0.1, 0.5, 0.93}) {
    double sum = 0.0;
    for (const double tap : shift_taps(d)) sum += tap;
    EXPECT_NEAR(sum, 1.0, 1e-12);
  }
}

TEST(SliceTiming, ReasonsToSkip) {
  EXPECT_EQ(reason_to_skip(kMultiband, 20, 0, {}), "");
  EXPECT_NE(reason_to_skip(kMultiband, 20, 0, {.enabled = false}), "");
  EXPECT_EQ(reason_to_skip({}, 20, 0, {}), "no slice times");
  EXPECT_EQ(reason_to_skip({{0.3, 0.3}}, 20, 0, {}), "all slices at the same time");
  EXPECT_EQ(reason_to_skip(kMultiband, 7, 3, {}), "found 4 steady volumes, expected at least 5");
}

TEST(SliceTiming, ErrorsAreNamed) {
  Series series = sampled(kMultiband, {2, 2, 8}, 20);
  EXPECT_THROW((void)run({series, {{0.0, 1.0}}, 0}, {}, {}), Error);
  Timing late = kMultiband;
  late.times_s[3] = 2.0;
  EXPECT_THROW((void)run({series, late, 0}, {}, {}), Error);
  EXPECT_THROW((void)run({series, {}, 0}, {}, {}), Error);
}

} // namespace
} // namespace boldmill::slice_timing
