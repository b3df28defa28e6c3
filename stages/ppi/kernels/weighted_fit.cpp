#include "stages/ppi/kernels/weighted_fit.hpp"

#include <cmath>

namespace boldmill {

WeightedFit::WeightedFit(const Eigen::MatrixXd& design)
    : design_(design), scale_(design.colwise().norm().transpose()) {
  for (Eigen::Index c = 0; c < design_.cols(); ++c) {
    if (!(scale_[c] > 0.0)) scale_[c] = 1.0;
    design_.col(c) /= scale_[c];
  }
  Eigen::CompleteOrthogonalDecomposition<Eigen::MatrixXd> decomposition;
  decomposition.setThreshold(1e-9);
  decomposition.compute(design_);
  rank_ = decomposition.rank();
  pseudo_inverse_ = decomposition.pseudoInverse();
}

Eigen::VectorXd WeightedFit::weights(const Eigen::VectorXd& contrast) const {
  const Eigen::VectorXd c = contrast.array() / scale_.array();
  const Eigen::VectorXd w = pseudo_inverse_.transpose() * c;
  if (!((design_.transpose() * w - c).norm() <= 1e-6 * c.norm())) return {};
  return w;
}

Eigen::VectorXd WeightedFit::residual(const Eigen::VectorXd& y) const {
  return y - design_ * (pseudo_inverse_ * y);
}

Eigen::MatrixXd ar1_whitening(double rho, const std::vector<Eigen::Index>& kept) {
  const auto n = static_cast<Eigen::Index>(kept.size());
  Eigen::MatrixXd out = Eigen::MatrixXd::Zero(n, n);
  const double stationary = std::sqrt(1.0 - rho * rho);
  for (Eigen::Index i = 0; i < n; ++i) {
    if (i == 0) {
      out(0, 0) = stationary;
      continue;
    }
    const auto gap = static_cast<double>(kept[static_cast<std::size_t>(i)] -
                                         kept[static_cast<std::size_t>(i) - 1]);
    const double carry = std::pow(rho, gap);
    const double scale = stationary / std::sqrt(1.0 - carry * carry);
    out(i, i) = scale;
    out(i, i - 1) = -scale * carry;
  }
  return out;
}

} // namespace boldmill
