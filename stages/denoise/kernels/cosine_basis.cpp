#include "stages/denoise/kernels/cosine_basis.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace boldmill {

Eigen::MatrixXd cosine_basis(Eigen::Index n, Eigen::Index first, Eigen::Index last) {
  Eigen::MatrixXd basis(n, std::max<Eigen::Index>(0, last - first + 1));
  const double length = static_cast<double>(n);
  for (Eigen::Index column = 0; column < basis.cols(); ++column) {
    const double k = static_cast<double>(first + column);
    for (Eigen::Index t = 0; t < n; ++t) {
      basis(t, column) = std::sqrt(2.0 / length) *
                         std::cos(std::numbers::pi / length * (static_cast<double>(t) + 0.5) * k);
    }
  }
  return basis;
}

Eigen::Index cosine_order(Eigen::Index n, double tr_s, double frequency_hz) {
  const double order = std::floor(2.0 * static_cast<double>(n) * tr_s * frequency_hz + 1e-9);
  return std::min(n - 1, static_cast<Eigen::Index>(order));
}

} // namespace boldmill
