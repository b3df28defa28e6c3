#include "stages/anatomy/kernels/intensity_sharpening.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <complex>
#include <numbers>

namespace boldmill::anatomy {
namespace {

using Spectrum = std::vector<std::complex<double>>;

// Radix-2, in place, n a power of two; sign -1 forward, +1 backward. Not scaled.
void fourier(Spectrum& values, double sign) {
  const std::size_t n = values.size();
  for (std::size_t i = 1, j = 0; i < n; ++i) {
    std::size_t bit = n / 2;
    for (; (j & bit) != 0; bit /= 2) j ^= bit;
    j ^= bit;
    if (i < j) std::swap(values[i], values[j]);
  }
  for (std::size_t half = 1; half < n; half *= 2) {
    for (std::size_t p = 0; p < half; ++p) {
      const double angle =
          sign * std::numbers::pi * static_cast<double>(p) / static_cast<double>(half);
      const std::complex<double> turn(std::cos(angle), std::sin(angle));
      for (std::size_t i = p; i < n; i += 2 * half) {
        const std::complex<double> odd(
            values[i + half].real() * turn.real() - values[i + half].imag() * turn.imag(),
            values[i + half].real() * turn.imag() + values[i + half].imag() * turn.real());
        values[i + half] = values[i] - odd;
        values[i] += odd;
      }
    }
  }
}

// The density of the log field, centred at 0 and periodic; its spectrum is real.
std::vector<double> gaussian_spectrum(std::size_t n, double fwhm_bins) {
  Spectrum density(n);
  const double height = 2.0 * std::sqrt(std::numbers::ln2 / std::numbers::pi) / fwhm_bins;
  for (std::size_t i = 0; i <= n / 2; ++i) {
    const double x = static_cast<double>(i) / fwhm_bins;
    density[i] = height * std::exp(-4.0 * std::numbers::ln2 * x * x);
    density[(n - i) % n] = density[i];
  }
  fourier(density, -1.0);
  std::vector<double> out(n);
  std::transform(density.begin(), density.end(), out.begin(), [](auto z) { return z.real(); });
  return out;
}

// values * kernel for two real signals at once, one in each part.
void filter(Spectrum& values, const std::vector<double>& kernel) {
  fourier(values, -1.0);
  const double scale = 1.0 / static_cast<double>(values.size());
  for (std::size_t i = 0; i < values.size(); ++i) values[i] *= kernel[i] * scale;
  fourier(values, 1.0);
}

} // namespace

Histogram& Histogram::operator+=(const Histogram& other) {
  for (std::size_t b = 0; b < counts.size(); ++b) counts[b] += other.counts[b];
  return *this;
}

IntensityMap sharpen(const Histogram& histogram, const SharpeningSettings& settings) {
  const std::size_t bins = histogram.counts.size();
  const std::size_t n = 2 * std::bit_ceil(bins);
  const std::size_t padding = (n - bins) / 2;
  const std::vector<double> blur = gaussian_spectrum(n, settings.fwhm / histogram.step);
  std::vector<double> wiener(n);
  for (std::size_t i = 0; i < n; ++i) wiener[i] = blur[i] / (blur[i] * blur[i] + settings.noise);
  Spectrum density(n);
  for (std::size_t b = 0; b < bins; ++b) density[b + padding] = histogram.counts[b];
  filter(density, wiener);
  // Real part: the density times its place; imaginary part: the density. Both are real signals.
  for (std::size_t i = 0; i < n; ++i) {
    const double share = std::max(density[i].real(), 0.0);
    const double place =
        histogram.low + (static_cast<double>(i) - static_cast<double>(padding)) * histogram.step;
    density[i] = {place * share, share};
  }
  filter(density, blur);
  IntensityMap map{histogram.low, histogram.step, std::vector<double>(bins, 0.0)};
  for (std::size_t b = 0; b < bins; ++b) {
    const double mass = density[b + padding].imag();
    if (mass != 0.0) map.expected[b] = density[b + padding].real() / mass;
  }
  return map;
}

} // namespace boldmill::anatomy
