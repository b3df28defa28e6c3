#include "stages/connectivity/connectivity_matrix.hpp"

#include <algorithm>
#include <numeric>

#include "stages/connectivity/kernels/selected_series.hpp"
#include "stages/connectivity/kernels/shrinkage.hpp"
#include "stages/core/parallel.hpp"

namespace boldmill::connectivity_matrix {
namespace {

using connectivity::SelectedSeries;

// Ranks from 1, ties at their mean rank, in place.
void rank_columns(Eigen::MatrixXd& x, const Context& context) {
  parallel_blocks(
      context, static_cast<std::size_t>(x.cols()), 16, [&](std::size_t begin, std::size_t end) {
        std::vector<Eigen::Index> order(static_cast<std::size_t>(x.rows()));
        Eigen::VectorXd ranks(x.rows());
        for (std::size_t c = begin; c < end; ++c) {
          auto column = x.col(static_cast<Eigen::Index>(c));
          std::iota(order.begin(), order.end(), Eigen::Index{0});
          std::sort(order.begin(), order.end(),
                    [&](Eigen::Index a, Eigen::Index b) { return column(a) < column(b); });
          for (std::size_t i = 0; i < order.size();) {
            std::size_t j = i;
            while (j < order.size() && column(order[j]) == column(order[i])) ++j;
            const double rank = 0.5 * static_cast<double>(i + 1 + j);
            for (; i < j; ++i) ranks(order[i]) = rank;
          }
          column = ranks;
        }
      });
}

// Rounding only; NaN stays NaN.
Eigen::MatrixXd clamped(const Eigen::MatrixXd& r) {
  return r.unaryExpr([](double value) { return std::clamp(value, -1.0, 1.0); });
}

Eigen::MatrixXd pearson(Eigen::MatrixXd& x, const Context& context) {
  connectivity::normalize_columns(x);
  Eigen::MatrixXd r = clamped(connectivity::gram(x, context));
  r.diagonal().setOnes();
  return r;
}

Eigen::MatrixXd scaled_to_unit_diagonal(const Eigen::MatrixXd& m) {
  const Eigen::VectorXd d = m.diagonal().cwiseSqrt().cwiseInverse();
  return d.asDiagonal() * m * d.asDiagonal();
}

Eigen::MatrixXd inverse(const Eigen::MatrixXd& covariance, const SelectedSeries& selected,
                        const Params& params) {
  Eigen::MatrixXd out;
  if (connectivity::invert_definite(covariance, out)) return out;
  throw Error(ErrorKind::gate, "connectivity_matrix: " + params.kind + " of " +
                                   std::to_string(selected.regions.size()) + " regions over " +
                                   std::to_string(selected.volumes.size()) +
                                   " volumes: expected more volumes than regions and no region a "
                                   "combination of others; ledoit_wolf_" +
                                   params.kind + " has no such limit");
}

Eigen::MatrixXd partial_of(const Eigen::MatrixXd& precision) {
  Eigen::MatrixXd out = -scaled_to_unit_diagonal(precision);
  out.diagonal().setOnes();
  return out;
}

Eigen::MatrixXd shrunk(SelectedSeries& selected, const Params& params, const Context& context,
                       Outputs& outputs) {
  Eigen::MatrixXd& x = selected.x;
  if (params.kind == "ledoit_wolf")
    connectivity::standardize_columns(x);
  else
    connectivity::center_columns(x);
  const connectivity::Shrinkage s = connectivity::ledoit_wolf(x, context);
  outputs.shrinkage = s.shrinkage;
  Eigen::MatrixXd covariance = s.scale * connectivity::gram(x, context);
  covariance.diagonal().array() += s.ridge;
  if (params.kind == "ledoit_wolf_covariance") return covariance;
  if (params.kind == "ledoit_wolf") {
    Eigen::MatrixXd r = scaled_to_unit_diagonal(covariance);
    r.diagonal().setOnes();
    return r;
  }
  const Eigen::MatrixXd precision = inverse(covariance, selected, params);
  return params.kind == "ledoit_wolf_precision" ? precision : partial_of(precision);
}

Eigen::MatrixXd unshrunk(SelectedSeries& selected, const Params& params, const Context& context) {
  if (params.kind == "spearman") rank_columns(selected.x, context);
  if (params.kind == "correlation" || params.kind == "spearman")
    return pearson(selected.x, context);
  connectivity::center_columns(selected.x);
  const Eigen::MatrixXd covariance =
      connectivity::gram(selected.x, context) / static_cast<double>(selected.x.rows());
  if (params.kind == "covariance") return covariance;
  const Eigen::MatrixXd precision = inverse(covariance, selected, params);
  return params.kind == "precision" ? precision : partial_of(precision);
}

Eigen::MatrixXd lagged(const SelectedSeries& selected, const Params& params, const Context& context,
                       Outputs& outputs) {
  std::vector<Eigen::Index> first, second; // rows of selected.x
  for (std::size_t i = 0; i < selected.volumes.size(); ++i) {
    const auto later = std::lower_bound(selected.volumes.begin(), selected.volumes.end(),
                                        selected.volumes[i] + params.lag);
    if (later == selected.volumes.end() || *later != selected.volumes[i] + params.lag) continue;
    first.push_back(static_cast<Eigen::Index>(i));
    second.push_back(later - selected.volumes.begin());
  }
  outputs.n_volumes = static_cast<int>(first.size());
  if (outputs.n_volumes < params.min_volumes) {
    throw Error(ErrorKind::gate, "connectivity_matrix: " + std::to_string(first.size()) +
                                     " pairs of volumes " + std::to_string(params.lag) +
                                     " apart kept, expected at least min_volumes = " +
                                     std::to_string(params.min_volumes));
  }
  Eigen::MatrixXd a = selected.x(first, Eigen::all);
  Eigen::MatrixXd b = selected.x(second, Eigen::all);
  connectivity::normalize_columns(a);
  connectivity::normalize_columns(b);
  return clamped(connectivity::cross(a, b, context));
}

} // namespace

Outputs run(const Inputs& inputs, const Params& params, const Context& context) {
  if (std::find(kKinds.begin(), kKinds.end(), params.kind) == kKinds.end()) {
    throw Error(ErrorKind::usage, "connectivity_matrix: unknown kind '" + params.kind + "'");
  }
  SelectedSeries selected =
      connectivity::select_series(inputs.series, inputs.keep, kStage.name, params.min_volumes);
  if (selected.regions.size() < 2) {
    throw Error(ErrorKind::input,
                "connectivity_matrix: " + std::to_string(selected.regions.size()) + " of " +
                    std::to_string(inputs.series.cols()) +
                    " regions are present and vary, expected at least 2");
  }
  Outputs out;
  out.n_volumes = static_cast<int>(selected.volumes.size());
  out.n_missing =
      static_cast<int>(inputs.series.cols()) - static_cast<int>(selected.regions.size());
  Eigen::MatrixXd matrix;
  if (params.kind == "lagged")
    matrix = lagged(selected, params, context, out);
  else if (params.kind.starts_with("ledoit_wolf"))
    matrix = shrunk(selected, params, context, out);
  else
    matrix = unshrunk(selected, params, context);
  out.matrix = connectivity::scatter_regions(matrix, selected.regions, inputs.series.cols());
  return out;
}

std::vector<double> edges_of(const Eigen::MatrixXd& matrix) {
  std::vector<double> out;
  out.reserve(static_cast<std::size_t>(matrix.rows() * (matrix.rows() - 1) / 2));
  for (Eigen::Index a = 0; a < matrix.rows(); ++a) {
    for (Eigen::Index b = a + 1; b < matrix.cols(); ++b) out.push_back(matrix(a, b));
  }
  return out;
}

std::size_t peak_bytes(const Shape& shape, const Params& params) {
  const std::size_t squares =
      params.kind.ends_with("precision") || params.kind.ends_with("partial") ? 6 : 3;
  return (3 * shape.n_volumes + squares * shape.n_regions) * shape.n_regions * sizeof(double);
}

} // namespace boldmill::connectivity_matrix
