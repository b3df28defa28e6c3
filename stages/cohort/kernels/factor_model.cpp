#include "stages/cohort/kernels/factor_model.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

namespace boldmill::cohort {
namespace {

constexpr int kPasses = 1000;
constexpr double kGain = 1e-8;
constexpr double kLeastNoise = 0.005;

} // namespace

Eigen::MatrixXd FactorModel::scores(const Eigen::MatrixXd& x) const {
  const Eigen::MatrixXd weighted = noise.cwiseInverse().asDiagonal() * loadings; // p x q
  const Eigen::MatrixXd precision =
      Eigen::MatrixXd::Identity(loadings.cols(), loadings.cols()) + loadings.transpose() * weighted;
  const Eigen::MatrixXd centred = x.rowwise() - mean;
  return precision.llt().solve((centred * weighted).transpose()).transpose();
}

Eigen::VectorXd FactorModel::log_density(const Eigen::MatrixXd& x,
                                         const Eigen::RowVectorXd& centre) const {
  Eigen::MatrixXd covariance = loadings * loadings.transpose();
  covariance.diagonal() += noise;
  const Eigen::LLT<Eigen::MatrixXd> cholesky(covariance);
  const Eigen::MatrixXd centred = x.rowwise() - (centre.size() > 0 ? centre : mean);
  const Eigen::MatrixXd white = cholesky.matrixL().solve(centred.transpose());
  const double log_determinant =
      2.0 * cholesky.matrixLLT().diagonal().array().log().sum(); // of the lower triangle
  const double constant =
      log_determinant + static_cast<double>(x.cols()) * std::log(2.0 * std::numbers::pi);
  return -0.5 * (white.colwise().squaredNorm().transpose().array() + constant);
}

FactorModel fit_factors(const Eigen::MatrixXd& x, int q) {
  const Eigen::Index p = x.cols();
  FactorModel out{x.colwise().mean(), Eigen::MatrixXd::Zero(p, q), {}};
  const Eigen::MatrixXd centred = x.rowwise() - out.mean;
  const Eigen::MatrixXd covariance = centred.transpose() * centred / static_cast<double>(x.rows());
  const Eigen::VectorXd variance =
      covariance.diagonal().cwiseMax(std::numeric_limits<double>::min());
  out.noise = variance;
  if (q == 0) return out;
  double before = -std::numeric_limits<double>::infinity();
  for (out.converged = false; !out.converged && out.iterations < kPasses; ++out.iterations) {
    const Eigen::VectorXd root = out.noise.cwiseSqrt();
    const Eigen::VectorXd inverse = root.cwiseInverse();
    const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> eigen(inverse.asDiagonal() * covariance *
                                                               inverse.asDiagonal());
    const Eigen::VectorXd largest = eigen.eigenvalues().tail(q).reverse();
    const Eigen::MatrixXd vectors = eigen.eigenvectors().rightCols(q).rowwise().reverse();
    const Eigen::VectorXd excess = (largest.array() - 1.0).max(0.0).sqrt();
    out.loadings = root.asDiagonal() * vectors * excess.asDiagonal();
    // -2 / n of the likelihood with these loadings, but for a constant.
    double minus_two = out.noise.array().log().sum() + eigen.eigenvalues().head(p - q).sum();
    for (const double value : largest) minus_two += value > 1.0 ? std::log(value) + 1.0 : value;
    const double now = -0.5 * minus_two;
    out.converged = now - before < kGain;
    before = now;
    if (out.converged) break;
    out.noise = (variance - out.loadings.rowwise().squaredNorm()).cwiseMax(kLeastNoise * variance);
  }
  for (Eigen::Index f = 0; f < q; ++f) {
    if (out.loadings.col(f).sum() < 0.0) out.loadings.col(f) *= -1.0;
  }
  return out;
}

} // namespace boldmill::cohort
