// Square connectivity of region series over the volumes kept: sample and Ledoit-Wolf shrunk
// covariance, correlation, precision and partial correlation, rank and lagged correlation.
//   correlation                Pearson r, no shrinkage (what XCP-D writes)
//   spearman                   Pearson r of the ranks, ties at their mean rank
//   covariance                 x'x / n of the centred series
//   precision, partial         inverse of it; -p_ij / sqrt(p_ii p_jj): needs more volumes than
//                              regions
//   lagged                     (a, b): r of a at t and b at t + lag, over the pairs of volumes both
//                              kept, means and variances from those pairs. The matrix at -lag is
//                              the transpose.
//   ledoit_wolf                shrunk correlation: Ledoit-Wolf on z-scored series, then scaled to a
//                              unit diagonal (nilearn "correlation")
//   ledoit_wolf_{covariance,precision,partial}   Ledoit-Wolf on the series as they are (nilearn
//                              "covariance", "precision", "partial correlation")
// A region that is NaN or constant over the volumes kept is left out and gives a NaN row and
// column. Sources: Ledoit & Wolf 2004, doi:10.1016/S0047-259X(03)00096-4. Cost O(T R^2), inverses
// O(R^3).
#pragma once

#include <Eigen/Dense>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include "stages/core/stage_info.hpp"

namespace boldmill::connectivity_matrix {

inline constexpr std::array<std::string_view, 1> kReferences{
    "Ledoit & Wolf 2004, Journal of Multivariate Analysis, doi:10.1016/S0047-259X(03)00096-4"};
inline constexpr StageInfo kStage{
    .name = "connectivity_matrix",
    .version = 1,
    .summary = "Covariance, correlation, partial, shrunk, rank and lagged connectivity",
    .references = kReferences};
inline constexpr std::array<std::string_view, 10> kKinds{"correlation",
                                                         "spearman",
                                                         "covariance",
                                                         "precision",
                                                         "partial",
                                                         "lagged",
                                                         "ledoit_wolf",
                                                         "ledoit_wolf_covariance",
                                                         "ledoit_wolf_partial",
                                                         "ledoit_wolf_precision"};

struct Params {
  std::string kind = "correlation";
  int lag = 1;
  int min_volumes = 10;
  bool operator==(const Params&) const = default;
};
template <class P, class F>
void for_each_field(P& params, F&& visit) {
  auto& [kind, lag, min_volumes] = params;
  visit("kind", kind, "", "what an edge holds", Limits::one_of({kKinds.begin(), kKinds.end()}));
  visit("lag", lag, "volumes", "lagged: how much later the column region is",
        Limits::between(-1e6, 1e6));
  visit("min_volumes", min_volumes, "volumes",
        "runs with fewer volumes kept (lagged: fewer pairs) are refused", Limits::between(4, 1e6));
}

struct Inputs {
  Eigen::Map<const Eigen::MatrixXf> series; // T x R; volumes NaN in every region are censored
  std::span<const std::uint8_t> keep;       // T, or empty: all
};
struct Outputs {
  Eigen::MatrixXd matrix;                                      // R x R, symmetric but for lagged
  int n_volumes = 0;                                           // kept; lagged: pairs of volumes
  int n_missing = 0;                                           // regions
  double shrinkage = std::numeric_limits<double>::quiet_NaN(); // 0..1, ledoit_wolf kinds only
};
// Throws input: keep of another length, R < 2, fewer than two usable regions; gate: fewer volumes
// (pairs) kept than min_volumes; precision and partial: no more volumes than regions, or regions
// that depend on each other linearly; usage: an unknown kind.
[[nodiscard]] Outputs run(const Inputs& inputs, const Params& params, const Context& context);

// The upper triangle row by row, without the diagonal: the order of correlation::edges.
[[nodiscard]] std::vector<double> edges_of(const Eigen::MatrixXd& matrix);

struct Shape {
  std::size_t n_volumes = 0;
  std::size_t n_regions = 0;
};
[[nodiscard]] std::size_t peak_bytes(const Shape& shape, const Params& params);

} // namespace boldmill::connectivity_matrix
