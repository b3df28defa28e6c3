#include "stages/anatomy/kernels/n4.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <complex>
#include <numbers>

#include "stages/anatomy/testing/expect.hpp"
#include "stages/anatomy/testing/itk_n4.hpp"
#include "stages/anatomy/testing/phantom.hpp"
#include "stages/core/random.hpp"
#include "stages/core/statistics.hpp"

namespace boldmill::anatomy {
namespace {

using testing::cube_grid;
using testing::Point;

double true_log_field(const Point& p) {
  return 0.25 * std::sin(p[0] / 60.0) + 0.3 * p[1] / 90.0 - 0.15 * std::cos(p[2] / 50.0);
}

struct Phantom {
  Volume image;
  Mask mask;
  std::vector<double> truth; // log field over the mask
};

// Grey, white and CSF under a known field, with 2 % noise.
const Phantom& phantom() {
  static const Phantom value = [] {
    Random random(11);
    Phantom out;
    out.image = testing::render(cube_grid(31, 6.0), [&](const Point& p) {
      return testing::brain(p) * std::exp(true_log_field(p)) + 2.0 * random.normal();
    });
    out.mask = testing::brain_truth(out.image.grid);
    for (const std::size_t v : indices_of(out.mask)) {
      const auto [i, j, k] = out.mask.grid.coordinates(v);
      out.truth.push_back(true_log_field(out.mask.grid.to_mm(Point(i, j, k))));
    }
    return out;
  }();
  return value;
}

N4Settings quick() {
  N4Settings settings;
  settings.levels = 3;
  settings.iterations = 20;
  return settings;
}

std::vector<double> inside(const Volume& field, const Mask& mask) {
  std::vector<double> out;
  for (const std::size_t v : indices_of(mask)) out.push_back(static_cast<double>(field.data[v]));
  return out;
}

std::vector<double> ours(const Volume& image, const N4Settings& settings) {
  const Mask& mask = phantom().mask;
  const SplineField field = n4(image, mask, settings, {}).log_field;
  Volume out(mask.grid);
  evaluate(field, basis_weights(field, mask.grid.shape),
           [&](std::size_t j, std::size_t k, const double* row) {
             for (int i = 0; i < mask.grid.shape[0]; ++i)
               out.at(i, static_cast<int>(j), static_cast<int>(k)) = static_cast<float>(row[i]);
           },
           {});
  return inside(out, mask);
}

double sd_of_difference(const std::vector<double>& a, const std::vector<double>& b) {
  std::vector<double> difference(a.size());
  for (std::size_t i = 0; i < a.size(); ++i) difference[i] = a[i] - b[i];
  return standard_deviation(difference);
}

TEST(N4, IsItksN4) {
  const auto theirs =
      inside(testing::itk_n4_log_field(phantom().image, phantom().mask, quick()), phantom().mask);
  const auto mine = ours(phantom().image, quick());
  EXPECT_GT(pearson(mine, theirs), 0.99999);
  // ITK computes in float; half a per mille of the field's spread.
  EXPECT_LT(sd_of_difference(mine, theirs), 5e-4 * standard_deviation(theirs));
  const double error = sd_of_difference(mine, phantom().truth);
  EXPECT_LT(error, 0.25 * standard_deviation(phantom().truth));
  EXPECT_LT(error, 1.001 * sd_of_difference(theirs, phantom().truth));
}

TEST(N4, IsItksN4OnUnevenAxes) {
  N4Settings settings = quick();
  settings.first_spans = {1, 2, 1};
  settings.levels = 2;
  settings.iterations = 10;
  settings.sharpening = {100, 0.2, 0.05};
  const auto theirs =
      inside(testing::itk_n4_log_field(phantom().image, phantom().mask, settings), phantom().mask);
  EXPECT_LT(sd_of_difference(ours(phantom().image, settings), theirs),
            5e-4 * standard_deviation(theirs));
}

TEST(N4, ScaleAndThreadsDoNotMatter) {
  N4Settings settings = quick();
  settings.iterations = 5;
  const auto at = [&](int threads) {
    return testing::with_threads(threads, [&] {
      return n4(phantom().image, phantom().mask, settings, {}).log_field.coefficients;
    });
  };
  EXPECT_EQ(at(1), at(8));
  Volume scaled = phantom().image;
  for (float& value : scaled.data) value *= 3.0F;
  EXPECT_LT(sd_of_difference(ours(scaled, settings), ours(phantom().image, settings)), 1e-3);
}

TEST(N4, NothingToDoGivesAZeroField) {
  const auto largest = [](const N4Result& result) {
    double most = 0.0;
    for (const double value : result.log_field.coefficients) most = std::max(most, std::abs(value));
    return most;
  };
  const Volume flat(phantom().image.grid, 7.0F);
  const N4Result of_flat = n4(flat, phantom().mask, quick(), {});
  EXPECT_EQ(largest(of_flat), 0.0);
  EXPECT_TRUE(of_flat.converged);
  EXPECT_EQ(of_flat.iterations_done, 0);
  EXPECT_EQ(largest(n4(phantom().image, Mask(flat.grid), quick(), {})), 0.0);
  EXPECT_EQ(largest(n4(Volume(flat.grid, -1.0F), phantom().mask, quick(), {})), 0.0);
}

TEST(N4, NegativeVoxelsDoNotCount) {
  Volume holed = phantom().image;
  Mask without = phantom().mask;
  for (std::size_t v = 0; v < holed.data.size(); v += 7) {
    holed.data[v] = v % 2 == 0 ? 0.0F : -5.0F;
    without.data[v] = 0;
  }
  N4Settings settings = quick();
  settings.iterations = 2;
  EXPECT_EQ(n4(holed, phantom().mask, settings, {}).log_field.coefficients,
            n4(phantom().image, without, settings, {}).log_field.coefficients);
}

TEST(N4, SaysWhetherItConverged) {
  N4Settings settings = quick();
  settings.convergence = 0.01;
  const N4Result loose = n4(phantom().image, phantom().mask, settings, {});
  EXPECT_TRUE(loose.converged);
  EXPECT_LT(loose.iterations_done, settings.levels * settings.iterations);
  EXPECT_LE(loose.last_change, 0.01);
  settings.convergence = 0.0;
  settings.iterations = 2;
  const N4Result strict = n4(phantom().image, phantom().mask, settings, {});
  EXPECT_FALSE(strict.converged);
  EXPECT_EQ(strict.iterations_done, 6);
}

TEST(Sharpening, ValuesAreSharedAmongNeighbouringBins) {
  Histogram histogram(1.0, 3.0, 5);
  for (const double value : {1.0, 1.125, 2.75, 3.0}) histogram.add(value);
  EXPECT_EQ(histogram.counts, (std::vector<double>{1.75, 0.25, 0.0, 0.5, 1.5}));
}

// The same equations with sums over all pairs in place of the fast transform.
std::vector<double> dense_expectation(const Histogram& h, const SharpeningSettings& settings,
                                      int n) {
  using Complex = std::complex<double>;
  const auto transform = [n](const std::vector<Complex>& x, double sign) {
    std::vector<Complex> out(x.size());
    for (int f = 0; f < n; ++f)
      for (int i = 0; i < n; ++i)
        out[static_cast<std::size_t>(f)] +=
            x[static_cast<std::size_t>(i)] *
            std::polar(1.0, sign * 2.0 * std::numbers::pi * f * i / n);
    return out;
  };
  const int bins = static_cast<int>(h.counts.size());
  const int padding = (n - bins) / 2;
  const double sigma = settings.fwhm / h.step / std::sqrt(8.0 * std::log(2.0));
  std::vector<Complex> gauss(static_cast<std::size_t>(n)), v(gauss.size());
  for (int i = 0; i < n; ++i) {
    const double x = i <= n / 2 ? i : i - n;
    gauss[static_cast<std::size_t>(i)] =
        std::exp(-x * x / (2.0 * sigma * sigma)) / (sigma * std::sqrt(2.0 * std::numbers::pi));
  }
  for (int b = 0; b < bins; ++b)
    v[static_cast<std::size_t>(b + padding)] = h.counts[static_cast<std::size_t>(b)];
  const auto f = transform(gauss, -1.0);
  auto u = transform(v, -1.0);
  for (std::size_t i = 0; i < u.size(); ++i)
    u[i] *= std::conj(f[i]) / (std::norm(f[i]) + settings.noise);
  u = transform(u, 1.0);
  std::vector<double> expected;
  for (int b = 0; b < bins; ++b) {
    double moment = 0.0;
    double mass = 0.0;
    for (int i = 0; i < n; ++i) {
      const double density = std::max(0.0, u[static_cast<std::size_t>(i)].real()) *
                             gauss[static_cast<std::size_t>((b + padding - i + n) % n)].real();
      moment += (h.low + (i - padding) * h.step) * density;
      mass += density;
    }
    expected.push_back(moment / mass);
  }
  return expected;
}

TEST(Sharpening, IsTheDenseDeconvolutionAndPullsTowardsTheTissues) {
  Histogram histogram(4.0, 5.2, 60);
  Random random(2);
  for (int i = 0; i < 20000; ++i)
    histogram.add(std::clamp((i % 2 == 0 ? 4.4 : 4.8) + 0.07 * random.normal(), 4.0, 5.2));
  const SharpeningSettings settings{60, 0.15, 0.01};
  const IntensityMap map = sharpen(histogram, settings);
  const auto dense = dense_expectation(histogram, settings, 128);
  for (std::size_t b = 0; b < dense.size(); ++b) {
    if (histogram.counts[b] == 0.0) continue;
    ASSERT_NEAR(map.expected[b], dense[b], 1e-6) << b;
  }
  EXPECT_NEAR(map(4.34), 4.4, 0.04);
  EXPECT_NEAR(map(4.86), 4.8, 0.04);
}

} // namespace
} // namespace boldmill::anatomy
