#include "stages/cohort/kernels/regression.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "stages/cohort/kernels/distributions.hpp"
#include "stages/core/least_squares.hpp"

namespace boldmill::cohort {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

std::vector<Eigen::Index> kept_columns(const LeastSquares& solver, Eigen::Index n_columns) {
  std::vector<Eigen::Index> kept;
  for (Eigen::Index c = 0; c < n_columns; ++c) {
    const auto& dropped = solver.dropped();
    if (!std::binary_search(dropped.begin(), dropped.end(), c)) kept.push_back(c);
  }
  return kept;
}

} // namespace

double LinearFit::t(Eigen::Index column) const {
  return beta[column] / std::sqrt(covariance(column, column));
}
double LinearFit::p_value(Eigen::Index column) const {
  return t_two_sided(t(column), degrees_of_freedom);
}

LinearFit linear_fit(const Eigen::MatrixXd& x, const Eigen::VectorXd& y,
                     const Eigen::VectorXd& weights, Errors errors) {
  Eigen::MatrixXd a = x;
  Eigen::VectorXd b = y;
  if (weights.size() > 0) {
    const Eigen::VectorXd root = weights.cwiseSqrt();
    a = root.asDiagonal() * x;
    b = root.cwiseProduct(y);
  }
  const LeastSquares solver(a);
  const auto kept = kept_columns(solver, x.cols());
  const Eigen::MatrixXd own = a(Eigen::all, kept);
  // Inverse and coefficients from the orthonormal basis: own = basis * s.
  const Eigen::MatrixXd s = solver.basis().transpose() * own;
  const Eigen::MatrixXd inverse = s.partialPivLu().inverse();
  const Eigen::VectorXd beta = inverse * (solver.basis().transpose() * b);
  const Eigen::VectorXd residual = b - own * beta;
  LinearFit fit;
  fit.degrees_of_freedom = static_cast<double>(x.rows() - solver.rank());
  fit.residual_sd = fit.degrees_of_freedom > 0.0
                        ? std::sqrt(residual.squaredNorm() / fit.degrees_of_freedom)
                        : kNaN;
  Eigen::MatrixXd covariance = inverse * inverse.transpose();
  if (errors == Errors::classical) {
    covariance *= fit.residual_sd * fit.residual_sd;
  } else {
    const Eigen::VectorXd leverage = solver.basis().rowwise().squaredNorm();
    const Eigen::VectorXd scaled =
        (residual.array() / (1.0 - leverage.array()).max(1e-12)).matrix();
    const Eigen::MatrixXd half = covariance * own.transpose() * scaled.asDiagonal();
    covariance = half * half.transpose();
  }
  fit.beta = Eigen::VectorXd::Constant(x.cols(), kNaN);
  fit.covariance = Eigen::MatrixXd::Constant(x.cols(), x.cols(), kNaN);
  fit.beta(kept) = beta;
  fit.covariance(kept, kept) = covariance;
  return fit;
}

WaldTest wald_test(const LinearFit& fit, const std::vector<Eigen::Index>& columns) {
  std::vector<Eigen::Index> tested;
  for (const Eigen::Index c : columns) {
    if (!std::isnan(fit.beta[c])) tested.push_back(c);
  }
  WaldTest out{kNaN, static_cast<double>(tested.size()), fit.degrees_of_freedom, kNaN};
  if (tested.empty() || !(fit.degrees_of_freedom > 0.0)) return out;
  const Eigen::VectorXd beta = fit.beta(tested);
  const Eigen::MatrixXd covariance = fit.covariance(tested, tested);
  out.f = beta.dot(covariance.ldlt().solve(beta)) / out.df1;
  out.p_value = f_tail(out.f, out.df1, out.df2);
  return out;
}

Eigen::VectorXd logistic_probability(const Eigen::MatrixXd& x, const Eigen::VectorXd& beta) {
  return (1.0 + (-(x * beta)).array().exp()).inverse();
}

LogisticFit logistic_fit(const Eigen::MatrixXd& x, const Eigen::VectorXd& y) {
  LogisticFit fit;
  fit.beta = Eigen::VectorXd::Zero(x.cols());
  for (int step = 0; step < 50; ++step) {
    const Eigen::VectorXd p = logistic_probability(x, fit.beta);
    const Eigen::VectorXd weight = (p.array() * (1.0 - p.array())).max(1e-12);
    const Eigen::MatrixXd information = x.transpose() * weight.asDiagonal() * x;
    const Eigen::LDLT<Eigen::MatrixXd> solver(information);
    if (solver.info() != Eigen::Success || solver.rcond() < 1e-13) return fit;
    Eigen::VectorXd change = solver.solve(x.transpose() * (y - p));
    const double largest = (x * change).cwiseAbs().maxCoeff();
    if (largest > 5.0) change *= 5.0 / largest; // of the linear predictor
    fit.beta += change;
    fit.covariance = solver.solve(Eigen::MatrixXd::Identity(x.cols(), x.cols()));
    if ((x * fit.beta).cwiseAbs().maxCoeff() > 30.0) return fit; // separated
    if (largest < 1e-10) {
      fit.converged = true;
      return fit;
    }
  }
  return fit;
}

RidgeFit ridge_fit(const Eigen::MatrixXd& x, const Eigen::VectorXd& y,
                   const std::vector<double>& lambdas) {
  const auto n = static_cast<double>(y.size());
  RidgeFit best;
  const Eigen::RowVectorXd mean_x = x.colwise().mean();
  const double mean_y = y.mean();
  const Eigen::VectorXd centred_y = y.array() - mean_y;
  best.beta = Eigen::VectorXd::Zero(x.cols());
  best.intercept = mean_y;
  best.loo = centred_y / std::max(1e-12, 1.0 - 1.0 / n);
  if (x.cols() == 0 || lambdas.empty()) return best;
  const Eigen::BDCSVD<Eigen::MatrixXd> svd(x.rowwise() - mean_x,
                                           Eigen::ComputeThinU | Eigen::ComputeThinV);
  const Eigen::VectorXd d = svd.singularValues();
  const Eigen::VectorXd uy = svd.matrixU().transpose() * centred_y;
  const Eigen::MatrixXd u2 = svd.matrixU().cwiseAbs2();
  std::vector<double> sorted = lambdas;
  std::sort(sorted.rbegin(), sorted.rend());
  double least = std::numeric_limits<double>::infinity();
  for (const double lambda : sorted) {
    const Eigen::VectorXd shrink = d.array().square() / (d.array().square() + lambda);
    const Eigen::VectorXd leverage = (u2 * shrink).array() + 1.0 / n;
    const Eigen::VectorXd residual = centred_y - svd.matrixU() * shrink.cwiseProduct(uy);
    const Eigen::VectorXd loo = residual.array() / (1.0 - leverage.array()).max(1e-12);
    if (loo.squaredNorm() >= least) continue;
    least = loo.squaredNorm();
    best.lambda = lambda;
    best.loo = loo;
    best.beta = svd.matrixV() * (d.array() / (d.array().square() + lambda) * uy.array()).matrix();
  }
  best.intercept = mean_y - mean_x.dot(best.beta);
  return best;
}

} // namespace boldmill::cohort
