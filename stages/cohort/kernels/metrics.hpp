// Agreement of predictions with outcomes. Rows where either is NaN are ignored; NaN when undefined.
#pragma once

#include <Eigen/Dense>
#include <vector>

namespace boldmill::cohort {

[[nodiscard]] double correlation(const Eigen::VectorXd& y, const Eigen::VectorXd& prediction);
// 1 - sum (y - p)^2 / sum (y - base)^2; base: what the training mean would have predicted.
[[nodiscard]] double r_squared(const Eigen::VectorXd& y, const Eigen::VectorXd& prediction,
                               const Eigen::VectorXd& base);
[[nodiscard]] double mean_absolute_error(const Eigen::VectorXd& y,
                                         const Eigen::VectorXd& prediction);
// y in {0, 1}, ties count half (Mann-Whitney).
[[nodiscard]] double auc(const Eigen::VectorXd& y, const Eigen::VectorXd& score);
// Mean of sensitivity and specificity at probability >= threshold.
[[nodiscard]] double balanced_accuracy(const Eigen::VectorXd& y, const Eigen::VectorXd& probability,
                                       double threshold = 0.5);
[[nodiscard]] double brier(const Eigen::VectorXd& y, const Eigen::VectorXd& probability);

} // namespace boldmill::cohort
