// Modules of a weighted graph by the Louvain method, with the distribution of their quality Q in
// random graphs: Q alone says nothing, as any finite graph has modules.
//   Q = sum_ij B_ij [m_i = m_j],
//   B = (W+ - gamma s+ s+' / v+) / v+  -  (W- - gamma s- s-' / v-) / (v+ + v-)
// W+-: positive and negative weights, s: strengths, v = sum of all s. Best of n_runs from random
// orders, each repeated from its own result until Q stays.
//   null "weights"  the weights change places among the edges
//   null "degree"   edges are rewired, every node keeps its number of edges (needs a sparse graph)
// p = (1 + null graphs with Q at least as large) / (1 + n_null). Both nulls ignore that
// correlations of three series constrain each other: a correlation matrix passes them easily (see
// METHOD.md). Sources: Blondel 2008, doi:10.1088/1742-5468/2008/10/P10008; Rubinov & Sporns 2011,
// doi:10.1016/j.neuroimage.2011.03.069; Maslov & Sneppen 2002, doi:10.1126/science.1065103.
#pragma once

#include <Eigen/Dense>
#include <array>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "stages/core/stage_info.hpp"

namespace boldmill::modularity {

inline constexpr std::array<std::string_view, 3> kReferences{
    "Blondel 2008, Journal of Statistical Mechanics, doi:10.1088/1742-5468/2008/10/P10008",
    "Rubinov & Sporns 2011, NeuroImage, doi:10.1016/j.neuroimage.2011.03.069",
    "Maslov & Sneppen 2002, Science, doi:10.1126/science.1065103"};
inline constexpr StageInfo kStage{.name = "modularity",
                                  .version = 1,
                                  .summary = "Louvain modules of a weighted graph, with their null",
                                  .references = kReferences};

struct Params {
  double density = 1.0;
  double gamma = 1.0;
  int n_runs = 20;
  std::string null_model = "weights";
  int n_null = 100;
  int random_seed = 1;
  bool operator==(const Params&) const = default;
};
template <class P, class F>
void for_each_field(P& params, F&& visit) {
  auto& [density, gamma, n_runs, null_model, n_null, random_seed] = params;
  visit("density", density, "", "share of the edges to keep, largest weights first",
        Limits::between(1e-6, 1));
  visit("gamma", gamma, "", "resolution; larger finds smaller modules", Limits::between(0, 100));
  visit("n_runs", n_runs, "", "runs from random orders, the best counts", Limits::between(1, 1e5));
  visit("null_model", null_model, "", "random graphs to compare with",
        Limits::one_of({"weights", "degree"}));
  visit("n_null", n_null, "", "how many of them; 0: none", Limits::between(0, 1e5));
  visit("random_seed", random_seed, "", "orders and random graphs", Limits::between(0, 2147483647));
}

struct Inputs {
  Eigen::Map<const Eigen::MatrixXd> matrix; // R x R symmetric; the diagonal is not used
};
struct Outputs {
  std::vector<int> module; // R, from 0 in order of first node; -1: node missing
  int n_modules = 0;
  double q = std::numeric_limits<double>::quiet_NaN();
  std::vector<double> null_q;                                // n_null, each the best of n_runs
  double p_value = std::numeric_limits<double>::quiet_NaN(); // NaN without null graphs
  double z_score = std::numeric_limits<double>::quiet_NaN(); // (Q - mean null) / SD null
};
// Throws input: as graph_measures; no positive weight; null "degree" on a graph that cannot be
// rewired.
[[nodiscard]] Outputs run(const Inputs& inputs, const Params& params, const Context& context);

// Q of given modules (R labels) on the graph as it is (no density).
[[nodiscard]] double quality(const Eigen::MatrixXd& weights, std::span<const int> module,
                             double gamma);

} // namespace boldmill::modularity
