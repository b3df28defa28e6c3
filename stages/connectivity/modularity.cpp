#include "stages/connectivity/modularity.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>

#include "stages/connectivity/kernels/graph.hpp"
#include "stages/core/parallel.hpp"
#include "stages/core/random.hpp"
#include "stages/core/statistics.hpp"

namespace boldmill::modularity {
namespace {

using Eigen::Index;
using Eigen::MatrixXd;
using Labels = std::vector<int>;

constexpr double kGain = 1e-12; // of Q, whose scale is 1: less is rounding

// Labels from 0 in order of first appearance; returns their number.
int renumber(Labels& labels) {
  std::map<int, int> seen;
  for (int& label : labels) {
    label = seen.try_emplace(label, static_cast<int>(seen.size())).first->second;
  }
  return static_cast<int>(seen.size());
}

MatrixXd modularity_matrix(const MatrixXd& w, double gamma) {
  const auto part = [gamma](const MatrixXd& x, double total) -> MatrixXd {
    const Eigen::VectorXd s = x.colwise().sum();
    return x - gamma * s * s.transpose() / total;
  };
  const MatrixXd positive = w.cwiseMax(0.0);
  const MatrixXd negative = (-w).cwiseMax(0.0);
  const double v_positive = positive.sum();
  const double v_negative = negative.sum();
  MatrixXd b = part(positive, v_positive) / v_positive;
  if (v_negative > 0.0) b -= part(negative, v_negative) / (v_positive + v_negative);
  return b;
}

double quality_of(const MatrixXd& b, const Labels& labels) {
  double q = 0.0;
  for (Index j = 0; j < b.cols(); ++j) {
    for (Index i = 0; i < b.rows(); ++i) {
      if (labels[static_cast<std::size_t>(i)] == labels[static_cast<std::size_t>(j)]) q += b(i, j);
    }
  }
  return q;
}

// B summed over groups of nodes.
MatrixXd aggregated(const MatrixXd& b, const Labels& labels, int n) {
  MatrixXd by_column = MatrixXd::Zero(b.rows(), n);
  for (Index j = 0; j < b.cols(); ++j)
    by_column.col(labels[static_cast<std::size_t>(j)]) += b.col(j);
  MatrixXd out = MatrixXd::Zero(n, n);
  for (Index i = 0; i < b.rows(); ++i)
    out.row(labels[static_cast<std::size_t>(i)]) += by_column.row(i);
  return out;
}

// Moves single nodes to the module that gains most until none gains. True when any moved.
bool move_nodes(const MatrixXd& b, Labels& labels, Random& random) {
  const int n_labels = renumber(labels);
  MatrixXd towards = MatrixXd::Zero(n_labels, b.cols()); // sum of B from a node to each module
  for (Index i = 0; i < b.cols(); ++i) {
    towards.row(labels[static_cast<std::size_t>(i)]) += b.row(i);
  }
  bool any = false;
  for (bool moved = true; moved;) {
    moved = false;
    for (const std::size_t node : random.permutation(labels.size())) {
      const auto i = static_cast<Index>(node);
      const int from = labels[node];
      Index to = 0;
      towards(from, i) -= b(i, i); // the node itself is no reason to stay
      const double best = towards.col(i).maxCoeff(&to);
      const double gain = best - towards(from, i);
      towards(from, i) += b(i, i);
      if (gain <= kGain) continue;
      labels[node] = static_cast<int>(to);
      towards.row(from) -= b.row(i);
      towards.row(to) += b.row(i);
      moved = any = true;
    }
  }
  return any;
}

// One ascent from `labels`: nodes move, then modules as nodes, until nothing moves.
void louvain(const MatrixXd& b, Labels& labels, Random& random) {
  Labels level = labels;
  MatrixXd reduced = b;
  bool first = true;
  while (true) {
    const bool moved = move_nodes(reduced, level, random);
    const int n = renumber(level);
    if (first) {
      labels = level;
    } else {
      for (int& label : labels) label = level[static_cast<std::size_t>(label)];
    }
    if (!moved && !first) return;
    first = false;
    reduced = aggregated(reduced, level, n);
    level.resize(static_cast<std::size_t>(n));
    std::iota(level.begin(), level.end(), 0);
  }
}

struct Partition {
  Labels labels;
  double q = -std::numeric_limits<double>::infinity();
};

Partition one_run(const MatrixXd& b, std::uint64_t seed) {
  Random random(seed);
  Partition best;
  best.labels.resize(static_cast<std::size_t>(b.cols()));
  std::iota(best.labels.begin(), best.labels.end(), 0);
  Labels labels = best.labels;
  while (true) {
    louvain(b, labels, random);
    const double q = quality_of(b, labels);
    if (q <= best.q + kGain) return best;
    best = {labels, q};
  }
}

std::uint64_t seed_of(const Params& params, std::string_view what, std::size_t graph,
                      std::size_t run) {
  return stream_seed(static_cast<std::uint64_t>(params.random_seed), what,
                     std::to_string(graph) + "/" + std::to_string(run));
}

// Graph 0 is the one given, the null graphs follow.
Partition best_of_runs(const MatrixXd& w, const Params& params, std::size_t graph,
                       const Context& context) {
  const MatrixXd b = modularity_matrix(w, params.gamma);
  std::vector<Partition> runs(static_cast<std::size_t>(params.n_runs));
  parallel_blocks(context, runs.size(), 1, [&](std::size_t i, std::size_t) {
    runs[i] = one_run(b, seed_of(params, "modularity", graph, i));
  });
  return *std::max_element(runs.begin(), runs.end(),
                           [](const Partition& x, const Partition& y) { return x.q < y.q; });
}

struct Edge {
  Index a, b;
  double weight;
};

std::vector<Edge> edges_of(const MatrixXd& w) {
  std::vector<Edge> out;
  for (Index a = 0; a < w.rows(); ++a) {
    for (Index b = a + 1; b < w.cols(); ++b) {
      if (w(a, b) != 0.0) out.push_back({a, b, w(a, b)});
    }
  }
  return out;
}

MatrixXd matrix_of(const std::vector<Edge>& edges, Index n) {
  MatrixXd w = MatrixXd::Zero(n, n);
  for (const Edge& e : edges) w(e.a, e.b) = w(e.b, e.a) = e.weight;
  return w;
}

// Ten attempts an edge: (a, b), (c, d) become (a, d), (c, b) when neither is there.
std::size_t rewire(std::vector<Edge>& edges, Index n, Random& random) {
  MatrixXd present = matrix_of(edges, n).cwiseAbs().cwiseSign();
  std::size_t n_swaps = 0;
  for (std::size_t i = 0; i < 10 * edges.size(); ++i) {
    Edge& x = edges[random.below(edges.size())];
    Edge& y = edges[random.below(edges.size())];
    if (random.below(2) == 1) std::swap(y.a, y.b);
    if (x.a == y.a || x.a == y.b || x.b == y.a || x.b == y.b) continue;
    if (present(x.a, y.b) != 0.0 || present(y.a, x.b) != 0.0) continue;
    present(x.a, x.b) = present(x.b, x.a) = present(y.a, y.b) = present(y.b, y.a) = 0.0;
    std::swap(x.b, y.b);
    present(x.a, x.b) = present(x.b, x.a) = present(y.a, y.b) = present(y.b, y.a) = 1.0;
    ++n_swaps;
  }
  return n_swaps;
}

MatrixXd null_graph(const MatrixXd& w, const Params& params, std::size_t graph) {
  Random random(seed_of(params, "modularity null", graph, 0));
  std::vector<Edge> edges = edges_of(w);
  if (params.null_model == "degree") {
    if (rewire(edges, w.rows(), random) == 0) {
      throw Error(ErrorKind::input,
                  "modularity: null_model = degree, but no edge of this graph can be rewired (" +
                      std::to_string(edges.size()) + " edges, " + std::to_string(w.rows()) +
                      " nodes): expected a density well below 1, or null_model = weights");
    }
    return matrix_of(edges, w.rows());
  }
  const std::vector<std::size_t> order = random.permutation(edges.size());
  std::vector<Edge> shuffled = edges;
  for (std::size_t e = 0; e < edges.size(); ++e) shuffled[e].weight = edges[order[e]].weight;
  return matrix_of(shuffled, w.rows());
}

} // namespace

double quality(const MatrixXd& weights, std::span<const int> module, double gamma) {
  MatrixXd w = weights;
  w.diagonal().setZero();
  return quality_of(modularity_matrix(w, gamma), {module.begin(), module.end()});
}

Outputs run(const Inputs& inputs, const Params& params, const Context& context) {
  const connectivity::Graph graph =
      connectivity::make_graph(inputs.matrix, params.density, kStage.name);
  if (!(graph.weights.maxCoeff() > 0.0)) {
    throw Error(ErrorKind::input, "modularity: no positive weight in the graph");
  }
  Partition found = best_of_runs(graph.weights, params, 0, context);
  Outputs out;
  out.q = found.q;
  out.n_modules = renumber(found.labels);
  out.module.assign(static_cast<std::size_t>(inputs.matrix.rows()), -1);
  for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
    out.module[static_cast<std::size_t>(graph.nodes[i])] = found.labels[i];
  }
  if (params.n_null == 0) return out;
  out.null_q.resize(static_cast<std::size_t>(params.n_null));
  parallel_blocks(context, out.null_q.size(), 1, [&](std::size_t i, std::size_t) {
    const MatrixXd w = null_graph(graph.weights, params, i + 1);
    out.null_q[i] = best_of_runs(w, params, i + 1, context).q;
  });
  const auto as_large = std::count_if(out.null_q.begin(), out.null_q.end(),
                                      [&](double q) { return q >= out.q - kGain; });
  out.p_value = (1.0 + static_cast<double>(as_large)) / (1.0 + static_cast<double>(params.n_null));
  out.z_score = (out.q - mean(out.null_q)) / standard_deviation(out.null_q);
  return out;
}

} // namespace boldmill::modularity
