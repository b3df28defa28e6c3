// Tables without clusters that look like a given one.
#pragma once

#include <Eigen/Dense>
#include <cstdint>

namespace boldmill::cohort {

// Rows of a normal distribution with the mean and covariance (divisor n - 1) of a complete table.
class NormalNull {
public:
  explicit NormalNull(const Eigen::MatrixXd& x);
  [[nodiscard]] Eigen::MatrixXd draw(std::uint64_t seed) const;

private:
  Eigen::Index n_;
  Eigen::RowVectorXd mean_;
  Eigen::MatrixXd factor_; // rank x p: rows of standard normals times this have the covariance
};

// Every column permuted on its own: margins kept, correlations of columns destroyed.
[[nodiscard]] Eigen::MatrixXd permuted_columns(const Eigen::MatrixXd& x, std::uint64_t seed);

} // namespace boldmill::cohort
