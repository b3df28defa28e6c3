// Measures of a weighted undirected graph, positive and negative weights apart (w+ = max(w, 0),
// w- = max(-w, 0)).
//   strength       s_i = sum_j w_ij
//   clustering     Onnela: sum_jk (w_ij w_ik w_jk)^(1/3) / (k_i (k_i - 1)), k: number of edges
//                  Zhang: sum_jk w_ij w_ik w_jk / sum_{j != k} w_ij w_ik
//   efficiency     global: mean of 1 / d_ij over pairs, d: shortest path with lengths 1 / w+
//                  local: sum_{j != h} (w_ij w_ih)^(1/3) / d_jh / (k_i (k_i - 1)), d: shortest path
//                  among the neighbours of i with lengths w+^(-1/3)
//   participation  1 - sum_m (s_i within module m / s_i)^2
// Sources: Rubinov & Sporns 2010, doi:10.1016/j.neuroimage.2009.10.003, and 2011,
// doi:10.1016/j.neuroimage.2011.03.069; Onnela 2005, doi:10.1103/PhysRevE.71.065103; Zhang &
// Horvath 2005, doi:10.2202/1544-6115.1128. Cost O(R^3), local efficiency O(R k^3).
#pragma once

#include <Eigen/Dense>
#include <array>
#include <cstddef>
#include <limits>
#include <span>
#include <string_view>
#include <vector>

#include "stages/core/stage_info.hpp"

namespace boldmill::graph_measures {

inline constexpr std::array<std::string_view, 4> kReferences{
    "Rubinov & Sporns 2010, NeuroImage, doi:10.1016/j.neuroimage.2009.10.003",
    "Rubinov & Sporns 2011, NeuroImage, doi:10.1016/j.neuroimage.2011.03.069",
    "Onnela 2005, Physical Review E, doi:10.1103/PhysRevE.71.065103",
    "Zhang & Horvath 2005, Statistical Applications in Genetics and Molecular Biology, "
    "doi:10.2202/1544-6115.1128"};
inline constexpr StageInfo kStage{
    .name = "graph_measures",
    .version = 1,
    .summary = "Strength, clustering, efficiency and participation of a weighted graph",
    .references = kReferences};

struct Params {
  double density = 1.0;
  bool local_efficiency = true;
  bool operator==(const Params&) const = default;
};
template <class P, class F>
void for_each_field(P& params, F&& visit) {
  auto& [density, local_efficiency] = params;
  visit("density", density, "", "share of the edges to keep, largest weights first",
        Limits::between(1e-6, 1));
  visit("local_efficiency", local_efficiency, "", "compute it (the slowest of the measures)",
        Limits::between(0, 1));
}

struct Inputs {
  Eigen::Map<const Eigen::MatrixXd> matrix; // R x R symmetric; the diagonal is not used
  std::span<const int> modules;             // R labels for participation, or empty
};
// R values each; NaN for nodes that are NaN in the matrix. Clustering, efficiency and participation
// are 0 where there is nothing to divide by.
struct Outputs {
  std::vector<double> strength_positive, strength_negative;
  std::vector<double> clustering_positive, clustering_negative;             // Onnela
  std::vector<double> clustering_zhang_positive, clustering_zhang_negative; // Zhang & Horvath
  std::vector<double> local_efficiency;                                     // or empty
  std::vector<double> participation_positive, participation_negative;       // or empty
  double global_efficiency = std::numeric_limits<double>::quiet_NaN();
  std::size_t n_nodes = 0;
  std::size_t n_edges = 0;
};
// Throws input: a matrix that is not square or symmetric or has single missing edges, fewer than
// three nodes, modules of another length.
[[nodiscard]] Outputs run(const Inputs& inputs, const Params& params, const Context& context);

} // namespace boldmill::graph_measures
