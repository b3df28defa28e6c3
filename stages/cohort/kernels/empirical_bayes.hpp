// Shrinkage of the location and scale of one batch over its columns, the second half of ComBat
// (Johnson 2007, doi:10.1093/biostatistics/kxj037). Equations in METHOD.md.
#pragma once

#include <Eigen/Dense>

#include "stages/core/stage_info.hpp"

namespace boldmill::cohort {

// Of one batch, over p columns, in units of the pooled SD. NaN location: the batch lacks the
// column.
struct BatchStatistics {
  Eigen::VectorXd location;       // gamma: mean of z
  Eigen::VectorXd scale;          // delta: variance of z, divisor n - 1; NaN where n < 2
  Eigen::VectorXd sum_of_squares; // of z around its mean
  Eigen::VectorXd count;          // n
};

struct BatchPrior {
  double location_mean = 0.0, location_variance = 0.0; // normal
  double shape = 0.0, rate = 0.0;                      // inverse gamma of the scale
};
// Moments over the columns at hand. NaN members with fewer than two columns.
[[nodiscard]] BatchPrior batch_prior(const BatchStatistics& batch);

struct BatchEffect {
  Eigen::VectorXd location, scale; // NaN where the batch lacks the column
  int iterations = 0;
  bool converged = true;
};

struct StoppingRule {
  double tolerance = 1e-4;
  bool signed_denominators = true; // (|change| / old value), so that negative ones never hold it up
  int max_iterations = 1000;
};
[[nodiscard]] BatchEffect shrink_parametric(const BatchStatistics& batch, const BatchPrior& prior,
                                            const StoppingRule& rule, const Context& context);
// Means of location and scale over the other columns, weighted by the likelihood of this column's
// values. O(p^2). Weights are taken relative to the largest, so that they never all underflow.
[[nodiscard]] BatchEffect shrink_non_parametric(const BatchStatistics& batch,
                                                const Context& context);
// The location alone, one observation of variance 1: what the reference implementations do for
// mean-only. The scale is 1.
[[nodiscard]] BatchEffect shrink_location(const BatchStatistics& batch, const BatchPrior& prior);

} // namespace boldmill::cohort
