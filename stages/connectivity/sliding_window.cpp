#include "stages/connectivity/sliding_window.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "stages/connectivity/kernels/selected_series.hpp"
#include "stages/core/parallel.hpp"
#include "stages/core/random.hpp"

namespace boldmill::sliding_window {
namespace {

using Eigen::Index;
using Eigen::MatrixXd;

constexpr Index kTile = 64;
constexpr std::size_t kWindows = 16; // computed together, which bounds the memory

struct Spread {
  MatrixXd mean, sd; // R x R, lower triangle
};

// The window's columns with weighted mean zero and unit weighted length; NaN where constant.
void prepare(const MatrixXd& x, Index first, const Eigen::VectorXd& weights, MatrixXd& out) {
  out = x.middleRows(first, weights.size());
  const Eigen::VectorXd root = weights.cwiseSqrt();
  for (Index r = 0; r < out.cols(); ++r) {
    auto column = out.col(r);
    const double largest = column.cwiseAbs().maxCoeff();
    column.array() -= weights.dot(column);
    column.array() *= root.array();
    const double norm = column.norm();
    column *= norm > 1e-10 * largest ? 1.0 / norm : std::numeric_limits<double>::quiet_NaN();
  }
}

Spread spread_over_windows(const MatrixXd& x, Index n_windows, const Params& params,
                           const Context& context) {
  const Eigen::VectorXd weights = taper_weights(params);
  const Index n = x.cols();
  const Index tiles = (n + kTile - 1) / kTile;
  Spread out{MatrixXd::Zero(n, n), MatrixXd::Zero(n, n)}; // sums of z and z^2 about the first z
  MatrixXd origin(n, n);
  std::vector<MatrixXd> windows(kWindows);
  for (Index begin = 0; begin < n_windows; begin += static_cast<Index>(kWindows)) {
    const Index count = std::min(static_cast<Index>(kWindows), n_windows - begin);
    parallel_blocks(context, static_cast<std::size_t>(count), 1, [&](std::size_t i, std::size_t) {
      prepare(x, (begin + static_cast<Index>(i)) * params.step, weights, windows[i]);
    });
    parallel_blocks(context, static_cast<std::size_t>(tiles * tiles), 1,
                    [&](std::size_t tile, std::size_t) {
                      const Index a = static_cast<Index>(tile) / tiles * kTile;
                      const Index b = static_cast<Index>(tile) % tiles * kTile;
                      if (a < b) return;
                      const Index rows = std::min(kTile, n - a);
                      const Index cols = std::min(kTile, n - b);
                      MatrixXd z(rows, cols);
                      for (Index i = 0; i < count; ++i) {
                        const MatrixXd& w = windows[static_cast<std::size_t>(i)];
                        z.noalias() = w.middleCols(a, rows).transpose() * w.middleCols(b, cols);
                        // Identical regions: |r| = 1 stays finite.
                        z = z.unaryExpr([](double r) {
                               return std::atanh(std::clamp(r, -1.0 + 1e-15, 1.0 - 1e-15));
                             }).eval();
                        if (begin + i == 0) origin.block(a, b, rows, cols) = z;
                        z -= origin.block(a, b, rows, cols);
                        out.mean.block(a, b, rows, cols) += z;
                        out.sd.block(a, b, rows, cols) += z.cwiseAbs2();
                      }
                    });
  }
  const auto m = static_cast<double>(n_windows);
  out.sd = ((out.sd - out.mean.cwiseAbs2() / m) / (m - 1.0)).cwiseMax(0.0).cwiseSqrt().eval();
  out.mean = (origin + out.mean / m).eval();
  return out;
}

double mean_of_triangle(const MatrixXd& m) {
  double sum = 0.0;
  double count = 0.0;
  for (Index b = 0; b < m.cols(); ++b) {
    for (Index a = b + 1; a < m.rows(); ++a) {
      if (std::isnan(m(a, b))) continue;
      sum += m(a, b);
      ++count;
    }
  }
  return sum / count;
}

// Orthonormal waves of all frequencies that have a phase: not the mean, nor Nyquist for even n.
struct Fourier {
  MatrixXd cosine, sine; // n x bins
  explicit Fourier(Index n) {
    const Index bins = (n - 1) / 2;
    cosine.resize(n, bins);
    sine.resize(n, bins);
    for (Index k = 0; k < bins; ++k) {
      for (Index t = 0; t < n; ++t) {
        const double angle =
            2 * std::numbers::pi * static_cast<double>((k + 1) * t % n) / static_cast<double>(n);
        cosine(t, k) = std::cos(angle) * std::sqrt(2.0 / static_cast<double>(n));
        sine(t, k) = std::sin(angle) * std::sqrt(2.0 / static_cast<double>(n));
      }
    }
  }
};

// One set of random phases added in all columns: the cross-spectra, hence the static correlations,
// stay. `c`, `s`: coefficients, bins x R.
MatrixXd surrogate(const Fourier& fourier, const MatrixXd& c, const MatrixXd& s, Random& random) {
  MatrixXd real = c;
  MatrixXd imaginary = s;
  for (Index k = 0; k < c.rows(); ++k) {
    const double phase = random.uniform(0.0, 2 * std::numbers::pi);
    real.row(k) = std::cos(phase) * c.row(k) - std::sin(phase) * s.row(k);
    imaginary.row(k) = std::sin(phase) * c.row(k) + std::cos(phase) * s.row(k);
  }
  return fourier.cosine * real + fourier.sine * imaginary;
}

void add_null(const MatrixXd& x, Index n_windows, const Params& params, const Context& context,
              Outputs& out) {
  if (params.n_surrogates == 0) return;
  const Fourier fourier(x.rows());
  const MatrixXd c = fourier.cosine.transpose() * x;
  const MatrixXd s = fourier.sine.transpose() * x;
  const MatrixXd rest = x - fourier.cosine * c - fourier.sine * s; // what has no phase
  int as_large = 0;
  for (int i = 0; i < params.n_surrogates; ++i) {
    Random random(stream_seed(static_cast<std::uint64_t>(params.random_seed), "sliding_window",
                              std::to_string(i)));
    const MatrixXd y = surrogate(fourier, c, s, random) + rest;
    const Spread spread = spread_over_windows(y, n_windows, params, context);
    out.null_mean_sd.push_back(mean_of_triangle(spread.sd));
    as_large += out.null_mean_sd.back() >= out.mean_sd;
  }
  out.p_value = (1.0 + as_large) / (1.0 + params.n_surrogates);
}

} // namespace

Eigen::VectorXd taper_weights(const Params& params) {
  const Index n = params.window;
  Eigen::VectorXd w = Eigen::VectorXd::Ones(n);
  if (params.taper == "hamming") {
    for (Index i = 0; i < n; ++i) {
      w(i) = 0.54 - 0.46 * std::cos(2 * std::numbers::pi * static_cast<double>(i) /
                                    static_cast<double>(n - 1));
    }
  } else if (params.taper == "gaussian") {
    for (Index i = 0; i < n; ++i) {
      w(i) = 0.0;
      for (Index j = 0; j < n; ++j) {
        const double d = static_cast<double>(i - j) / params.taper_sd;
        w(i) += std::exp(-0.5 * d * d);
      }
    }
  }
  return w / w.sum();
}

Outputs run(const Inputs& inputs, const Params& params, const Context& context) {
  connectivity::SelectedSeries selected =
      connectivity::select_series(inputs.series, inputs.keep, kStage.name, params.window);
  const auto n_kept = static_cast<Index>(selected.volumes.size());
  if (selected.regions.size() < 2) {
    throw Error(ErrorKind::input, "sliding_window: fewer than two regions are present and vary");
  }
  const Index n_windows = (n_kept - params.window) / params.step + 1;
  if (n_windows < 2) {
    throw Error(ErrorKind::gate, "sliding_window: one window of " + std::to_string(params.window) +
                                     " in " + std::to_string(n_kept) +
                                     " volumes kept, expected at least two");
  }
  connectivity::standardize_columns(selected.x);
  const Spread spread = spread_over_windows(selected.x, n_windows, params, context);
  Outputs out;
  out.n_windows = static_cast<int>(n_windows);
  out.n_volumes = static_cast<int>(n_kept);
  out.mean_sd = mean_of_triangle(spread.sd);
  const auto edges = [&](const MatrixXd& lower) {
    const MatrixXd full = connectivity::scatter_regions(lower.selfadjointView<Eigen::Lower>(),
                                                        selected.regions, inputs.series.cols());
    std::vector<double> list;
    for (Index a = 0; a < full.rows(); ++a) {
      for (Index b = a + 1; b < full.cols(); ++b) list.push_back(full(a, b));
    }
    return list;
  };
  out.mean_z = edges(spread.mean);
  out.sd_z = edges(spread.sd);
  add_null(selected.x, n_windows, params, context, out);
  return out;
}

} // namespace boldmill::sliding_window
