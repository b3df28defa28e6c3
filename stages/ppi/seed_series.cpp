#include "stages/ppi/seed_series.hpp"

#include <cmath>
#include <numeric>
#include <vector>

#include "stages/ppi/kernels/kept_rows.hpp"

namespace boldmill::ppi {
namespace {

Eigen::MatrixXd usable_voxels(const Eigen::MatrixXd& voxels) {
  std::vector<Eigen::Index> usable;
  for (Eigen::Index v = 0; v < voxels.cols(); ++v) {
    const auto column = voxels.col(v);
    if (column.allFinite() && column.minCoeff() < column.maxCoeff()) usable.push_back(v);
  }
  if (usable.empty()) {
    throw Error(ErrorKind::input, "seed: none of its " + std::to_string(voxels.cols()) +
                                      " voxels has a finite, varying series");
  }
  return voxels(Eigen::all, usable);
}

} // namespace

Eigen::VectorXd seed_series(const Eigen::MatrixXd& voxels, const Eigen::MatrixXd& confounds,
                            SeedKind kind) {
  Eigen::MatrixXd y = usable_voxels(voxels);
  if (kind == SeedKind::mean && confounds.size() == 0) return y.rowwise().mean();
  std::vector<Eigen::Index> rows(static_cast<std::size_t>(y.rows()));
  std::iota(rows.begin(), rows.end(), Eigen::Index{0});
  Eigen::MatrixXd nuisance = confounds_with_constant(confounds, rows, y.rows(), "seed");
  for (auto column : nuisance.colwise()) {
    if (column.norm() > 0.0) column.normalize();
  }
  y -= nuisance * nuisance.completeOrthogonalDecomposition().solve(y);
  if (kind == SeedKind::mean) return y.rowwise().mean();
  // The smaller of the two cross products has the same singular values.
  const bool tall = y.rows() > y.cols();
  const Eigen::MatrixXd cross =
      tall ? Eigen::MatrixXd(y.transpose() * y) : Eigen::MatrixXd(y * y.transpose());
  const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> eigen(cross);
  const double s = std::max(0.0, eigen.eigenvalues()[cross.rows() - 1]);
  if (!(s > 0.0)) throw Error(ErrorKind::input, "seed: the confounds leave no signal");
  Eigen::VectorXd u, v;
  if (tall) {
    v = eigen.eigenvectors().col(cross.rows() - 1);
    u = y * v / std::sqrt(s);
  } else {
    u = eigen.eigenvectors().col(cross.rows() - 1);
    v = y.transpose() * u / std::sqrt(s);
  }
  const double sign = v.sum() < 0.0 ? -1.0 : 1.0;
  return sign * std::sqrt(s / static_cast<double>(y.cols())) * u;
}

} // namespace boldmill::ppi
