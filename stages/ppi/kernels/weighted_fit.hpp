// Least squares behind contrasts: y = X b + e, columns scaled, rank by pivoted QR. Of each contrast
// c the volume weights w with w'y = c'b, or that the design cannot tell it.
#pragma once

#include <Eigen/Dense>
#include <vector>

namespace boldmill {

class WeightedFit {
public:
  explicit WeightedFit(const Eigen::MatrixXd& design);

  [[nodiscard]] Eigen::Index rank() const { return rank_; }
  [[nodiscard]] Eigen::Index dof() const { return design_.rows() - rank_; }
  // n weights; empty when c is not in the row space of X.
  [[nodiscard]] Eigen::VectorXd weights(const Eigen::VectorXd& contrast) const;
  [[nodiscard]] Eigen::VectorXd residual(const Eigen::VectorXd& y) const;

private:
  Eigen::MatrixXd design_; // columns of norm 1 or 0
  Eigen::VectorXd scale_;  // their norms, 1 where 0
  Eigen::MatrixXd pseudo_inverse_;
  Eigen::Index rank_ = 0;
};

// AR(1) whitening over kept volumes with gaps: row i is (e_i - rho^g e_(i-1)) scaled to the
// innovation variance of neighbours, g the distance to the kept volume before; the first row
// scaled by sqrt(1 - rho^2).
[[nodiscard]] Eigen::MatrixXd ar1_whitening(double rho, const std::vector<Eigen::Index>& kept);

} // namespace boldmill
