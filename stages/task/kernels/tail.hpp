// Upper tails of Student's t and of F, as standard normal values: z with the same probability, far
// into the tails (logarithms throughout), cut at p = 1e-300 or |z| = 37.05 as nilearn does.
#pragma once

#include <vector>

namespace boldmill {

// NaN for a NaN statistic or dof <= 0. Absolute error under 1e-9.
[[nodiscard]] double z_of_t(double t, double dof);
[[nodiscard]] double z_of_f(double f, double dof_numerator, double dof_denominator);
// The z whose upper tail has probability exp(log_p), log_p <= log(1/2).
[[nodiscard]] double z_of_log_tail(double log_p);

// z_of_t for one dof and many t: cubic Hermite interpolation of |t| < 64, error under 1e-8.
class TTable {
public:
  explicit TTable(double dof);
  [[nodiscard]] double operator()(double t) const;

private:
  double dof_;
  std::vector<double> z_, slope_;
};

} // namespace boldmill
