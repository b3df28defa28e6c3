#include "stages/denoise/kernels/butterworth.hpp"

#include <algorithm>
#include <cmath>
#include <complex>
#include <numbers>

namespace boldmill {
namespace {

using Complex = std::complex<double>;

// Bilinear transform with the sampling rate 2 (frequencies in units of Nyquist).
constexpr double kBilinear = 4.0;

double warped(double frequency_hz, double tr_s) {
  return kBilinear * std::tan(std::numbers::pi * frequency_hz * tr_s);
}

struct Analogue {
  std::vector<Complex> poles;
  int zeros_at_origin = 0;
  double gain = 1.0;
};

Analogue analogue_filter(int order, double low, double high) {
  Analogue out;
  const double center = std::sqrt(low * high);
  for (int m = -order + 1; m < order; m += 2) {
    const Complex prototype =
        -std::exp(Complex(0.0, std::numbers::pi * m / (2.0 * static_cast<double>(order))));
    if (low > 0.0 && high > 0.0) {
      const Complex scaled = prototype * (high - low) / 2.0;
      const Complex root = std::sqrt(scaled * scaled - center * center);
      out.poles.push_back(scaled + root);
      out.poles.push_back(scaled - root);
    } else {
      out.poles.push_back(high > 0.0 ? prototype * high : low / prototype);
    }
  }
  if (low > 0.0) out.zeros_at_origin = order;
  if (high > 0.0) out.gain = std::pow(low > 0.0 ? high - low : high, order);
  return out;
}

// Poles in conjugate pairs; real ones in twos, the last alone when their number is odd.
std::vector<std::vector<Complex>> paired(const std::vector<Complex>& poles) {
  std::vector<std::vector<Complex>> pairs;
  std::vector<Complex> real;
  for (const Complex& pole : poles) {
    if (std::abs(pole.imag()) <= 1e-12 * std::abs(pole))
      real.push_back(pole);
    else if (pole.imag() > 0.0)
      pairs.push_back({pole, std::conj(pole)});
  }
  for (std::size_t i = 0; i < real.size(); i += 2) {
    pairs.push_back({real[i]});
    if (i + 1 < real.size()) pairs.back().push_back(real[i + 1]);
  }
  return pairs;
}

// Forward (step 1) or backward (step -1) over n samples from `first` on; starts in the steady state
// of a constant input equal to the first sample.
void filter_once(const std::vector<Biquad>& sections, Lane* first, std::ptrdiff_t step,
                 Eigen::Index n) {
  Lane level = *first;
  for (const Biquad& s : sections) {
    const double gain = (s.b0 + s.b1 + s.b2) / (1.0 + s.a1 + s.a2);
    Lane z2 = (s.b2 - s.a2 * gain) * level;
    Lane z1 = (s.b1 - s.a1 * gain) * level + z2;
    Lane* at = first;
    for (Eigen::Index t = 0; t < n; ++t, at += step) {
      const Lane input = *at;
      const Lane value = s.b0 * input + z1;
      z1 = s.b1 * input - s.a1 * value + z2;
      z2 = s.b2 * input - s.a2 * value;
      *at = value;
    }
    level *= gain;
  }
}

} // namespace

std::vector<Biquad> butterworth(int order, double low_hz, double high_hz, double tr_s) {
  const double low = low_hz > 0.0 ? warped(low_hz, tr_s) : 0.0;
  const double high = high_hz > 0.0 ? warped(high_hz, tr_s) : 0.0;
  const Analogue analogue = analogue_filter(order, low, high);
  Complex denominator = 1.0;
  std::vector<Complex> poles;
  for (const Complex& pole : analogue.poles) {
    denominator *= kBilinear - pole;
    poles.push_back((kBilinear + pole) / (kBilinear - pole));
  }
  const double gain =
      analogue.gain * (std::pow(kBilinear, analogue.zeros_at_origin) / denominator).real();

  std::vector<Biquad> sections;
  for (const auto& pair : paired(poles)) {
    Biquad section;
    const bool first_order = pair.size() == 1;
    const double sum = first_order ? pair[0].real() : (pair[0] + pair[1]).real();
    section.a1 = -sum;
    section.a2 = first_order ? 0.0 : (pair[0] * pair[1]).real();
    section.b0 = 1.0;
    if (low > 0.0 && high > 0.0) {
      section.b2 = -1.0; // zeros at 1 and -1
    } else {
      const double side = high > 0.0 ? 1.0 : -1.0;
      section.b1 = first_order ? side : 2.0 * side;
      section.b2 = first_order ? 0.0 : 1.0;
    }
    sections.push_back(section);
  }
  Biquad& first = sections.front();
  first.b0 *= gain;
  first.b1 *= gain;
  first.b2 *= gain;
  return sections;
}

Eigen::Index padding_length(const std::vector<Biquad>& sections, Eigen::Index n, Padding padding) {
  if (padding == Padding::constant) return n - 1;
  const auto without_b2 =
      std::count_if(sections.begin(), sections.end(), [](const Biquad& s) { return s.b2 == 0.0; });
  const auto without_a2 =
      std::count_if(sections.begin(), sections.end(), [](const Biquad& s) { return s.a2 == 0.0; });
  return 3 *
         (2 * static_cast<Eigen::Index>(sections.size()) + 1 - std::min(without_b2, without_a2));
}

// A filter that starts in the steady state of a constant stays in it: the constant stretch before
// the first sample, in the direction of the filter, need not be run.
void filter_forward_backward(const std::vector<Biquad>& sections, Lanes& x, Padding padding) {
  const auto n = static_cast<Eigen::Index>(x.size());
  const Eigen::Index length = padding_length(sections, n, padding);
  const bool odd = padding == Padding::odd;
  const Eigen::Index before = odd ? length : 0;
  Lanes extended(static_cast<std::size_t>(before + n + length));
  Lane* const middle = extended.data() + before;
  std::copy(x.begin(), x.end(), middle);
  const Lane first = middle[0], last = middle[n - 1];
  for (Eigen::Index i = 0; i < length; ++i) {
    middle[n + i] = odd ? Lane(2.0 * last - middle[n - 2 - i]) : last;
    if (odd) extended[static_cast<std::size_t>(i)] = 2.0 * first - middle[length - i];
  }
  filter_once(sections, extended.data(), 1, before + n + length);
  filter_once(sections, middle + n + length - 1, -1, n + length);
  std::copy(middle, middle + n, x.begin());
}

Eigen::VectorXd filter_forward_backward(const std::vector<Biquad>& sections,
                                        const Eigen::VectorXd& x, Padding padding) {
  Lanes lanes;
  load_lanes(x, 0, lanes);
  filter_forward_backward(sections, lanes, padding);
  Eigen::VectorXd out(x.size());
  store_lanes(lanes, 0, out);
  return out;
}

} // namespace boldmill
