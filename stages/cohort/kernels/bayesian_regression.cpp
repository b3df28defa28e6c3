#include "stages/cohort/kernels/bayesian_regression.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

#include "stages/cohort/kernels/minimise.hpp"

namespace boldmill::cohort {
namespace {

constexpr double kFlat = 1e-4;          // precision of columns without a block
constexpr double kPrecisionWidth = 5.0; // SD of weak normal priors, in the units of theta
constexpr double kVarianceWidth = 2.0;
constexpr double kWarpWidth = 1.0;

Eigen::VectorXd precisions(const RegressionData& data, const Hyper& hyper) {
  Eigen::VectorXd out(data.x.cols());
  for (Eigen::Index c = 0; c < out.size(); ++c) {
    const int block = data.block[static_cast<std::size_t>(c)];
    out[c] = block < 0 ? kFlat : std::exp(hyper.log_precision[block]);
  }
  return out;
}

// What evidence and gradient share.
struct Solved {
  Eigen::VectorXd g, variance, precision, residual;
  Posterior posterior;
};

Solved solve(const RegressionData& data, const Hyper& hyper) {
  Solved out;
  out.g = data.u.unaryExpr([&](double u) { return hyper.warp.forward(u); });
  out.variance = (data.v * hyper.variance).array().exp();
  out.precision = precisions(data, hyper);
  const Eigen::MatrixXd weighted = out.variance.cwiseInverse().asDiagonal() * data.x;
  Eigen::MatrixXd information = data.x.transpose() * weighted;
  information.diagonal() += out.precision;
  const Eigen::LLT<Eigen::MatrixXd> cholesky(information);
  Posterior& posterior = out.posterior;
  posterior.weights = cholesky.solve(weighted.transpose() * out.g);
  const Eigen::MatrixXd inverse =
      cholesky.solve(Eigen::MatrixXd::Identity(information.rows(), information.cols()));
  // Symmetric to the last bit: a file keeps one triangle.
  posterior.covariance = inverse.selfadjointView<Eigen::Lower>();
  out.residual = out.g - data.x * posterior.weights;
  const double n = static_cast<double>(out.g.size());
  const double log_determinant =
      2.0 * cholesky.matrixLLT().diagonal().array().log().sum() - out.precision.array().log().sum();
  // g' D^-1 (g - X m) as a sum of squares, which rounding cannot make negative.
  const double quadratic = (out.residual.array().square() / out.variance.array()).sum() +
                           (out.precision.array() * posterior.weights.array().square()).sum();
  const double b = std::exp(hyper.warp.log_b);
  const Eigen::ArrayXd t = b * data.u.array().asinh() - hyper.warp.a;
  const double jacobian =
      n * hyper.warp.log_b + (t.cosh().log() - 0.5 * (1.0 + data.u.array().square()).log()).sum();
  posterior.log_evidence = -0.5 * (n * std::log(2.0 * std::numbers::pi) +
                                   out.variance.array().log().sum() + log_determinant + quadratic) +
                           jacobian;
  // After a failed factorisation every number is without meaning, however good it looks.
  if (cholesky.info() != Eigen::Success || !std::isfinite(posterior.log_evidence)) {
    posterior.log_evidence = -std::numeric_limits<double>::infinity();
  }
  return out;
}

} // namespace

double Warp::forward(double u) const { return std::sinh(std::exp(log_b) * std::asinh(u) - a); }
double Warp::inverse(double g) const { return std::sinh((std::asinh(g) + a) / std::exp(log_b)); }

Eigen::VectorXd Hyper::packed(bool with_warp) const {
  Eigen::VectorXd out(log_precision.size() + variance.size() + (with_warp ? 2 : 0));
  out.head(log_precision.size()) = log_precision;
  out.segment(log_precision.size(), variance.size()) = variance;
  if (with_warp) out.tail(2) << warp.a, warp.log_b;
  return out;
}

Hyper Hyper::unpacked(const Eigen::VectorXd& theta, Eigen::Index blocks, Eigen::Index r) {
  Hyper out{theta.head(blocks), theta.segment(blocks, r), {}};
  if (theta.size() == blocks + r + 2) out.warp = {theta[blocks + r], theta[blocks + r + 1]};
  return out;
}

Posterior posterior(const RegressionData& data, const Hyper& hyper) {
  return solve(data, hyper).posterior;
}

double objective(const RegressionData& data, const Eigen::VectorXd& theta, Eigen::Index blocks,
                 Eigen::VectorXd& gradient) {
  const Eigen::Index r = data.v.cols();
  const Hyper hyper = Hyper::unpacked(theta, blocks, r);
  const Solved s = solve(data, hyper);
  const Posterior& posterior = s.posterior;
  Eigen::VectorXd slope = Eigen::VectorXd::Zero(theta.size()); // of the log evidence
  for (Eigen::Index c = 0; c < data.x.cols(); ++c) {
    const int block = data.block[static_cast<std::size_t>(c)];
    if (block < 0) continue;
    const double square = posterior.covariance(c, c) + posterior.weights[c] * posterior.weights[c];
    slope[block] += 0.5 * (1.0 - s.precision[c] * square);
  }
  const Eigen::ArrayXd leverage =
      (data.x * posterior.covariance).cwiseProduct(data.x).rowwise().sum();
  const Eigen::ArrayXd excess =
      0.5 * ((s.residual.array().square() + leverage) / s.variance.array() - 1.0);
  slope.segment(blocks, r) = data.v.transpose() * excess.matrix();
  Eigen::VectorXd prior = Eigen::VectorXd::Zero(theta.size());
  prior.head(blocks).setConstant(1.0 / (kPrecisionWidth * kPrecisionWidth));
  prior.segment(blocks + 1, r - 1).setConstant(1.0 / (kVarianceWidth * kVarianceWidth));
  if (theta.size() > blocks + r) {
    const double b = std::exp(hyper.warp.log_b);
    const Eigen::ArrayXd scaled = b * data.u.array().asinh();
    const Eigen::ArrayXd t = scaled - hyper.warp.a;
    const Eigen::ArrayXd pull = -s.residual.array() / s.variance.array() * t.cosh(); // d/dt
    const Eigen::ArrayXd both = pull + t.tanh();
    slope[blocks + r] = -both.sum();
    slope[blocks + r + 1] = static_cast<double>(t.size()) + (both * scaled).sum();
    prior.tail(2).setConstant(1.0 / (kWarpWidth * kWarpWidth));
  }
  gradient = prior.cwiseProduct(theta) - slope;
  return 0.5 * prior.dot(theta.cwiseAbs2()) - posterior.log_evidence;
}

FittedRegression fit_regression(const RegressionData& data, bool with_warp) {
  const int most =
      data.block.empty() ? -1 : *std::max_element(data.block.begin(), data.block.end());
  const auto blocks = static_cast<Eigen::Index>(most + 1);
  Hyper start{Eigen::VectorXd::Zero(blocks), Eigen::VectorXd::Zero(data.v.cols()), {}};
  const auto minimum =
      minimise([&](const Eigen::VectorXd& theta,
                   Eigen::VectorXd& gradient) { return objective(data, theta, blocks, gradient); },
               start.packed(with_warp));
  FittedRegression out{Hyper::unpacked(minimum.at, blocks, data.v.cols()),
                       {},
                       minimum.iterations,
                       minimum.converged};
  out.posterior = posterior(data, out.hyper);
  return out;
}

} // namespace boldmill::cohort
