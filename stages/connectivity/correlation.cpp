#include "stages/connectivity/correlation.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <string>

#include "stages/core/parallel.hpp"

namespace boldmill::correlation {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

// Regions over the volumes kept, centred and of unit length; NaN columns where that is impossible.
Eigen::MatrixXd normalized_columns(const Inputs& inputs, const std::vector<Eigen::Index>& kept) {
  Eigen::MatrixXd out(static_cast<Eigen::Index>(kept.size()), inputs.series.cols());
  for (Eigen::Index r = 0; r < out.cols(); ++r) {
    for (Eigen::Index row = 0; row < out.rows(); ++row) {
      out(row, r) = inputs.series(kept[static_cast<std::size_t>(row)], r);
    }
    const double largest = out.col(r).cwiseAbs().maxCoeff();
    out.col(r).array() -= out.col(r).mean();
    const double norm = out.col(r).norm();
    if (!(norm > 1e-10 * largest))
      out.col(r).setConstant(kNaN);
    else
      out.col(r) /= norm;
  }
  return out;
}

// Tukey-tapered sample autocorrelations, lags x R, from the pairs of volumes k apart that were both
// kept: gaps left by censoring are not bridged. The variance of a sum over the volumes kept counts
// each such pair once, and a product of two columns is what is used: hence the root of their share.
Eigen::MatrixXd tapered_autocorrelations(const Eigen::MatrixXd& x,
                                         const std::vector<Eigen::Index>& kept) {
  const auto n = static_cast<double>(kept.size());
  const auto n_lags = static_cast<Eigen::Index>(2.0 * std::sqrt(n));
  Eigen::MatrixXd rho = Eigen::MatrixXd::Zero(n_lags, x.cols());
  std::vector<Eigen::Index> row_of(static_cast<std::size_t>(kept.back() + 1), -1);
  for (std::size_t row = 0; row < kept.size(); ++row) {
    row_of[static_cast<std::size_t>(kept[row])] = static_cast<Eigen::Index>(row);
  }
  for (Eigen::Index lag = 1; lag <= n_lags; ++lag) {
    Eigen::RowVectorXd sum = Eigen::RowVectorXd::Zero(x.cols());
    double n_pairs = 0.0;
    for (const Eigen::Index t : kept) {
      if (t + lag > kept.back()) break;
      const Eigen::Index later = row_of[static_cast<std::size_t>(t + lag)];
      if (later < 0) continue;
      const Eigen::Index row = row_of[static_cast<std::size_t>(t)];
      sum += x.row(row).cwiseProduct(x.row(later));
      ++n_pairs;
    }
    const double taper = 0.5 * (1.0 + std::cos(std::numbers::pi * static_cast<double>(lag) /
                                               static_cast<double>(n_lags + 1)));
    if (n_pairs > 0.0) rho.row(lag - 1) = std::sqrt(taper * n / n_pairs) * sum;
  }
  return rho;
}

std::vector<Eigen::Index> kept_volumes(const Inputs& inputs, const Params& params) {
  const Eigen::Index n = inputs.series.rows();
  if (!inputs.keep.empty() && static_cast<Eigen::Index>(inputs.keep.size()) != n) {
    throw Error(ErrorKind::input, "correlation: keep has " + std::to_string(inputs.keep.size()) +
                                      " values, the series " + std::to_string(n) + " volumes");
  }
  if (inputs.series.cols() < 2) {
    throw Error(ErrorKind::input, "correlation: found " + std::to_string(inputs.series.cols()) +
                                      " regions, expected at least 2");
  }
  std::vector<Eigen::Index> kept;
  for (Eigen::Index t = 0; t < n; ++t) {
    if (inputs.keep.empty() || inputs.keep[static_cast<std::size_t>(t)] != 0) kept.push_back(t);
  }
  if (static_cast<int>(kept.size()) < params.min_volumes) {
    throw Error(ErrorKind::gate, "correlation: " + std::to_string(kept.size()) +
                                     " volumes kept, expected at least min_volumes = " +
                                     std::to_string(params.min_volumes));
  }
  return kept;
}

} // namespace

Outputs run(const Inputs& inputs, const Params& params, const Context& context) {
  const std::vector<Eigen::Index> kept = kept_volumes(inputs, params);
  const Eigen::MatrixXd x = normalized_columns(inputs, kept);
  const Eigen::MatrixXd rho = tapered_autocorrelations(x, kept);
  const auto n_regions = static_cast<std::size_t>(x.cols());
  const std::size_t n_edges = n_regions * (n_regions - 1) / 2;
  const auto n = static_cast<double>(kept.size());
  const double regressed_share = (n - static_cast<double>(inputs.n_regressed)) / n;
  Outputs out;
  out.n_volumes = static_cast<int>(kept.size());
  out.correlation.assign(n_edges, kNaN);
  out.fisher_z.assign(n_edges, kNaN);
  out.fisher_z_se.assign(n_edges, kNaN);
  parallel_blocks(context, n_regions - 1, 8, [&](std::size_t begin, std::size_t end) {
    for (std::size_t a = begin; a < end; ++a) {
      for (std::size_t b = a + 1; b < n_regions; ++b) {
        const auto ia = static_cast<Eigen::Index>(a);
        const auto ib = static_cast<Eigen::Index>(b);
        const double r = x.col(ia).dot(x.col(ib));
        if (std::isnan(r)) continue;
        const std::size_t edge = edge_index(a, b, n_regions);
        out.correlation[edge] = std::clamp(r, -1.0, 1.0);
        out.fisher_z[edge] = std::atanh(out.correlation[edge]);
        const double inflation = 1.0 + 2.0 * rho.col(ia).dot(rho.col(ib));
        const double effective = n / std::max(inflation, 1e-3) * regressed_share;
        if (effective > 3.0) out.fisher_z_se[edge] = 1.0 / std::sqrt(effective - 3.0);
      }
    }
  });
  return out;
}

Eigen::MatrixXd influence(const Inputs& inputs,
                          std::span<const std::pair<std::size_t, std::size_t>> edges,
                          const Params& params) {
  const std::vector<Eigen::Index> kept = kept_volumes(inputs, params);
  const Eigen::MatrixXd x = normalized_columns(inputs, kept);
  Eigen::MatrixXd out =
      Eigen::MatrixXd::Zero(inputs.series.rows(), static_cast<Eigen::Index>(edges.size()));
  for (std::size_t e = 0; e < edges.size(); ++e) {
    const Eigen::ArrayXd a = x.col(static_cast<Eigen::Index>(edges[e].first));
    const Eigen::ArrayXd b = x.col(static_cast<Eigen::Index>(edges[e].second));
    const double r = (a * b).sum();
    if (!(r * r < 1.0)) continue;
    const Eigen::ArrayXd u = (a * b - 0.5 * r * (a.square() + b.square())) / (1.0 - r * r);
    for (std::size_t i = 0; i < kept.size(); ++i) {
      out(kept[i], static_cast<Eigen::Index>(e)) = u[static_cast<Eigen::Index>(i)];
    }
  }
  return out;
}

std::size_t edge_index(std::size_t a, std::size_t b, std::size_t n_regions) {
  const std::size_t low = std::min(a, b);
  const std::size_t high = std::max(a, b);
  return low * n_regions - low * (low + 1) / 2 + (high - low - 1);
}

std::vector<std::pair<std::size_t, std::size_t>> edges(std::size_t n_regions) {
  std::vector<std::pair<std::size_t, std::size_t>> out;
  for (std::size_t a = 0; a < n_regions; ++a) {
    for (std::size_t b = a + 1; b < n_regions; ++b) out.emplace_back(a, b);
  }
  return out;
}

std::size_t peak_bytes(const Shape& shape, const Params&) {
  const std::size_t edge_values = 3 * shape.n_regions * (shape.n_regions + 1) / 2;
  return (2 * shape.n_volumes * shape.n_regions + edge_values) * sizeof(double);
}

} // namespace boldmill::correlation
