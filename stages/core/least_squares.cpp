#include "stages/core/least_squares.hpp"

#include <algorithm>
#include <limits>

namespace boldmill {

LeastSquares::LeastSquares(const Eigen::MatrixXd& x) : scale_(x.cols()) {
  for (Eigen::Index c = 0; c < x.cols(); ++c) {
    const double length = x.col(c).norm();
    scale_[c] = length > 0.0 ? 1.0 / length : 1.0;
  }
  Eigen::ColPivHouseholderQR<Eigen::MatrixXd> qr(x * scale_.asDiagonal());
  const Eigen::Index limit = std::min(x.rows(), x.cols());
  Eigen::Index rank = 0;
  while (rank < limit && std::abs(qr.matrixQR()(rank, rank)) > kDependent) ++rank;
  order_ = qr.colsPermutation().indices();
  r_ = Eigen::MatrixXd(qr.matrixQR().topRows(rank).triangularView<Eigen::Upper>());
  basis_ = qr.householderQ() * Eigen::MatrixXd::Identity(x.rows(), rank);
  for (Eigen::Index i = rank; i < x.cols(); ++i) dropped_.push_back(order_[i]);
  std::sort(dropped_.begin(), dropped_.end());
}

Eigen::MatrixXd LeastSquares::projected(const Eigen::MatrixXd& weights) const {
  Eigen::MatrixXd c(weights.rows(), rank());
  for (Eigen::Index i = 0; i < rank(); ++i) c.col(i) = weights.col(order_[i]) * scale_[order_[i]];
  // c R^-1, by solving R' E' = c'.
  const Eigen::MatrixXd square = r_.leftCols(rank());
  return square.transpose().triangularView<Eigen::Lower>().solve(c.transpose()).transpose();
}

bool LeastSquares::estimable(const Eigen::MatrixXd& weights) const {
  const Eigen::MatrixXd e = projected(weights);
  for (Eigen::Index i = rank(); i < r_.cols(); ++i) {
    const Eigen::VectorXd implied = e * r_.col(i);
    const Eigen::VectorXd wanted = weights.col(order_[i]) * scale_[order_[i]];
    const double size = std::max({1e-300, e.cwiseAbs().maxCoeff(), wanted.cwiseAbs().maxCoeff()});
    if ((implied - wanted).cwiseAbs().maxCoeff() > 1e-6 * size) return false;
  }
  return true;
}

double LeastSquares::unscaled_variance(Eigen::Index column) const {
  Eigen::MatrixXd unit = Eigen::MatrixXd::Zero(1, r_.cols());
  unit(0, column) = 1.0;
  if (!estimable(unit)) return std::numeric_limits<double>::infinity();
  return projected(unit).squaredNorm();
}

} // namespace boldmill
