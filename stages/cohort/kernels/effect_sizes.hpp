// Quantiles, non-central t, and what makes effect sizes and families of p values of tests.
#pragma once

#include <Eigen/Dense>

#include "stages/cohort/kernels/normal_scores.hpp"

namespace boldmill::cohort {

struct Bounds {
  double lower = 0.0, upper = 0.0;
};

// t with P(|T| <= t) = confidence.
[[nodiscard]] double t_critical(double confidence, double degrees_of_freedom);
// P(T <= t) of Student's t with non-centrality `ncp` (Lenth 1989, AS 243), to about 1e-12.
[[nodiscard]] double noncentral_t_cdf(double t, double degrees_of_freedom, double ncp);
// Non-centralities that leave (1 - confidence) / 2 of the distribution on each side of t.
[[nodiscard]] Bounds noncentrality_bounds(double t, double degrees_of_freedom, double confidence);

// Hedges' factor, exactly: Gamma(df / 2) / (sqrt(df / 2) Gamma((df - 1) / 2)).
[[nodiscard]] double hedges_factor(double degrees_of_freedom);
// Of a (partial) correlation: Fisher's z with variance 1 / (n - n_partialled - 3).
[[nodiscard]] Bounds correlation_bounds(double r, double n, double n_partialled, double confidence);
// Wilson 1927 (doi:10.1080/01621459.1927.10502953) of `successes` in `n`.
[[nodiscard]] Bounds wilson_bounds(double successes, double n, double confidence);

// Benjamini & Hochberg 1995, as R's p.adjust(method = "BH"); NaN stays and is not counted.
[[nodiscard]] Eigen::VectorXd benjamini_hochberg(const Eigen::VectorXd& p);

} // namespace boldmill::cohort
