// Least squares on a design that may lack rank: columns scaled to length 1, column-pivoted QR. What
// other columns explain is dropped (later pivots first), and contrasts of it are not estimable.
#pragma once

#include <Eigen/Dense>
#include <cstdint>
#include <span>
#include <vector>

namespace boldmill {

inline constexpr double kDependent = 1e-7; // of a column's length

[[nodiscard]] inline Eigen::MatrixXd kept_rows(const Eigen::MatrixXd& x,
                                               std::span<const std::uint8_t> keep) {
  if (keep.empty()) return x;
  Eigen::MatrixXd out(x.rows(), x.cols());
  Eigen::Index n = 0;
  for (Eigen::Index t = 0; t < x.rows(); ++t) {
    if (keep[static_cast<std::size_t>(t)] != 0) out.row(n++) = x.row(t);
  }
  out.conservativeResize(n, Eigen::NoChange);
  return out;
}

class LeastSquares {
public:
  explicit LeastSquares(const Eigen::MatrixXd& x);

  [[nodiscard]] Eigen::Index rank() const { return basis_.cols(); }
  [[nodiscard]] const Eigen::MatrixXd& basis() const { return basis_; } // n x rank, orthonormal
  [[nodiscard]] const std::vector<Eigen::Index>& dropped() const { return dropped_; } // ascending
  // Whether every row of `weights` lies in the row space of x.
  [[nodiscard]] bool estimable(const Eigen::MatrixXd& weights) const;
  // E with weights * b = E * (basis' y); its rows' squared length is c (X'X)^-1 c'.
  [[nodiscard]] Eigen::MatrixXd projected(const Eigen::MatrixXd& weights) const;
  // (X'X)^-1 at (column, column); infinite when the column is explained by others.
  [[nodiscard]] double unscaled_variance(Eigen::Index column) const;

private:
  Eigen::VectorXd scale_; // of each column of x
  Eigen::VectorXi order_; // pivots
  Eigen::MatrixXd r_;     // rank x columns, upper trapezoid, of the scaled and permuted x
  Eigen::MatrixXd basis_;
  std::vector<Eigen::Index> dropped_;
};

} // namespace boldmill
