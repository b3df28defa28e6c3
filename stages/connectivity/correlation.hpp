// Pearson correlation of every pair of regions, its Fisher transform z = atanh(r), and the standard
// error of z from the series' own autocorrelation. Edges are the upper triangle row by row:
// (0,1), (0,2), ..., (R-2,R-1). A region that is NaN or constant over the volumes kept gives NaN.
//   N_e = N / (1 + 2 sum_k w_k n_k/N rho_a(k) rho_b(k)) (N - n_regressed) / N,
//   se = 1 / sqrt(N_e - 3)
// with sample autocorrelations rho over the n_k pairs of kept volumes k apart and a Tukey taper w
// up to 2 sqrt(N).
// Sources: Fisher 1915; Bartlett 1935, doi:10.2307/2342284; taper as in Afyouni 2019,
// doi:10.1016/j.neuroimage.2019.05.011, whose cross-correlation terms we leave out. Cost O(T R^2).
#pragma once

#include <Eigen/Dense>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "stages/core/stage_info.hpp"

namespace boldmill::correlation {

inline constexpr std::array<std::string_view, 2> kReferences{
    "Bartlett 1935, Journal of the Royal Statistical Society, doi:10.2307/2342284",
    "Afyouni 2019, NeuroImage, doi:10.1016/j.neuroimage.2019.05.011"};
inline constexpr StageInfo kStage{.name = "correlation",
                                  .version = 2,
                                  .summary = "Pearson and Fisher-z connectivity of region series",
                                  .references = kReferences};

struct Params {
  int min_volumes = 10;
  bool operator==(const Params&) const = default;
};
template <class P, class F>
void for_each_field(P& params, F&& visit) {
  auto& [min_volumes] = params;
  visit("min_volumes", min_volumes, "volumes", "runs with fewer volumes kept are refused",
        Limits::between(4, 1e6));
}

struct Inputs {
  Eigen::Map<const Eigen::MatrixXf> series; // T x R
  std::span<const std::uint8_t> keep;       // T, or empty: all
  int n_regressed = 0; // confounds removed beforehand (Design::n_regressed), filters excluded
};
struct Outputs {
  std::vector<double> correlation; // R (R - 1) / 2
  std::vector<double> fisher_z;
  std::vector<double> fisher_z_se; // NaN where z is NaN or N_e <= 3
  int n_volumes = 0;               // kept
};
// Throws input: keep of another length, R < 2; gate: fewer volumes kept than min_volumes.
[[nodiscard]] Outputs run(const Inputs& inputs, const Params& params, const Context& context);

// What each volume adds to the error of an edge's Fisher z, T x edges, 0 on volumes not kept and
// for edges that are NaN: (x_t y_t - r (x_t^2 + y_t^2) / 2) / (1 - r^2), x and y of mean 0 and
// length 1. Cross products say how the errors of edges of one run covary (measure_covariance).
[[nodiscard]] Eigen::MatrixXd influence(const Inputs& inputs,
                                        std::span<const std::pair<std::size_t, std::size_t>> edges,
                                        const Params& params);

// Position of edge (a, b) in the upper triangle row by row, a != b.
[[nodiscard]] std::size_t edge_index(std::size_t a, std::size_t b, std::size_t n_regions);
[[nodiscard]] std::vector<std::pair<std::size_t, std::size_t>> edges(std::size_t n_regions);

struct Shape {
  std::size_t n_volumes = 0;
  std::size_t n_regions = 0;
};
[[nodiscard]] std::size_t peak_bytes(const Shape& shape, const Params& params);

} // namespace boldmill::correlation
