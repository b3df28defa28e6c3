#include "pipeline/simulate/signals.hpp"

#include <algorithm>
#include <cmath>
#include <complex>
#include <numbers>

namespace boldmill::simulate {
namespace {

constexpr double kLead_s = 40.0; // before the first volume, so that responses have settled
constexpr double kHrfLength_s = 32.0;

struct Spectrum {
  std::vector<double> frequency_hz, amplitude;
};

// Cosine edges of 20 % keep the band from ringing.
Spectrum spectrum(const Band& band, double span_s) {
  Spectrum s;
  const double step = 1.0 / (2.0 * span_s);
  double power = 0.0;
  for (double f = step; f < 1.2 * band.high_hz; f += step) {
    if (f < band.low_hz) continue;
    double a = std::pow(f, -band.exponent);
    if (f > band.high_hz) {
      a *= 0.5 * (1.0 + std::cos(std::numbers::pi * (f / band.high_hz - 1.0) / 0.2));
    }
    s.frequency_hz.push_back(f);
    s.amplitude.push_back(a);
    power += a * a;
  }
  if (s.frequency_hz.empty()) return {{step}, {1.0}}; // shorter than any period of the band
  for (double& a : s.amplitude) a /= std::sqrt(power);
  return s;
}

std::vector<double> synthesize_samples(const Spectrum& s, std::size_t n, Random& random) {
  std::vector<double> values(n, 0.0);
  for (std::size_t m = 0; m < s.frequency_hz.size(); ++m) {
    const double a = s.amplitude[m] * random.normal();
    const double b = s.amplitude[m] * random.normal();
    const double omega = 2.0 * std::numbers::pi * s.frequency_hz[m] * kSignalStep_s;
    const double rotate_re = std::cos(omega);
    const double rotate_im = std::sin(omega);
    double re = 1.0;
    double im = 0.0;
    for (std::size_t i = 0; i < n; ++i) {
      values[i] += a * re + b * im;
      const double next = re * rotate_re - im * rotate_im;
      im = re * rotate_im + im * rotate_re;
      re = next;
    }
  }
  return values;
}

double gamma_density(double t, double shape) {
  return t <= 0.0 ? 0.0 : std::exp((shape - 1.0) * std::log(t) - t - std::lgamma(shape));
}

Eigen::VectorXd convolve(const Eigen::VectorXd& x, const std::vector<double>& h) {
  Eigen::VectorXd y = Eigen::VectorXd::Zero(x.size());
  const auto lags = static_cast<Eigen::Index>(h.size());
  for (Eigen::Index lag = 0; lag < std::min(lags, x.size()); ++lag) {
    const double w = h[static_cast<std::size_t>(lag)] * kSignalStep_s;
    y.tail(x.size() - lag) += w * x.head(x.size() - lag);
  }
  return y;
}

// SD of a unit-variance signal of this spectrum after the HRF.
double sd_after(const Spectrum& s, const std::vector<double>& h) {
  double power = 0.0;
  for (std::size_t m = 0; m < s.frequency_hz.size(); ++m) {
    std::complex<double> gain = 0.0;
    for (std::size_t lag = 0; lag < h.size(); ++lag) {
      const double phase =
          -2.0 * std::numbers::pi * s.frequency_hz[m] * kSignalStep_s * static_cast<double>(lag);
      gain += h[lag] * kSignalStep_s * std::complex<double>(std::cos(phase), std::sin(phase));
    }
    power += s.amplitude[m] * s.amplitude[m] * std::norm(gain);
  }
  return std::sqrt(power);
}

// n x conditions: share of each step during which the condition is shown.
Eigen::MatrixXd indicators(const Design& design, double start_s, Eigen::Index n) {
  Eigen::MatrixXd u = Eigen::MatrixXd::Zero(n, static_cast<Eigen::Index>(design.conditions.size()));
  for (const Event& event : design.events) {
    const double from = (event.onset_s - start_s) / kSignalStep_s;
    const double to = from + event.duration_s / kSignalStep_s;
    for (auto i = static_cast<Eigen::Index>(from); i < n && static_cast<double>(i) < to; ++i) {
      const double begin = std::max(from, static_cast<double>(i));
      const double end = std::min(to, static_cast<double>(i) + 1.0);
      if (end > begin) u(i, event.condition) += end - begin;
    }
  }
  return u;
}

} // namespace

double Signal::at(double time_s) const {
  const double position =
      std::clamp((time_s - start_s) / kSignalStep_s, 0.0, static_cast<double>(values.size() - 1));
  const auto i = std::min(static_cast<std::size_t>(position), values.size() - 2);
  const double w = position - static_cast<double>(i);
  return (1.0 - w) * static_cast<double>(values[i]) + w * static_cast<double>(values[i + 1]);
}

Signal synthesize(const Band& band, double start_s, double end_s, Random& random) {
  const double span = end_s - start_s;
  const auto n = static_cast<std::size_t>(span / kSignalStep_s) + 2;
  const std::vector<double> samples = synthesize_samples(spectrum(band, span), n, random);
  Signal signal{.start_s = start_s, .values = std::vector<float>(n)};
  for (std::size_t i = 0; i < n; ++i) signal.values[i] = static_cast<float>(samples[i]);
  return signal;
}

std::vector<double> hrf_samples(const Hrf& hrf) {
  const auto n = static_cast<std::size_t>(kHrfLength_s / kSignalStep_s) + 1;
  std::vector<double> h(n);
  double sum = 0.0;
  for (std::size_t i = 0; i < n; ++i) {
    const double t = static_cast<double>(i) * kSignalStep_s;
    h[i] = gamma_density(t, hrf.peak_s) - gamma_density(t, hrf.undershoot_s) / hrf.ratio;
    sum += h[i] * kSignalStep_s;
  }
  for (double& value : h) value /= sum;
  return h;
}

void SourceSignals::at(double time_s, float* values) const {
  const double position =
      std::clamp((time_s - start_s) / kSignalStep_s, 0.0, static_cast<double>(bold.rows() - 1));
  const Eigen::Index i = std::min(static_cast<Eigen::Index>(position), bold.rows() - 2);
  const auto w = static_cast<float>(position - static_cast<double>(i));
  for (Eigen::Index s = 0; s < kSources; ++s) {
    values[s] = (1.0F - w) * bold(i, s) + w * bold(i + 1, s);
  }
}

Eigen::RowVectorXf SourceSignals::fluctuation_at(double time_s) const {
  const double position =
      std::clamp((time_s - start_s) / kSignalStep_s, 0.0, static_cast<double>(bold.rows() - 1));
  const Eigen::Index i = std::min(static_cast<Eigen::Index>(position), bold.rows() - 2);
  const auto w = static_cast<float>(position - static_cast<double>(i));
  return (1.0F - w) * fluctuation.row(i) + w * fluctuation.row(i + 1);
}

SourceSignals make_signals(const SourceModel& model, const Design& design, double duration_s,
                           Random& random) {
  const Band band;
  const double span = duration_s + kLead_s;
  const auto n = static_cast<Eigen::Index>(span / kSignalStep_s) + 2;
  const Spectrum spectrum_of_band = spectrum(band, span);
  Eigen::MatrixXd latent(n, kSources);
  for (Eigen::Index s = 0; s < kSources; ++s) {
    const auto samples = synthesize_samples(spectrum_of_band, static_cast<std::size_t>(n), random);
    latent.col(s) = Eigen::Map<const Eigen::VectorXd>(samples.data(), n);
  }
  const Eigen::MatrixXd mixing = model.correlation.llt().matrixL();
  const Eigen::MatrixXd neural = latent * mixing.transpose();
  const Eigen::MatrixXd shown = indicators(design, -kLead_s, n);
  Eigen::MatrixXd coupled = Eigen::MatrixXd::Zero(n, kSources);
  for (const Interaction& interaction : model.interactions) {
    for (const int condition : interaction.conditions) {
      coupled.col(interaction.target) +=
          interaction.strength * shown.col(condition).cwiseProduct(neural.col(interaction.hub));
    }
  }
  const std::vector<double> h = hrf_samples(model.hrf);
  const double scale = model.fluctuation_percent / sd_after(spectrum_of_band, h);
  SourceSignals signals;
  signals.start_s = -kLead_s;
  signals.bold.resize(n, kSources);
  signals.fluctuation.resize(n, kSources);
  for (Eigen::Index s = 0; s < kSources; ++s) {
    const Eigen::VectorXd slow = scale * convolve(neural.col(s), h);
    Eigen::VectorXd all = slow;
    if (!design.events.empty()) {
      all += convolve(scale * coupled.col(s) + shown * model.activation.row(s).transpose(), h);
    }
    signals.fluctuation.col(s) = slow.cast<float>();
    signals.bold.col(s) = all.cast<float>();
  }
  return signals;
}

} // namespace boldmill::simulate
