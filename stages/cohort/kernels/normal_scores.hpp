// Ranks as quantiles of the standard normal, and back.
#pragma once

#include <Eigen/Dense>

namespace boldmill::cohort {

// x with P(X <= x) = p: rational start (Acklam), two Halley steps; relative error under 1e-14 for
// 1e-300 < p < 1. Outside (0, 1): -inf, inf, NaN.
[[nodiscard]] double normal_quantile(double p);

// Of the values present: quantile of (rank - 1/2) / n, ties get the mean of their ranks. NaN stays.
[[nodiscard]] Eigen::VectorXd normal_scores(const Eigen::VectorXd& values);

} // namespace boldmill::cohort
