#include "stages/cohort/kernels/null_tables.hpp"

#include <vector>

#include "stages/core/random.hpp"

namespace boldmill::cohort {

NormalNull::NormalNull(const Eigen::MatrixXd& x) : n_(x.rows()), mean_(x.colwise().mean()) {
  const Eigen::MatrixXd centred = x.rowwise() - mean_;
  const Eigen::MatrixXd covariance =
      centred.transpose() * centred / static_cast<double>(x.rows() - 1);
  const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> eigen(covariance);
  const Eigen::VectorXd& values = eigen.eigenvalues();
  // Fewer people than columns: directions without variance are left out.
  const double floor = 1e-12 * values.maxCoeff();
  const Eigen::Index rank = (values.array() > floor).count();
  factor_ =
      values.tail(rank).cwiseSqrt().asDiagonal() * eigen.eigenvectors().rightCols(rank).transpose();
}

Eigen::MatrixXd NormalNull::draw(std::uint64_t seed) const {
  Random random(seed);
  Eigen::MatrixXd normal(n_, factor_.rows());
  for (double& value : normal.reshaped()) value = random.normal();
  Eigen::MatrixXd out = normal * factor_;
  out.rowwise() += mean_;
  return out;
}

Eigen::MatrixXd permuted_columns(const Eigen::MatrixXd& x, std::uint64_t seed) {
  Random random(seed);
  Eigen::MatrixXd out = x;
  for (Eigen::Index c = 0; c < x.cols(); ++c) {
    for (Eigen::Index i = x.rows() - 1; i > 0; --i) {
      const auto j = static_cast<Eigen::Index>(random.below(static_cast<std::uint64_t>(i) + 1));
      std::swap(out(i, c), out(j, c));
    }
  }
  return out;
}

} // namespace boldmill::cohort
