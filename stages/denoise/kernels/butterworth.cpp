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

Eigen::VectorXd padded(const Eigen::VectorXd& x, Eigen::Index length, Padding padding) {
  const Eigen::Index n = x.size();
  Eigen::VectorXd out(n + 2 * length);
  for (Eigen::Index i = 0; i < length; ++i) {
    const bool odd = padding == Padding::odd;
    out[i] = odd ? 2.0 * x[0] - x[length - i] : x[0];
    out[length + n + i] = odd ? 2.0 * x[n - 1] - x[n - 2 - i] : x[n - 1];
  }
  out.segment(length, n) = x;
  return out;
}

// Starts in the steady state of a constant input equal to the first sample.
void filter_once(const std::vector<Biquad>& sections, Eigen::VectorXd& x) {
  double level = x[0];
  for (const Biquad& s : sections) {
    const double gain = (s.b0 + s.b1 + s.b2) / (1.0 + s.a1 + s.a2);
    double z2 = (s.b2 - s.a2 * gain) * level;
    double z1 = (s.b1 - s.a1 * gain) * level + z2;
    for (double& value : x) {
      const double input = value;
      value = s.b0 * input + z1;
      z1 = s.b1 * input - s.a1 * value + z2;
      z2 = s.b2 * input - s.a2 * value;
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

Eigen::VectorXd filter_forward_backward(const std::vector<Biquad>& sections,
                                        const Eigen::VectorXd& x, Padding padding) {
  const Eigen::Index length = padding_length(sections, x.size(), padding);
  Eigen::VectorXd extended = padded(x, length, padding);
  filter_once(sections, extended);
  extended.reverseInPlace();
  filter_once(sections, extended);
  extended.reverseInPlace();
  return extended.segment(length, x.size());
}

} // namespace boldmill
