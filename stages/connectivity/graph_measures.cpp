#include "stages/connectivity/graph_measures.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <string>

#include "stages/connectivity/kernels/graph.hpp"
#include "stages/connectivity/kernels/shrinkage.hpp"
#include "stages/core/parallel.hpp"

namespace boldmill::graph_measures {
namespace {

using Eigen::Index;
using Eigen::MatrixXd;
using Eigen::VectorXd;

constexpr double kInfinity = std::numeric_limits<double>::infinity();

MatrixXd cube_root(const MatrixXd& w) {
  return w.unaryExpr([](double v) { return std::cbrt(v); });
}

VectorXd triangles(const MatrixXd& w, const Context& context) {
  return connectivity::gram(w, context).cwiseProduct(w).colwise().sum().transpose();
}

VectorXd ratio(const VectorXd& a, const VectorXd& b) {
  return a.binaryExpr(b, [](double x, double y) { return y > 0.0 ? x / y : 0.0; });
}

VectorXd onnela(const MatrixXd& w, const Context& context) {
  const VectorXd k = (w.array() > 0.0).cast<double>().colwise().sum().transpose();
  return ratio(triangles(cube_root(w), context), k.array() * (k.array() - 1.0));
}

VectorXd zhang(const MatrixXd& w, const Context& context) {
  const VectorXd s = w.colwise().sum();
  const VectorXd pairs = s.cwiseAbs2() - w.colwise().squaredNorm().transpose();
  return ratio(triangles(w, context), pairs);
}

VectorXd participation(const MatrixXd& w, const std::vector<int>& modules) {
  std::map<int, VectorXd> by_module;
  for (Index b = 0; b < w.cols(); ++b) {
    VectorXd& sum =
        by_module.try_emplace(modules[static_cast<std::size_t>(b)], VectorXd::Zero(w.rows()))
            .first->second;
    sum += w.col(b);
  }
  VectorXd squares = VectorXd::Zero(w.rows());
  VectorXd strength = VectorXd::Zero(w.rows());
  for (const auto& [module, sum] : by_module) {
    squares += sum.cwiseAbs2();
    strength += sum;
  }
  return squares.binaryExpr(strength,
                            [](double x, double s) { return s > 0.0 ? 1.0 - x / (s * s) : 0.0; });
}

MatrixXd lengths_of(const MatrixXd& w) {
  return w.unaryExpr([](double v) { return v > 0.0 ? 1.0 / v : kInfinity; });
}

double global_efficiency(const MatrixXd& w) {
  MatrixXd d = lengths_of(w);
  connectivity::shortest_paths_in_place(d);
  double sum = 0.0;
  for (Index b = 0; b < d.cols(); ++b) {
    for (Index a = 0; a < d.rows(); ++a) sum += a == b ? 0.0 : 1.0 / d(a, b);
  }
  const auto n = static_cast<double>(w.cols());
  return sum / (n * (n - 1.0));
}

// `roots`: cube roots of the weights.
double local_efficiency(const MatrixXd& roots, Index node) {
  std::vector<Index> near;
  for (Index j = 0; j < roots.rows(); ++j) {
    if (roots(j, node) > 0.0) near.push_back(j);
  }
  if (near.size() < 2) return 0.0;
  MatrixXd d = lengths_of(roots(near, near));
  connectivity::shortest_paths_in_place(d);
  double sum = 0.0;
  for (std::size_t h = 0; h < near.size(); ++h) {
    for (std::size_t j = 0; j < near.size(); ++j) {
      if (j == h) continue;
      sum += roots(near[j], node) * roots(near[h], node) /
             d(static_cast<Index>(j), static_cast<Index>(h));
    }
  }
  const auto k = static_cast<double>(near.size());
  return sum / (k * (k - 1.0));
}

} // namespace

Outputs run(const Inputs& inputs, const Params& params, const Context& context) {
  const auto n_all = static_cast<std::size_t>(inputs.matrix.rows());
  if (!inputs.modules.empty() && inputs.modules.size() != n_all) {
    throw Error(ErrorKind::input, "graph_measures: " + std::to_string(inputs.modules.size()) +
                                      " modules, expected " + std::to_string(n_all));
  }
  const connectivity::Graph graph =
      connectivity::make_graph(inputs.matrix, params.density, kStage.name);
  const MatrixXd positive = graph.weights.cwiseMax(0.0);
  const MatrixXd negative = (-graph.weights).cwiseMax(0.0);
  const auto spread = [&](const VectorXd& values) {
    std::vector<double> out(n_all, std::numeric_limits<double>::quiet_NaN());
    for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
      out[static_cast<std::size_t>(graph.nodes[i])] = values(static_cast<Index>(i));
    }
    return out;
  };
  Outputs out;
  out.n_nodes = graph.nodes.size();
  out.n_edges = static_cast<std::size_t>((graph.weights.array() != 0.0).count()) / 2;
  out.strength_positive = spread(positive.colwise().sum().transpose());
  out.strength_negative = spread(negative.colwise().sum().transpose());
  out.clustering_positive = spread(onnela(positive, context));
  out.clustering_negative = spread(onnela(negative, context));
  out.clustering_zhang_positive = spread(zhang(positive, context));
  out.clustering_zhang_negative = spread(zhang(negative, context));
  out.global_efficiency = global_efficiency(positive);
  if (params.local_efficiency) {
    const MatrixXd roots = cube_root(positive);
    VectorXd values(roots.cols());
    parallel_blocks(context, graph.nodes.size(), 1, [&](std::size_t i, std::size_t) {
      values(static_cast<Index>(i)) = local_efficiency(roots, static_cast<Index>(i));
    });
    out.local_efficiency = spread(values);
  }
  if (!inputs.modules.empty()) {
    std::vector<int> modules;
    for (const Index node : graph.nodes) {
      modules.push_back(inputs.modules[static_cast<std::size_t>(node)]);
    }
    out.participation_positive = spread(participation(positive, modules));
    out.participation_negative = spread(participation(negative, modules));
  }
  return out;
}

} // namespace boldmill::graph_measures
