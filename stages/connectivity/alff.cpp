#include "stages/connectivity/alff.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <string>

#include "stages/connectivity/kernels/kept_columns.hpp"
#include "stages/core/parallel.hpp"

namespace boldmill::alff {
namespace {

constexpr std::size_t kColumns = 64;
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

// Frequencies of the bins, and the band [begin, end) among them.
struct Bins {
  std::vector<double> hz;
  std::size_t begin = 0;
  std::size_t end = 0;
};

std::size_t nearest(const std::vector<double>& hz, double wanted) {
  std::size_t best = 0;
  for (std::size_t k = 1; k < hz.size(); ++k) {
    if (std::abs(hz[k] - wanted) < std::abs(hz[best] - wanted)) best = k;
  }
  return best;
}

Bins bins_of(Eigen::Index n_volumes, bool censored, double tr_s, const Params& params) {
  const Eigen::Index half = n_volumes / 2;
  const double length = static_cast<double>(censored ? 2 * half : n_volumes) * tr_s;
  Bins bins;
  for (Eigen::Index k = censored ? 1 : 0; k <= half; ++k) {
    bins.hz.push_back(static_cast<double>(k) / length);
  }
  bins.begin = params.low_hz == 0.0 ? 0 : nearest(bins.hz, params.low_hz);
  bins.end = params.high_hz == 0.0 ? bins.hz.size() - 1 : nearest(bins.hz, params.high_hz);
  if (bins.begin >= bins.end) {
    throw Error(ErrorKind::input,
                "alff: no frequency between low_hz = " + std::to_string(params.low_hz) +
                    " and high_hz = " + std::to_string(params.high_hz) + " for " +
                    std::to_string(n_volumes) + " volumes of " + std::to_string(tr_s) + " s");
  }
  return bins;
}

// Unit cosine and sine of each bin in [begin, end) over the volumes kept, orthogonal by the choice
// of tau: volumes x 2 bins. A component without length (frequency 0, the sine at Nyquist) is 0.
Eigen::MatrixXd basis(const Bins& bins, std::size_t begin, std::size_t end,
                      const std::vector<Eigen::Index>& volumes, double tr_s) {
  const auto n = static_cast<Eigen::Index>(volumes.size());
  Eigen::VectorXd time(n);
  for (Eigen::Index i = 0; i < n; ++i) {
    time(i) = static_cast<double>(volumes[static_cast<std::size_t>(i)]) * tr_s;
  }
  Eigen::MatrixXd out = Eigen::MatrixXd::Zero(n, 2 * static_cast<Eigen::Index>(end - begin));
  for (std::size_t k = begin; k < end; ++k) {
    const double omega = 2 * std::numbers::pi * bins.hz[k];
    const Eigen::ArrayXd twice = 2 * omega * time.array();
    const double tau = 0.5 * std::atan2(twice.sin().sum(), twice.cos().sum());
    const Eigen::ArrayXd phase = omega * time.array() - tau;
    const auto column = 2 * static_cast<Eigen::Index>(k - begin);
    out.col(column) = phase.cos();
    out.col(column + 1) = phase.sin();
    for (Eigen::Index c = column; c < column + 2; ++c) {
      const double length = out.col(c).norm();
      out.col(c) *= length > 1e-6 && omega > 0.0 ? 1.0 / length : 0.0;
    }
  }
  return out;
}

// Standard deviation over all volumes that are not NaN, divisor n.
double spread_of(const float* column, Eigen::Index n) {
  double sum = 0.0, count = 0.0, squares = 0.0;
  for (Eigen::Index t = 0; t < n; ++t) {
    if (std::isnan(column[t])) continue;
    sum += static_cast<double>(column[t]);
    ++count;
  }
  const double mean = sum / count;
  for (Eigen::Index t = 0; t < n; ++t) {
    if (!std::isnan(column[t])) squares += std::pow(static_cast<double>(column[t]) - mean, 2);
  }
  return std::sqrt(squares / count);
}

} // namespace

Outputs run(const Inputs& inputs, const Params& params, const Context& context) {
  if (!(inputs.tr_s > 0.0)) {
    throw Error(ErrorKind::input,
                "alff: found tr_s = " + std::to_string(inputs.tr_s) + ", expected more than 0");
  }
  const Eigen::Index n_volumes = inputs.columns.rows();
  const std::vector<Eigen::Index> volumes =
      connectivity::kept_volumes(inputs.keep, n_volumes, kStage.name, params.min_volumes);
  const auto n = static_cast<Eigen::Index>(volumes.size());
  const Bins bins = bins_of(n_volumes, n != n_volumes, inputs.tr_s, params);
  const std::size_t first_bin = params.fraction ? 0 : bins.begin;
  const std::size_t last_bin = params.fraction ? bins.hz.size() : bins.end;
  const Eigen::MatrixXd waves = basis(bins, first_bin, last_bin, volumes, inputs.tr_s);
  const auto n_columns = static_cast<std::size_t>(inputs.columns.cols());
  Outputs out;
  out.n_volumes = static_cast<int>(n);
  out.n_bins = static_cast<int>(bins.end - bins.begin);
  out.alff.resize(n_columns);
  if (params.fraction) out.falff.resize(n_columns);
  parallel_blocks(context, n_columns, kColumns, [&](std::size_t begin, std::size_t end) {
    const auto first = static_cast<Eigen::Index>(begin);
    Eigen::MatrixXd y(n, static_cast<Eigen::Index>(end - begin));
    Eigen::VectorXd norm;
    connectivity::centered_columns(inputs.columns, volumes, first, y, norm);
    const Eigen::MatrixXd parts = waves.transpose() * y;
    for (std::size_t c = begin; c < end; ++c) {
      const auto local = static_cast<Eigen::Index>(c - begin);
      double band = 0.0, all = 0.0;
      for (std::size_t k = first_bin; k < last_bin; ++k) {
        const auto row = 2 * static_cast<Eigen::Index>(k - first_bin);
        const double amplitude = std::hypot(parts(row, local), parts(row + 1, local)) / norm(local);
        all += amplitude;
        if (k >= bins.begin && k < bins.end) band += amplitude;
      }
      const float* column = inputs.columns.col(static_cast<Eigen::Index>(c)).data();
      double value = 2.0 * band / static_cast<double>(out.n_bins) * spread_of(column, n_volumes);
      if (std::isnan(norm(local))) { // constant, or NaN among the volumes kept
        bool missing = false;
        for (const Eigen::Index t : volumes) missing = missing || std::isnan(column[t]);
        value = missing ? kNaN : 0.0;
      }
      out.alff[c] = static_cast<float>(value);
      if (params.fraction) out.falff[c] = static_cast<float>(band / all);
    }
  });
  return out;
}

std::size_t peak_bytes(const Shape& shape, const Params&) {
  return (shape.n_volumes + 5 * kColumns * shape.n_threads) * shape.n_volumes * sizeof(double) +
         2 * shape.n_columns * sizeof(float);
}

} // namespace boldmill::alff
