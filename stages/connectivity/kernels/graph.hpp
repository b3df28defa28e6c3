// Weighted undirected graphs as dense symmetric matrices with a zero diagonal.
#pragma once

#include <Eigen/Dense>
#include <string_view>
#include <vector>

namespace boldmill::connectivity {

struct Graph {
  std::vector<Eigen::Index> nodes; // of the matrix given: those with an edge that is not NaN
  Eigen::MatrixXd weights;         // nodes x nodes
};

// Leaves out nodes that are NaN towards all others, sets the diagonal to zero and keeps the
// `density` share of the edges with the largest weights (ties: first in edge order). Throws input:
// not square or symmetric, single NaN edges, fewer than three nodes.
[[nodiscard]] Graph make_graph(const Eigen::Map<const Eigen::MatrixXd>& matrix, double density,
                               std::string_view stage);

// Lengths of the shortest paths between all nodes, `lengths`: infinity where there is no edge.
void shortest_paths_in_place(Eigen::MatrixXd& lengths);

} // namespace boldmill::connectivity
