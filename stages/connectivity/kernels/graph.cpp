#include "stages/connectivity/kernels/graph.hpp"

#include <algorithm>
#include <cmath>
#include <string>

#include "stages/core/error.hpp"

namespace boldmill::connectivity {
namespace {

using Eigen::Index;

void keep_strongest(Eigen::MatrixXd& w, double density) {
  if (density >= 1.0) return;
  struct Edge {
    double weight;
    Index a, b;
  };
  std::vector<Edge> edges;
  for (Index a = 0; a < w.rows(); ++a) {
    for (Index b = a + 1; b < w.cols(); ++b) edges.push_back({w(a, b), a, b});
  }
  const auto keep =
      static_cast<std::size_t>(std::floor(density * static_cast<double>(edges.size()) + 0.5));
  std::stable_sort(edges.begin(), edges.end(),
                   [](const Edge& x, const Edge& y) { return x.weight > y.weight; });
  for (std::size_t e = keep; e < edges.size(); ++e) {
    w(edges[e].a, edges[e].b) = w(edges[e].b, edges[e].a) = 0.0;
  }
}

} // namespace

Graph make_graph(const Eigen::Map<const Eigen::MatrixXd>& matrix, double density,
                 std::string_view stage) {
  const std::string name(stage);
  if (matrix.rows() != matrix.cols()) {
    throw Error(ErrorKind::input, name + ": found a matrix of " + std::to_string(matrix.rows()) +
                                      " x " + std::to_string(matrix.cols()) + ", expected square");
  }
  Graph graph;
  for (Index a = 0; a < matrix.rows(); ++a) {
    bool present = false;
    for (Index b = 0; b < matrix.cols(); ++b) present |= a != b && !std::isnan(matrix(a, b));
    if (present) graph.nodes.push_back(a);
  }
  if (graph.nodes.size() < 3) {
    throw Error(ErrorKind::input, name + ": found " + std::to_string(graph.nodes.size()) +
                                      " nodes with edges, expected at least 3");
  }
  graph.weights = matrix(graph.nodes, graph.nodes);
  graph.weights.diagonal().setZero();
  if (!graph.weights.allFinite()) {
    throw Error(ErrorKind::input, name + ": single edges of the matrix are not finite");
  }
  if ((graph.weights - graph.weights.transpose()).cwiseAbs().maxCoeff() >
      1e-9 * graph.weights.cwiseAbs().maxCoeff()) {
    throw Error(ErrorKind::input, name + ": the matrix is not symmetric");
  }
  keep_strongest(graph.weights, density);
  return graph;
}

// Floyd 1962, one column at a time.
void shortest_paths_in_place(Eigen::MatrixXd& lengths) {
  lengths.diagonal().setZero();
  for (Index k = 0; k < lengths.cols(); ++k) {
    const Eigen::VectorXd through = lengths.col(k);
    for (Index j = 0; j < lengths.cols(); ++j) {
      const double step = lengths(k, j);
      if (!std::isfinite(step)) continue;
      lengths.col(j) = lengths.col(j).cwiseMin((through.array() + step).matrix());
    }
  }
}

} // namespace boldmill::connectivity
