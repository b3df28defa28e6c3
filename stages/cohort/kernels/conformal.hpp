// Prediction intervals and sets from out-of-fold residuals (cross-conformal prediction).
#pragma once

#include <Eigen/Dense>
#include <cstdint>
#include <vector>

namespace boldmill::cohort {

// The ceil((1 - alpha)(n + 1))-th smallest of n values, infinity when n is too small for it.
[[nodiscard]] double conformal_quantile(std::vector<double> values, double alpha);

struct Interval {
  Eigen::VectorXd lower, upper;
};
// prediction -+ the quantile of the other rows' |y - prediction|. NaN where prediction is NaN.
[[nodiscard]] Interval conformal_interval(const Eigen::VectorXd& y,
                                          const Eigen::VectorXd& prediction, double alpha);

// Label c enters unless 1 - p(c) exceeds the quantile of the other rows of label c. N x 2.
[[nodiscard]] Eigen::Array<std::uint8_t, Eigen::Dynamic, 2>
conformal_set(const Eigen::VectorXd& y, const Eigen::VectorXd& probability, double alpha);

// The same for a person of a site not seen: every calibrating site counts alike, whatever its size
// (hierarchical conformal prediction: Dunn 2022, doi:10.1080/01621459.2022.2060112; Lee 2024,
// arXiv:2306.06342). Row i's own site never calibrates it. With fewer than 1 / alpha - 1 other
// sites no finite interval exists: infinite bounds, full sets. Rows of site -1 do not calibrate.
[[nodiscard]] Interval conformal_interval_by_site(const Eigen::VectorXd& y,
                                                  const Eigen::VectorXd& prediction,
                                                  const std::vector<int>& site, double alpha);
[[nodiscard]] Eigen::Array<std::uint8_t, Eigen::Dynamic, 2>
conformal_set_by_site(const Eigen::VectorXd& y, const Eigen::VectorXd& probability,
                      const std::vector<int>& site, double alpha);
// Calibrating sites that a coverage of 1 - alpha at a new site needs: 9 for 90 %.
[[nodiscard]] int sites_needed(double alpha);

} // namespace boldmill::cohort
