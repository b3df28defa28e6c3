#include "stages/connectivity/kernels/shrinkage.hpp"

#include <algorithm>

#include "stages/core/parallel.hpp"

namespace boldmill::connectivity {
namespace {

constexpr Eigen::Index kTile = 128;

} // namespace

Eigen::MatrixXd gram(const Eigen::MatrixXd& x, const Context& context) {
  const Eigen::Index n = x.cols();
  Eigen::MatrixXd out(n, n);
  const Eigen::Index tiles = (n + kTile - 1) / kTile;
  parallel_blocks(context, static_cast<std::size_t>(tiles * tiles), 1,
                  [&](std::size_t begin, std::size_t) {
                    const auto i = static_cast<Eigen::Index>(begin) / tiles * kTile;
                    const auto j = static_cast<Eigen::Index>(begin) % tiles * kTile;
                    if (i < j) return;
                    const Eigen::Index rows = std::min(kTile, n - i);
                    const Eigen::Index cols = std::min(kTile, n - j);
                    out.block(i, j, rows, cols).noalias() =
                        x.middleCols(i, rows).transpose() * x.middleCols(j, cols);
                    if (i != j) {
                      out.block(j, i, cols, rows) = out.block(i, j, rows, cols).transpose();
                    } else {
                      auto tile = out.block(i, i, rows, rows);
                      tile.triangularView<Eigen::StrictlyUpper>() = tile.transpose();
                    }
                  });
  return out;
}

Eigen::MatrixXd cross(const Eigen::MatrixXd& x, const Eigen::MatrixXd& y, const Context& context) {
  Eigen::MatrixXd out(x.cols(), y.cols());
  const Eigen::Index rows = (x.cols() + kTile - 1) / kTile;
  const Eigen::Index cols = (y.cols() + kTile - 1) / kTile;
  parallel_blocks(
      context, static_cast<std::size_t>(rows * cols), 1, [&](std::size_t begin, std::size_t) {
        const auto i = static_cast<Eigen::Index>(begin) / cols * kTile;
        const auto j = static_cast<Eigen::Index>(begin) % cols * kTile;
        const Eigen::Index m = std::min(kTile, x.cols() - i);
        const Eigen::Index n = std::min(kTile, y.cols() - j);
        out.block(i, j, m, n).noalias() = x.middleCols(i, m).transpose() * y.middleCols(j, n);
      });
  return out;
}

// With X2 = x o x: the sum over X2'X2 is that of the squared row norms, and x'x and xx' have the
// same Frobenius norm. So the shrinkage needs the smaller of the two Gram matrices only.
Shrinkage ledoit_wolf(const Eigen::MatrixXd& x, const Context& context) {
  const auto n = static_cast<double>(x.rows());
  const auto p = static_cast<double>(x.cols());
  Shrinkage out;
  const double mu = x.squaredNorm() / n / p;
  if (x.cols() > 1) {
    const Eigen::MatrixXd smaller =
        x.rows() < x.cols() ? gram(x.transpose(), context) : gram(x, context);
    const double squared = smaller.squaredNorm() / (n * n);
    const double fourth = x.rowwise().squaredNorm().squaredNorm();
    const double delta = (squared - p * mu * mu) / p;
    const double beta = std::min((fourth / n - squared) / (p * n), delta);
    out.shrinkage = beta == 0.0 ? 0.0 : beta / delta;
  }
  out.scale = (1.0 - out.shrinkage) / n;
  out.ridge = out.shrinkage * mu;
  return out;
}

bool invert_definite(const Eigen::MatrixXd& matrix, Eigen::MatrixXd& out) {
  const Eigen::VectorXd scale = matrix.diagonal().cwiseSqrt().cwiseInverse();
  const Eigen::LLT<Eigen::MatrixXd> factor(scale.asDiagonal() * matrix * scale.asDiagonal());
  if (factor.info() != Eigen::Success) return false;
  const double smallest = factor.matrixLLT().diagonal().minCoeff();
  if (!(smallest * smallest > 1e-12)) return false;
  out.setIdentity(matrix.rows(), matrix.cols());
  factor.matrixL().solveInPlace(out);
  out = (scale.asDiagonal() * (out.transpose() * out) * scale.asDiagonal()).eval();
  return true;
}

} // namespace boldmill::connectivity
