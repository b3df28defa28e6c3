#include "stages/denoise/kernels/student_t.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace boldmill {
namespace {

double continued_fraction(double a, double b, double x) {
  constexpr double kTiny = 1e-300;
  double c = 1.0;
  double d = 1.0 / std::max(std::abs(1.0 - (a + b) * x / (a + 1.0)), kTiny);
  double h = d;
  for (int m = 1; m <= 1000; ++m) {
    const double two_m = 2.0 * m;
    const double even = m * (b - m) * x / ((a + two_m - 1.0) * (a + two_m));
    d = 1.0 / (1.0 + even * d);
    c = 1.0 + even / c;
    h *= d * c;
    const double odd = -(a + m) * (a + b + m) * x / ((a + two_m) * (a + two_m + 1.0));
    d = 1.0 / (1.0 + odd * d);
    c = 1.0 + odd / c;
    h *= d * c;
    if (std::abs(d * c - 1.0) < 1e-15) break;
  }
  return h;
}

} // namespace

double student_t_p(double t, double dof) {
  if (!(dof > 0.0) || std::isnan(t)) return std::numeric_limits<double>::quiet_NaN();
  const double x = dof / (dof + t * t);
  const double a = 0.5 * dof;
  const double b = 0.5;
  if (x >= 1.0) return 1.0;
  if (x <= 0.0) return 0.0;
  const double front = std::exp(std::lgamma(a + b) - std::lgamma(a) - std::lgamma(b) +
                                a * std::log(x) + b * std::log1p(-x));
  // The fraction converges fast on this side of the mean.
  if (x < (a + 1.0) / (a + b + 2.0)) return front * continued_fraction(a, b, x) / a;
  return 1.0 - front * continued_fraction(b, a, 1.0 - x) / b;
}

} // namespace boldmill
