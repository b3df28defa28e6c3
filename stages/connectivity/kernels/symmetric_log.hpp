// Logarithm of a symmetric positive definite matrix without its eigenvectors:
//   W = Q T Q'              Householder tridiagonalisation in panels
//   log W = Q (log T) Q'    both sides at once, in panels
// and log T from its integral by Gauss-Legendre nodes s_j with weights w_j, after scaling so that
// the eigenvalues lie symmetrically about 1:
//   log T = sum_j w_j / s_j (I - (I + s_j (T - I))^-1)
// The inverse of a tridiagonal matrix costs n^2 / 2. The number of nodes follows from the extreme
// eigenvalues: the error of m nodes falls as rho^2m, rho = (c - 1) / (c + 1), c = kappa^(1/4).
// Sources: Golub & Van Loan 2013, section 8.3; Higham 2008, doi:10.1137/1.9780898717778,
// chapter 11.
#pragma once

#include <Eigen/Dense>
#include <vector>

namespace boldmill::connectivity {

// Keeps its buffers: one object per thread. Scalar: float or double.
template <class Scalar>
class SymmetricLog {
public:
  using Matrix = Eigen::Matrix<Scalar, Eigen::Dynamic, Eigen::Dynamic>;
  using Vector = Eigen::Matrix<Scalar, Eigen::Dynamic, 1>;

  // Replaces the lower triangle of `w` by that of log w; the upper one is neither read nor kept.
  // False when w is not positive definite, not finite, or its largest eigenvalue is more than
  // max_condition times the smallest (then `w` is unspecified). The error is about the machine
  // precision times that ratio.
  [[nodiscard]] bool in_place(Matrix& w, double max_condition = 1e14);

private:
  void tridiagonalize(Matrix& w);
  void reduce_panel(Matrix& w, Eigen::Index start, Eigen::Index width);
  [[nodiscard]] bool log_of_tridiagonal(Matrix& w, double max_condition);
  void add_node(Matrix& sum, double node, double weight, double scale);
  void rotate_back(Matrix& w);

  Matrix reflectors_; // column k: reflector k, zero above row k + 1, one at row k + 1
  Matrix panel_w_, left_, right_, block_t_;
  Vector tau_, diagonal_, off_diagonal_, column_, row_;
  Vector forward_, backward_;
};

extern template class SymmetricLog<float>;
extern template class SymmetricLog<double>;

} // namespace boldmill::connectivity
