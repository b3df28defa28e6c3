// Two-sided p of Student's t.
#pragma once

namespace boldmill {

// I_x(dof / 2, 1 / 2) with x = dof / (dof + t^2), by Lentz's continued fraction of the incomplete
// beta function (Abramowitz & Stegun 26.5.8). NaN for dof <= 0 or a NaN t.
[[nodiscard]] double student_t_p(double t, double dof);

} // namespace boldmill
