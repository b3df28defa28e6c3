#include "stages/cohort/kernels/hierarchy.hpp"

#include <algorithm>
#include <limits>
#include <numeric>

namespace boldmill::cohort {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

// 0, 1, ... by first appearance.
std::vector<int> renumber(const std::vector<int>& labels) {
  std::vector<int> number(labels.size(), -1);
  std::vector<int> out;
  out.reserve(labels.size());
  int next = 0;
  for (const int label : labels) {
    int& n = number[static_cast<std::size_t>(label)];
    if (n < 0) n = next++;
    out.push_back(n);
  }
  return out;
}

// Nearest later neighbours of the clusters that are left.
class Neighbours {
public:
  explicit Neighbours(Eigen::MatrixXd& distance)
      : distance_(distance), n_(distance.rows()), alive_(static_cast<std::size_t>(n_), true),
        nearest_(static_cast<std::size_t>(n_), 0),
        least_(Eigen::VectorXd::Constant(n_, kInfinity)) {
    for (Eigen::Index i = 0; i + 1 < n_; ++i) look(i);
  }

  // The pair to merge: the lowest i with the least distance, and its nearest later cluster.
  [[nodiscard]] std::pair<Eigen::Index, Eigen::Index> closest() const {
    Eigen::Index best = -1;
    double least = kInfinity;
    for (Eigen::Index i = 0; i + 1 < n_; ++i) {
      if (alive(i) && (best < 0 || least_[i] < least)) {
        best = i;
        least = least_[i];
      }
    }
    return {best, nearest(best)};
  }

  void merge(Eigen::Index a, Eigen::Index b, double size_a, double size_b) {
    alive_[static_cast<std::size_t>(b)] = false;
    for (Eigen::Index k = 0; k < n_; ++k) {
      if (!alive(k) || k == a) continue;
      const double d = (size_a * distance_(k, a) + size_b * distance_(k, b)) / (size_a + size_b);
      distance_(k, a) = d;
      distance_(a, k) = d;
      // Rounding can put the new cluster nearer than the old neighbour.
      if (k < a && d < least_[k]) {
        least_[k] = d;
        nearest_[static_cast<std::size_t>(k)] = a;
      }
    }
    look(a);
    for (Eigen::Index k = 0; k + 1 < n_; ++k) {
      if (alive(k) && k != a && (nearest(k) == a || nearest(k) == b)) look(k);
    }
  }

private:
  [[nodiscard]] bool alive(Eigen::Index i) const { return alive_[static_cast<std::size_t>(i)]; }
  [[nodiscard]] Eigen::Index nearest(Eigen::Index i) const {
    return nearest_[static_cast<std::size_t>(i)];
  }
  void look(Eigen::Index i) {
    double least = kInfinity;
    Eigen::Index at = i;
    for (Eigen::Index j = i + 1; j < n_; ++j) {
      if (alive(j) && distance_(j, i) < least) {
        least = distance_(j, i);
        at = j;
      }
    }
    least_[i] = least;
    nearest_[static_cast<std::size_t>(i)] = at;
  }

  Eigen::MatrixXd& distance_;
  Eigen::Index n_;
  std::vector<bool> alive_;
  std::vector<Eigen::Index> nearest_;
  Eigen::VectorXd least_;
};

double pairs(double n) { return 0.5 * n * (n - 1.0); }

// Of a contingency table.
double adjusted_rand_of(const Eigen::MatrixXd& table) {
  const Eigen::VectorXd rows = table.rowwise().sum();
  const Eigen::RowVectorXd columns = table.colwise().sum();
  const double both = table.unaryExpr(&pairs).sum();
  const double in_a = rows.unaryExpr(&pairs).sum();
  const double in_b = columns.unaryExpr(&pairs).sum();
  const double expected = in_a * in_b / pairs(rows.sum());
  const double most = 0.5 * (in_a + in_b);
  if (most == expected) return 1.0;
  return (both - expected) / (most - expected);
}

} // namespace

std::vector<int> Cuts::labels(int k) const {
  std::vector<int> to(static_cast<std::size_t>(k_max));
  std::iota(to.begin(), to.end(), 0);
  for (int clusters = k_max; clusters > k; --clusters) {
    const Join& join = joins[static_cast<std::size_t>(k_max - clusters)];
    for (int& t : to) {
      if (t == join.from) t = join.into;
    }
  }
  std::vector<int> out;
  out.reserve(finest.size());
  for (const int label : finest) out.push_back(to[static_cast<std::size_t>(label)]);
  return renumber(out);
}

Cuts cut(const Hierarchy& hierarchy, int k_max) {
  const int n = hierarchy.n;
  Cuts out;
  out.k_max = std::min(k_max, n);
  const int n_below = n - out.k_max; // merges inside the finest clusters
  // The smallest observation under every node, and the node's finest cluster.
  std::vector<int> first(static_cast<std::size_t>(2 * n - 1));
  std::iota(first.begin(), first.begin() + n, 0);
  std::vector<int> parent(first.size(), -1);
  for (int m = 0; m < n - 1; ++m) {
    const Merge& merge = hierarchy.merges[static_cast<std::size_t>(m)];
    const auto a = static_cast<std::size_t>(merge.a);
    const auto b = static_cast<std::size_t>(merge.b);
    first[static_cast<std::size_t>(n + m)] = std::min(first[a], first[b]);
    if (m < n_below) parent[a] = parent[b] = n + m;
  }
  std::vector<int> number(static_cast<std::size_t>(n),
                          -1); // of the cluster whose first member it is
  std::vector<int> top(first.size());
  for (int node = 2 * n - 2; node >= 0; --node) {
    const auto i = static_cast<std::size_t>(node);
    top[i] = parent[i] < 0 ? node : top[static_cast<std::size_t>(parent[i])];
  }
  int next = 0;
  out.finest.reserve(static_cast<std::size_t>(n));
  for (int i = 0; i < n; ++i) {
    const int leader = first[static_cast<std::size_t>(top[static_cast<std::size_t>(i)])];
    int& label = number[static_cast<std::size_t>(leader)];
    if (label < 0) label = next++;
    out.finest.push_back(label);
  }
  for (int m = n_below; m < n - 1; ++m) {
    const Merge& merge = hierarchy.merges[static_cast<std::size_t>(m)];
    const int a = number[static_cast<std::size_t>(first[static_cast<std::size_t>(merge.a)])];
    const int b = number[static_cast<std::size_t>(first[static_cast<std::size_t>(merge.b)])];
    out.joins.push_back({std::min(a, b), std::max(a, b)});
  }
  return out;
}

Hierarchy average_linkage(Eigen::MatrixXd distance) {
  const Eigen::Index n = distance.rows();
  Hierarchy out{static_cast<int>(n), {}};
  Neighbours neighbours(distance);
  std::vector<int> node(static_cast<std::size_t>(n));
  std::iota(node.begin(), node.end(), 0);
  Eigen::VectorXd size = Eigen::VectorXd::Ones(n);
  for (Eigen::Index m = 0; m + 1 < n; ++m) {
    const auto [i, j] = neighbours.closest();
    const Eigen::Index a = std::min(i, j);
    const Eigen::Index b = std::max(i, j);
    out.merges.push_back(
        {node[static_cast<std::size_t>(a)], node[static_cast<std::size_t>(b)], distance(b, a)});
    neighbours.merge(a, b, size[a], size[b]);
    size[a] += size[b];
    node[static_cast<std::size_t>(a)] = static_cast<int>(n + m);
  }
  return out;
}

double adjusted_rand(const std::vector<int>& a, const std::vector<int>& b) {
  const std::vector<int> x = renumber(a);
  const std::vector<int> y = renumber(b);
  const auto size = [](const std::vector<int>& v) {
    return v.empty() ? 0 : *std::max_element(v.begin(), v.end()) + 1;
  };
  Eigen::MatrixXd table = Eigen::MatrixXd::Zero(size(x), size(y));
  for (std::size_t i = 0; i < x.size(); ++i) table(x[i], y[i]) += 1.0;
  return adjusted_rand_of(table);
}

Eigen::VectorXd adjusted_rand(const Cuts& a, const Cuts& b, const std::vector<int>& rows, int k_min,
                              int k_max) {
  Eigen::MatrixXd table = Eigen::MatrixXd::Zero(a.k_max, b.k_max);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    table(a.finest[static_cast<std::size_t>(rows[i])], b.finest[i]) += 1.0;
  }
  Eigen::VectorXd out(k_max - k_min + 1);
  int clusters_a = a.k_max;
  int clusters_b = b.k_max;
  for (int k = k_max; k >= k_min; --k) {
    for (; clusters_a > k; --clusters_a) {
      const auto& join = a.joins[static_cast<std::size_t>(a.k_max - clusters_a)];
      table.row(join.into) += table.row(join.from);
      table.row(join.from).setZero();
    }
    for (; clusters_b > k; --clusters_b) {
      const auto& join = b.joins[static_cast<std::size_t>(b.k_max - clusters_b)];
      table.col(join.into) += table.col(join.from);
      table.col(join.from).setZero();
    }
    out[k - k_min] = adjusted_rand_of(table);
  }
  return out;
}

} // namespace boldmill::cohort
