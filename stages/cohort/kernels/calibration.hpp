// Are z values of new people standard normal?
#pragma once

#include <Eigen/Dense>
#include <vector>

namespace boldmill::cohort {

struct Calibration {
  int n = 0;                                    // values present
  double mean = 0.0, sd = 0.0;                  // divisor n - 1
  double skewness = 0.0, excess_kurtosis = 0.0; // moments, divisor n
  double ks = 0.0, ks_p = 0.0;  // Kolmogorov-Smirnov distance; asymptotic p (Stephens)
  std::vector<double> coverage; // share of values under each centile asked for
};
// centiles in (0, 1). Fewer than 3 values: NaN.
[[nodiscard]] Calibration calibration(const Eigen::VectorXd& z,
                                      const std::vector<double>& centiles);

} // namespace boldmill::cohort
