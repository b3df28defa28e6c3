#include "stages/cohort/kernels/regression_forest.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <string>
#include <vector>

#include "stages/core/parallel.hpp"
#include "stages/core/random.hpp"

namespace boldmill::cohort {
namespace {

struct Node {
  Eigen::Index column = -1; // -1: a leaf
  double threshold = 0.0;   // up to it left
  double value = 0.0;       // of a leaf
  std::size_t left = 0, right = 0;
};

struct Cut {
  Eigen::Index column = -1;
  double threshold = 0.0, gain = 0.0;
};

class Tree {
public:
  Tree(const Eigen::MatrixXd& x, const Eigen::VectorXd& y, int mtry, int min_node, Random random)
      : x_(x), y_(y), mtry_(static_cast<std::size_t>(mtry)),
        min_node_(static_cast<std::size_t>(min_node)), random_(random),
        columns_(static_cast<std::size_t>(x.cols())) {
    std::iota(columns_.begin(), columns_.end(), Eigen::Index{0});
    std::vector<Eigen::Index> rows;
    for (Eigen::Index i = 0; i < x.rows(); ++i) {
      rows.push_back(static_cast<Eigen::Index>(random_.below(static_cast<std::size_t>(x.rows()))));
    }
    grow(rows.begin(), rows.end());
  }

  [[nodiscard]] double predict(const Eigen::MatrixXd& rows, Eigen::Index row) const {
    std::size_t at = 0;
    while (nodes_[at].column >= 0) {
      at =
          rows(row, nodes_[at].column) <= nodes_[at].threshold ? nodes_[at].left : nodes_[at].right;
    }
    return nodes_[at].value;
  }

private:
  using Rows = std::vector<Eigen::Index>::iterator;

  std::size_t grow(Rows begin, Rows end) {
    const std::size_t own = nodes_.size();
    nodes_.emplace_back();
    const auto n = static_cast<std::size_t>(end - begin);
    const double sum =
        std::accumulate(begin, end, 0.0, [&](double s, Eigen::Index row) { return s + y_[row]; });
    nodes_[own].value = sum / static_cast<double>(n);
    if (n <= min_node_) return own;
    const Cut cut = best_cut(begin, end, sum);
    if (cut.column < 0) return own;
    const auto middle = std::partition(
        begin, end, [&](Eigen::Index row) { return x_(row, cut.column) <= cut.threshold; });
    nodes_[own].column = cut.column;
    nodes_[own].threshold = cut.threshold;
    const std::size_t left = grow(begin, middle);
    const std::size_t right = grow(middle, end);
    nodes_[own].left = left;
    nodes_[own].right = right;
    return own;
  }

  Cut best_cut(Rows begin, Rows end, double sum) {
    for (std::size_t c = 0; c < mtry_; ++c) { // the first mtry of a random order
      std::swap(columns_[c], columns_[c + random_.below(columns_.size() - c)]);
    }
    const auto n = static_cast<double>(end - begin);
    Cut best{-1, 0.0, sum * sum / n * (1.0 + 1e-12)};
    for (std::size_t c = 0; c < mtry_; ++c) {
      pairs_.clear();
      for (auto row = begin; row != end; ++row)
        pairs_.emplace_back(x_(*row, columns_[c]), y_[*row]);
      std::sort(pairs_.begin(), pairs_.end());
      double left = 0.0;
      for (std::size_t i = 0; i + 1 < pairs_.size(); ++i) {
        left += pairs_[i].second;
        if (pairs_[i].first == pairs_[i + 1].first) continue;
        const auto n_left = static_cast<double>(i + 1);
        const double right = sum - left;
        const double gain = left * left / n_left + right * right / (n - n_left);
        if (!(gain > best.gain)) continue;
        const double middle = 0.5 * (pairs_[i].first + pairs_[i + 1].first);
        const bool apart = middle < pairs_[i + 1].first; // not so of neighbouring numbers
        best = {columns_[c], apart ? middle : pairs_[i].first, gain};
      }
    }
    return best;
  }

  const Eigen::MatrixXd& x_;
  const Eigen::VectorXd& y_;
  std::size_t mtry_, min_node_;
  Random random_;
  std::vector<Eigen::Index> columns_;
  std::vector<Node> nodes_;
  std::vector<std::pair<double, double>> pairs_;
};

} // namespace

Eigen::VectorXd forest_predictions(const Eigen::MatrixXd& x, const Eigen::VectorXd& y,
                                   const Eigen::MatrixXd& rows, const ForestOptions& options,
                                   const Context& context) {
  const int all = static_cast<int>(x.cols());
  const int wanted =
      options.mtry > 0 ? options.mtry : static_cast<int>(std::sqrt(static_cast<double>(all)));
  const int mtry = std::clamp(wanted, 1, all);
  Eigen::MatrixXd by_tree(rows.rows(), options.trees);
  parallel_blocks(context, static_cast<std::size_t>(options.trees), 16,
                  [&](std::size_t begin, std::size_t end) {
                    for (std::size_t t = begin; t < end; ++t) {
                      const Tree tree(x, y, mtry, options.min_node,
                                      Random(stream_seed(options.seed, "tree", std::to_string(t))));
                      for (Eigen::Index row = 0; row < rows.rows(); ++row) {
                        by_tree(row, static_cast<Eigen::Index>(t)) = tree.predict(rows, row);
                      }
                    }
                  });
  Eigen::VectorXd sum = Eigen::VectorXd::Zero(rows.rows());
  for (const auto& column : by_tree.colwise()) sum += column;
  return sum / static_cast<double>(options.trees);
}

} // namespace boldmill::cohort
