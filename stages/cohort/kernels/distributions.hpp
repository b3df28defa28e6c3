// Tail probabilities of the tests used here. NaN in, NaN out.
#pragma once

namespace boldmill::cohort {

// P(X > x), continued fractions (Lentz): relative error under 1e-12 where it is not below 1e-290.
[[nodiscard]] double chi_square_tail(double x, double degrees_of_freedom);
[[nodiscard]] double f_tail(double f, double numerator_df, double denominator_df);
[[nodiscard]] double normal_tail(double z);
// Two-sided p of Student's t.
[[nodiscard]] double t_two_sided(double t, double degrees_of_freedom);

} // namespace boldmill::cohort
