#include "stages/task/kernels/tail.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

namespace boldmill {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr double kLogFloor = -690.77552789821370521; // log 1e-300
constexpr double kStep = 1.0 / 64.0;
constexpr std::size_t kNodes = 64 * 64 + 1;

// Continued fraction of the incomplete beta function (Abramowitz & Stegun 26.5.8) by Lentz.
double beta_fraction(double a, double b, double x) {
  constexpr double kTiny = 1e-300;
  double c = 1.0;
  double d = 1.0 / std::max(std::abs(1.0 - (a + b) * x / (a + 1.0)), kTiny);
  double h = d;
  for (int m = 1; m <= 2000; ++m) {
    const double m2 = 2.0 * m;
    const double even = m * (b - m) * x / ((a + m2 - 1.0) * (a + m2));
    d = 1.0 / (1.0 + even * d);
    c = 1.0 + even / c;
    h *= d * c;
    const double odd = -(a + m) * (a + b + m) * x / ((a + m2) * (a + m2 + 1.0));
    d = 1.0 / (1.0 + odd * d);
    c = 1.0 + odd / c;
    h *= d * c;
    if (std::abs(d * c - 1.0) < 1e-15) break;
  }
  return h;
}

struct LogPair {
  double lower, upper; // log I_x(a, b) and log(1 - I_x(a, b))
};

// log_x and log_1mx are given apart so that neither loses digits near 0.
LogPair log_beta_tails(double a, double b, double log_x, double log_1mx) {
  const double front =
      std::lgamma(a + b) - std::lgamma(a) - std::lgamma(b) + a * log_x + b * log_1mx;
  const double x = std::exp(log_x);
  if (x < (a + 1.0) / (a + b + 2.0)) {
    const double lower = front + std::log(beta_fraction(a, b, x) / a);
    return {lower, std::log1p(-std::min(1.0, std::exp(lower)))};
  }
  const double upper = front + std::log(beta_fraction(b, a, std::exp(log_1mx)) / b);
  return {std::log1p(-std::min(1.0, std::exp(upper))), upper};
}

double log_normal_tail(double z) { return std::log(0.5 * std::erfc(z / std::numbers::sqrt2)); }

double log_t_tail(double t, double dof) { // t >= 0
  const double ratio = t * t / dof;
  const double log_x = -std::log1p(ratio);
  const double log_1mx = t > 0.0 ? std::log(ratio) + log_x : -std::numeric_limits<double>::max();
  if (t == 0.0) return -std::numbers::ln2;
  return log_beta_tails(0.5 * dof, 0.5, log_x, log_1mx).lower - std::numbers::ln2;
}

double t_density(double t, double dof) {
  return std::exp(std::lgamma(0.5 * (dof + 1.0)) - std::lgamma(0.5 * dof) -
                  0.5 * std::log(dof * std::numbers::pi) -
                  0.5 * (dof + 1.0) * std::log1p(t * t / dof));
}

} // namespace

double z_of_log_tail(double log_p) {
  log_p = std::max(log_p, kLogFloor);
  // Hastings' formula (Abramowitz & Stegun 26.2.23), then Newton on the logarithm of the tail.
  const double s = std::sqrt(-2.0 * log_p);
  double z = s - (2.515517 + s * (0.802853 + s * 0.010328)) /
                     (1.0 + s * (1.432788 + s * (0.189269 + s * 0.001308)));
  for (int i = 0; i < 20; ++i) {
    const double tail = log_normal_tail(z);
    const double log_density = -0.5 * z * z - 0.5 * std::log(2.0 * std::numbers::pi);
    const double step = (tail - log_p) * std::exp(tail - log_density);
    z += step;
    if (std::abs(step) < 1e-13 * std::max(1.0, std::abs(z))) break;
  }
  return z;
}

double z_of_t(double t, double dof) {
  if (std::isnan(t) || !(dof > 0.0)) return kNaN;
  const double size = z_of_log_tail(std::isinf(t) ? kLogFloor : log_t_tail(std::abs(t), dof));
  return t < 0.0 ? -size : size;
}

double z_of_f(double f, double dof_numerator, double dof_denominator) {
  if (std::isnan(f) || !(dof_numerator > 0.0) || !(dof_denominator > 0.0)) return kNaN;
  if (f <= 0.0) return -z_of_log_tail(kLogFloor);
  if (std::isinf(f)) return z_of_log_tail(kLogFloor);
  const double ratio = dof_numerator * f / dof_denominator;
  const double log_x = -std::log1p(ratio);
  const LogPair tails =
      log_beta_tails(0.5 * dof_denominator, 0.5 * dof_numerator, log_x, std::log(ratio) + log_x);
  return tails.lower < tails.upper ? z_of_log_tail(tails.lower) : -z_of_log_tail(tails.upper);
}

TTable::TTable(double dof) : dof_(dof), z_(kNodes), slope_(kNodes) {
  for (std::size_t i = 0; i < kNodes; ++i) {
    const double t = kStep * static_cast<double>(i);
    z_[i] = z_of_t(t, dof);
    // dz/dt = density of t over density of z; flat once z is cut.
    const double log_phi = -0.5 * z_[i] * z_[i] - 0.5 * std::log(2.0 * std::numbers::pi);
    const bool cut = log_t_tail(t, dof) < kLogFloor;
    slope_[i] = cut ? 0.0 : std::exp(std::log(t_density(t, dof)) - log_phi);
  }
}

double TTable::operator()(double t) const {
  const double size = std::abs(t);
  if (!(size < 63.0)) return z_of_t(t, dof_);
  const double position = size / kStep;
  const auto i = static_cast<std::size_t>(position);
  if (i > 0 && slope_[i + 1] == 0.0) return z_of_t(t, dof_);
  const double u = position - static_cast<double>(i);
  const double v = 1.0 - u;
  const double z = z_[i] * v * v * (1.0 + 2.0 * u) + z_[i + 1] * u * u * (3.0 - 2.0 * u) +
                   kStep * u * v * (slope_[i] * v - slope_[i + 1] * u);
  return t < 0.0 ? -z : z;
}

} // namespace boldmill
