#include "stages/ppi/neural_deconvolution.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "stages/ppi/kernels/convolution.hpp"
#include "stages/ppi/kernels/kept_rows.hpp"

namespace boldmill::neural_deconvolution {
namespace {

constexpr const char* kWho = "neural_deconvolution";
constexpr int kMinVolumes = 8;
// Limits of the mean signal over noise variance, p trace(G) / (q s), in which reml looks.
constexpr double kLowRatio = 1e-3;
constexpr double kHighRatio = 1e9;

// First `n_columns` discrete cosines of length n, orthonormal.
Eigen::MatrixXd cosines(Eigen::Index n, Eigen::Index n_columns) {
  Eigen::MatrixXd out(n, n_columns);
  const auto length = static_cast<double>(n);
  out.col(0).setConstant(1.0 / std::sqrt(length));
  for (Eigen::Index k = 1; k < n_columns; ++k) {
    for (Eigen::Index i = 0; i < n; ++i) {
      out(i, k) = std::sqrt(2.0 / length) *
                  std::cos(std::numbers::pi * static_cast<double>((2 * i + 1) * k) / (2 * length));
    }
  }
  return out;
}

// Orthonormal basis of what is orthogonal to the columns.
Eigen::MatrixXd complement(const Eigen::MatrixXd& columns) {
  const Eigen::VectorXd norms = columns.colwise().norm();
  Eigen::MatrixXd scaled = columns;
  for (Eigen::Index c = 0; c < columns.cols(); ++c) {
    if (norms[c] > 0.0) scaled.col(c) /= norms[c];
  }
  Eigen::ColPivHouseholderQR<Eigen::MatrixXd> qr(scaled);
  qr.setThreshold(1e-10);
  const Eigen::Index left = columns.rows() - qr.rank();
  if (left < kMinVolumes) {
    throw Error(ErrorKind::input, std::string(kWho) + ": " + std::to_string(columns.rows()) +
                                      " volumes are kept beside " + std::to_string(qr.rank()) +
                                      " confounds, expected " + std::to_string(kMinVolumes) +
                                      " more volumes than confounds");
  }
  Eigen::MatrixXd tail = Eigen::MatrixXd::Zero(columns.rows(), left);
  tail.bottomRows(left).setIdentity();
  return qr.householderQ() * tail;
}

struct Variances {
  double noise = 0.0, prior = 0.0;
  bool at_limit = false;
  double log_likelihood = 0.0;
};

// Restricted log likelihood over the ratio p / s, the noise variance profiled out.
struct Likelihood {
  const Eigen::VectorXd& power; // squared coordinates of the series
  const Eigen::VectorXd& signal;

  [[nodiscard]] double noise(double ratio) const {
    return (power.array() / (1.0 + ratio * signal.array())).mean();
  }
  [[nodiscard]] double operator()(double log_ratio) const {
    const double ratio = std::exp(log_ratio);
    return -0.5 * (static_cast<double>(power.size()) * std::log(noise(ratio)) +
                   (1.0 + ratio * signal.array()).log().sum());
  }
};

// A grid, since the likelihood may have two tops, then the golden section around the best.
Variances reml(const Eigen::VectorXd& power, const Eigen::VectorXd& signal) {
  const Likelihood likelihood{power, signal};
  const double unit = 1.0 / signal.mean();
  const double low = std::log(kLowRatio * unit);
  const double high = std::log(kHighRatio * unit);
  constexpr int kGrid = 120;
  const double step = (high - low) / kGrid;
  int best = 0;
  double top = likelihood(low);
  for (int i = 1; i <= kGrid; ++i) {
    const double value = likelihood(low + i * step);
    if (value > top) {
      top = value;
      best = i;
    }
  }
  double a = low + std::max(0, best - 1) * step;
  double b = low + std::min(kGrid, best + 1) * step;
  const double golden = 0.5 * (std::sqrt(5.0) - 1.0);
  while (b - a > 1e-9) {
    const double left = b - golden * (b - a);
    const double right = a + golden * (b - a);
    if (likelihood(left) >= likelihood(right)) {
      b = right;
    } else {
      a = left;
    }
  }
  const double log_ratio = 0.5 * (a + b);
  const double ratio = std::exp(log_ratio);
  const double noise = likelihood.noise(ratio);
  return {noise, ratio * noise, log_ratio - low < 1e-6 || high - log_ratio < 1e-6,
          likelihood(log_ratio)};
}

Eigen::VectorXd power_law(Eigen::Index n, double exponent) {
  constexpr Eigen::Index kFlatBelow = 4; // waves longer than half the run count as one
  Eigen::VectorXd out(n);
  for (Eigen::Index k = 0; k < n; ++k) {
    out[k] = std::pow(static_cast<double>(std::max(k, kFlatBelow)), -exponent);
  }
  return out / out.mean();
}

Prior prior_of(double exponent, const Eigen::MatrixXd& rest, const Eigen::MatrixXd& convolved) {
  Prior out;
  out.exponent = exponent;
  out.variance = power_law(convolved.cols(), exponent);
  const Eigen::MatrixXd free = rest.transpose() * convolved * out.variance.cwiseSqrt().asDiagonal();
  const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> eigen(free * free.transpose());
  out.signal_variance = eigen.eigenvalues().cwiseMax(0.0);
  out.directions = rest * eigen.eigenvectors();
  return out;
}

void check_design(const DesignInputs& inputs, const Params& params) {
  if (params.sample_bin >= params.bins_per_volume) {
    throw Error(ErrorKind::usage, std::string(kWho) + ": sample_bin: found " +
                                      std::to_string(params.sample_bin) + ", expected below " +
                                      std::to_string(params.bins_per_volume));
  }
  if (inputs.hrf.size() == 0 || !inputs.hrf.allFinite() || inputs.hrf.isZero(0.0)) {
    throw Error(ErrorKind::input,
                std::string(kWho) + ": the haemodynamic response is empty, zero or not finite");
  }
}

} // namespace

Basis prepare(const DesignInputs& inputs, const Params& params, const Context& context) {
  context.check_stop();
  check_design(inputs, params);
  Basis out;
  out.n_volumes = inputs.n_volumes;
  out.kept = kept_rows(inputs.keep, inputs.n_volumes, kWho);
  const Eigen::Index n_bins = Eigen::Index{inputs.n_volumes} * params.bins_per_volume;
  const Eigen::MatrixXd nuisance =
      confounds_with_constant(inputs.confounds, out.kept, inputs.n_volumes, kWho);
  const Eigen::MatrixXd rest = complement(nuisance);
  const Eigen::MatrixXd padded = cosines(n_bins + params.padding_bins, inputs.n_volumes);
  out.convolved =
      convolve_and_sample(padded, inputs.hrf, out.kept,
                          {params.bins_per_volume, params.sample_bin, params.padding_bins});
  out.cosines = padded.bottomRows(n_bins);
  const bool white = params.prior == "white" || params.variances == "spm";
  for (const double exponent :
       white ? std::vector<double>{0.0} : std::vector<double>{0.0, 0.5, 1.0}) {
    context.check_stop();
    out.priors.push_back(prior_of(exponent, rest, out.convolved));
  }
  return out;
}

Outputs run(const Inputs& inputs, const Params& params, const Context& context) {
  context.check_stop();
  const Basis& basis = *inputs.basis;
  if (inputs.series.size() != basis.n_volumes) {
    throw Error(ErrorKind::input, std::string(kWho) + ": the series has " +
                                      std::to_string(inputs.series.size()) + " volumes, expected " +
                                      std::to_string(basis.n_volumes));
  }
  const Eigen::VectorXd kept = inputs.series(basis.kept);
  // What rounding alone leaves of a constant or fully regressed series.
  const Eigen::VectorXd left = basis.priors[0].directions.transpose() * kept;
  if (!kept.allFinite() || left.norm() <= 1e-12 * kept.norm()) {
    throw Error(ErrorKind::input,
                std::string(kWho) + ": the series is constant or not finite over the volumes kept");
  }
  Variances v;
  const Prior* prior = nullptr;
  for (const Prior& candidate : basis.priors) {
    Variances found;
    if (params.variances == "reml") {
      const Eigen::VectorXd z = candidate.directions.transpose() * kept;
      found = reml(z.cwiseAbs2(), candidate.signal_variance);
    } else {
      found.noise = 0.25;
      found.prior = static_cast<double>(basis.convolved.cols()) / basis.convolved.squaredNorm();
    }
    if (prior != nullptr && found.log_likelihood <= v.log_likelihood) continue;
    v = found;
    prior = &candidate;
  }
  const Eigen::VectorXd z = prior->directions.transpose() * kept;
  const Eigen::VectorXd weighted =
      v.prior * z.array() / (v.noise + v.prior * prior->signal_variance.array());
  const Eigen::VectorXd coefficients =
      prior->variance.cwiseProduct(basis.convolved.transpose() * (prior->directions * weighted));
  Outputs out;
  out.neural = basis.cosines * coefficients;
  out.neural.array() -= out.neural.mean();
  out.noise_variance = v.noise;
  out.prior_variance = v.prior;
  out.prior_exponent = prior->exponent;
  out.at_limit = v.at_limit;
  return out;
}

std::size_t peak_bytes(const Shape& shape, const Params& params) {
  const std::size_t bins =
      shape.n_volumes * shape.bins_per_volume + static_cast<std::size_t>(params.padding_bins);
  const std::size_t n = shape.n_volumes;
  return (2 * bins * n + 14 * n * n + 2 * n * (shape.n_confounds + 1)) * sizeof(double) + 65536;
}

} // namespace boldmill::neural_deconvolution
