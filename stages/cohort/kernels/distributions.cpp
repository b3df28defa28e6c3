#include "stages/cohort/kernels/distributions.hpp"

#include <cmath>
#include <limits>

namespace boldmill::cohort {
namespace {

constexpr double kTiny = 1e-300;
constexpr double kPrecision = 1e-16;
constexpr int kTerms = 100000;

// Upper regularised incomplete gamma Q(a, x).
double gamma_q(double a, double x) {
  if (x <= 0.0) return 1.0;
  const double front = std::exp(a * std::log(x) - x - std::lgamma(a));
  if (x < a + 1.0) { // series of P
    double term = 1.0 / a;
    double sum = term;
    for (int n = 1; n < kTerms && std::abs(term) > kPrecision * std::abs(sum); ++n) {
      term *= x / (a + n);
      sum += term;
    }
    return 1.0 - front * sum;
  }
  double b = x + 1.0 - a;
  double c = 1.0 / kTiny;
  double d = 1.0 / b;
  double h = d;
  for (int n = 1; n < kTerms; ++n) {
    const double an = -n * (n - a);
    b += 2.0;
    d = an * d + b;
    c = b + an / c;
    d = 1.0 / (std::abs(d) < kTiny ? kTiny : d);
    if (std::abs(c) < kTiny) c = kTiny;
    h *= d * c;
    if (std::abs(d * c - 1.0) < kPrecision) break;
  }
  return front * h;
}

double beta_fraction(double a, double b, double x) {
  double c = 1.0;
  double d = 1.0 - (a + b) * x / (a + 1.0);
  d = 1.0 / (std::abs(d) < kTiny ? kTiny : d);
  double h = d;
  const auto advance = [&](double term) {
    d = 1.0 + term * d;
    c = 1.0 + term / c;
    d = 1.0 / (std::abs(d) < kTiny ? kTiny : d);
    if (std::abs(c) < kTiny) c = kTiny;
    h *= d * c;
    return std::abs(d * c - 1.0) < kPrecision;
  };
  for (int m = 1; m < kTerms; ++m) {
    advance(m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m)));
    if (advance(-(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0)))) break;
  }
  return h;
}

// Regularised incomplete beta I_x(a, b); `y` is 1 - x, given apart to keep small tails exact.
double beta_i(double a, double b, double x, double y) {
  if (x <= 0.0) return 0.0;
  if (y <= 0.0) return 1.0;
  const double front = std::exp(std::lgamma(a + b) - std::lgamma(a) - std::lgamma(b) +
                                a * std::log(x) + b * std::log(y));
  if (x < (a + 1.0) / (a + b + 2.0)) return front * beta_fraction(a, b, x) / a;
  return 1.0 - front * beta_fraction(b, a, y) / b;
}

} // namespace

double chi_square_tail(double x, double degrees_of_freedom) {
  if (std::isnan(x) || !(degrees_of_freedom > 0.0)) return std::numeric_limits<double>::quiet_NaN();
  return gamma_q(0.5 * degrees_of_freedom, 0.5 * x);
}

double f_tail(double f, double numerator_df, double denominator_df) {
  if (std::isnan(f) || !(numerator_df > 0.0) || !(denominator_df > 0.0)) {
    return std::numeric_limits<double>::quiet_NaN();
  }
  if (f <= 0.0) return 1.0;
  const double total = denominator_df + numerator_df * f;
  return beta_i(0.5 * denominator_df, 0.5 * numerator_df, denominator_df / total,
                numerator_df * f / total);
}

double normal_tail(double z) { return 0.5 * std::erfc(z / std::sqrt(2.0)); }

double t_two_sided(double t, double degrees_of_freedom) {
  return f_tail(t * t, 1.0, degrees_of_freedom);
}

} // namespace boldmill::cohort
