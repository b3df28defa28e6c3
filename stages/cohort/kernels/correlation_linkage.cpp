#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>
#include <numeric>

#include "stages/cohort/kernels/correlation_clustering.hpp"

namespace boldmill::cohort {
namespace {

using Lanes [[gnu::vector_size(32)]] = float;
using Mask [[gnu::vector_size(32)]] = int;

constexpr int kQueries = 4; // searched together, so that a panel is read once for four
constexpr int kHalf = 8;    // floats of a register
constexpr int kPanel = 2 * kHalf;
constexpr float kInfinity = std::numeric_limits<float>::infinity();

// Two registers of clusters: cluster j, feature f lies in panel (j / 16) p + f, lane j % 16.
struct Panel {
  Lanes half[2] = {};
};
using Query = std::array<float, kQueries>; // one feature of the clusters that look

// The largest dot products of a query so far, lane by lane, and in which group of 16 they were.
struct Best {
  Lanes first = Lanes{} - kInfinity;
  Lanes second = Lanes{} - kInfinity;
  Mask group = {};

  void take(Lanes dot, Mask now) {
    const Lanes lower = dot < first ? dot : first;
    second = second > lower ? second : lower;
    group = dot > first ? now : group;
    first = dot > first ? dot : first;
  }
};

// Dot products of four clusters with the sixteen of a group.
[[gnu::always_inline]] inline void multiply(const Panel* panel, const Query* query, int p,
                                            Lanes (*dot)[2]) {
  Lanes a0{}, a1{}, b0{}, b1{}, c0{}, c1{}, d0{}, d1{};
  for (int f = 0; f < p; ++f) {
    const Lanes x0 = panel[f].half[0];
    const Lanes x1 = panel[f].half[1];
    const Query& q = query[f];
    a0 += q[0] * x0;
    a1 += q[0] * x1;
    b0 += q[1] * x0;
    b1 += q[1] * x1;
    c0 += q[2] * x0;
    c1 += q[2] * x1;
    d0 += q[3] * x0;
    d1 += q[3] * x1;
  }
  dot[0][0] = a0;
  dot[0][1] = a1;
  dot[1][0] = b0;
  dot[1][1] = b1;
  dot[2][0] = c0;
  dot[2][1] = c1;
  dot[3][0] = d0;
  dot[3][1] = d1;
}

// Functions of their own, so that the sums stay in registers.
[[gnu::noinline]] void compare(const Panel* panel, const Query* query, int p, int group,
                               Best (*best)[2]) {
  Lanes dot[kQueries][2];
  multiply(panel, query, p, dot);
  const Mask now = Mask{} + group;
  for (int q = 0; q < kQueries; ++q) {
    best[q][0].take(dot[q][0], now);
    best[q][1].take(dot[q][1], now);
  }
}
// The same for a group that holds a query itself, or the end: `skip`, bit by bit, the clusters that
// do not count for a query.
[[gnu::noinline]] void compare_some(const Panel* panel, const Query* query, int p, int group,
                                    const std::array<unsigned, kQueries>& skip, Best (*best)[2]) {
  Lanes dot[kQueries][2];
  multiply(panel, query, p, dot);
  const Mask now = Mask{} + group;
  for (int q = 0; q < kQueries; ++q) {
    for (int lane = 0; lane < kPanel; ++lane) {
      if ((skip[static_cast<std::size_t>(q)] >> lane & 1U) == 0) continue;
      dot[q][lane / kHalf][lane % kHalf] = -kInfinity;
    }
    best[q][0].take(dot[q][0], now);
    best[q][1].take(dot[q][1], now);
  }
}

// The clusters that are left. Neighbours are looked for in float; where the two nearest are closer
// to each other than float can tell, they are looked for again in double: the result is that of
// double throughout.
class Rounds {
public:
  explicit Rounds(const Eigen::MatrixXd& units)
      : n_(static_cast<int>(units.rows())), p_(static_cast<int>(units.cols())), left_(n_),
        // Of two dot products of vectors no longer than 1, rounding of the factors included.
        doubt_(static_cast<float>(p_ + 3) * std::numeric_limits<float>::epsilon()),
        centroid_(units.transpose()),
        panels_(static_cast<std::size_t>((n_ + kPanel - 1) / kPanel * p_)),
        query_(static_cast<std::size_t>(p_)), size_(static_cast<std::size_t>(n_), 1.0),
        node_(static_cast<std::size_t>(n_)), near_(static_cast<std::size_t>(n_), -1) {
    std::iota(node_.begin(), node_.end(), 0);
    for (int j = 0; j < n_; ++j) copy_to_panel(j);
  }

  Hierarchy run() {
    Hierarchy out{n_, {}};
    out.merges.reserve(static_cast<std::size_t>(n_));
    std::vector<int> stale;
    while (left_ > 1) {
      stale.clear();
      for (int j = 0; j < left_; ++j) {
        if (near_[index(j)] < 0) stale.push_back(j);
      }
      for (std::size_t s = 0; s < stale.size(); s += kQueries) {
        look(&stale[s], static_cast<int>(std::min<std::size_t>(kQueries, stale.size() - s)));
      }
      // Only exact ties leave no pair: all look again, and of equals the lowest place is nearest.
      if (!merge_pairs(out)) std::fill(near_.begin(), near_.end(), -1);
    }
    return out;
  }

private:
  static std::size_t index(int i) { return static_cast<std::size_t>(i); }

  void copy_to_panel(int j) {
    Panel* panel = &panels_[index(j / kPanel * p_)];
    const int half = j % kPanel / kHalf;
    for (int f = 0; f < p_; ++f) {
      panel[f].half[half][j % kHalf] = static_cast<float>(centroid_(f, j));
    }
  }

  void look(const int* who, int count) {
    for (int f = 0; f < p_; ++f) {
      for (int q = 0; q < kQueries; ++q) {
        query_[index(f)][index(q)] = static_cast<float>(centroid_(f, who[std::min(q, count - 1)]));
      }
    }
    Best best[kQueries][2];
    const int n_groups = (left_ + kPanel - 1) / kPanel;
    for (int group = 0; group < n_groups; ++group) {
      std::array<unsigned, kQueries> skip{};
      unsigned any = 0;
      for (int q = 0; q < count; ++q) any |= skip[index(q)] = skipped(group, who[q]);
      const Panel* panel = &panels_[index(group * p_)];
      if (any == 0) {
        compare(panel, query_.data(), p_, group, best);
      } else {
        compare_some(panel, query_.data(), p_, group, skip, best);
      }
    }
    for (int q = 0; q < count; ++q) near_[index(who[q])] = nearest(who[q], best[q]);
  }

  // Clusters of the group that do not count for a query: itself, and those beyond the last.
  [[nodiscard]] unsigned skipped(int group, int who) const {
    const int n_here = left_ - group * kPanel;
    const unsigned beyond = n_here < kPanel ? ~0U << n_here : 0U;
    return beyond | (who / kPanel == group ? 1U << who % kPanel : 0U);
  }

  [[nodiscard]] int nearest(int who, const Best* best) const {
    float first = -kInfinity;
    float second = -kInfinity;
    int at = -1;
    for (int half = 0; half < 2; ++half) {
      for (int lane = 0; lane < kHalf; ++lane) {
        const float dot = best[half].first[lane];
        second = std::max({second, best[half].second[lane], std::min(first, dot)});
        if (!(dot > first)) continue;
        first = dot;
        at = best[half].group[lane] * kPanel + half * kHalf + lane;
      }
    }
    return first - second > doubt_ ? at : nearest_in_double(who);
  }

  [[nodiscard]] int nearest_in_double(int who) const {
    int at = -1;
    double largest = -std::numeric_limits<double>::infinity();
    for (int j = 0; j < left_; ++j) {
      if (j == who) continue;
      const double dot = centroid_.col(j).dot(centroid_.col(who));
      if (!(dot > largest)) continue;
      largest = dot;
      at = j;
    }
    return at;
  }

  // Merges every pair of mutual nearest neighbours; false when there is none.
  bool merge_pairs(Hierarchy& out) {
    pairs_.clear();
    for (int j = 0; j < left_; ++j) {
      const int other = near_[index(j)];
      if (j < other && near_[index(other)] == j) pairs_.push_back({j, other});
    }
    change_.assign(index(left_), Change::none);
    for (const auto& [a, b] : pairs_) {
      const std::size_t i = index(a);
      const std::size_t j = index(b);
      out.merges.push_back({node_[i], node_[j], 1.0 - centroid_.col(a).dot(centroid_.col(b))});
      const double share = size_[i] / (size_[i] + size_[j]);
      centroid_.col(a) = share * centroid_.col(a) + (1.0 - share) * centroid_.col(b);
      copy_to_panel(a);
      size_[i] += size_[j];
      node_[i] = n_ + static_cast<int>(out.merges.size()) - 1;
      change_[i] = Change::merged;
      change_[j] = Change::gone;
    }
    close_gaps();
    return !pairs_.empty();
  }

  // Clusters from the end fill the places of those that are gone. Who pointed at a changed cluster
  // looks again; so does every merged one, whose neighbour was the other of its pair.
  void close_gaps() {
    place_.resize(index(left_));
    std::iota(place_.begin(), place_.end(), 0);
    int end = left_;
    for (int j = 0; j < end; ++j) {
      if (change_[index(j)] != Change::gone) continue;
      do --end;
      while (end > j && change_[index(end)] == Change::gone);
      if (end == j) break;
      centroid_.col(j) = centroid_.col(end);
      copy_to_panel(j);
      size_[index(j)] = size_[index(end)];
      node_[index(j)] = node_[index(end)];
      near_[index(j)] = near_[index(end)];
      place_[index(end)] = j;
    }
    left_ -= static_cast<int>(pairs_.size());
    for (int j = 0; j < left_; ++j) {
      int& near = near_[index(j)];
      near = change_[index(near)] == Change::none ? place_[index(near)] : -1;
    }
  }

  enum class Change : std::uint8_t { none, merged, gone };

  int n_, p_;
  int left_;
  float doubt_;
  Eigen::MatrixXd centroid_; // p x n, the first left_ columns
  std::vector<Panel> panels_;
  std::vector<Query> query_;
  std::vector<double> size_;
  std::vector<int> node_;
  std::vector<int> near_; // -1: to be looked for
  std::vector<std::pair<int, int>> pairs_;
  std::vector<Change> change_;
  std::vector<int> place_; // where a cluster went
};

// By height, a node before the merge that uses it: rounding must not turn that around.
void sort_merges(Hierarchy& hierarchy) {
  const int n = hierarchy.n;
  auto& merges = hierarchy.merges;
  for (Merge& merge : merges) {
    for (const int node : {merge.a, merge.b}) {
      if (node >= n) {
        merge.height = std::max(merge.height, merges[static_cast<std::size_t>(node - n)].height);
      }
    }
  }
  std::vector<int> order(merges.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int i, int j) {
    return merges[static_cast<std::size_t>(i)].height < merges[static_cast<std::size_t>(j)].height;
  });
  std::vector<int> place(merges.size());
  for (std::size_t i = 0; i < order.size(); ++i) {
    place[static_cast<std::size_t>(order[i])] = static_cast<int>(i);
  }
  std::vector<Merge> sorted;
  sorted.reserve(merges.size());
  const auto renamed = [&](int node) {
    return node < n ? node : n + place[static_cast<std::size_t>(node - n)];
  };
  for (const int i : order) {
    const Merge& merge = merges[static_cast<std::size_t>(i)];
    sorted.push_back({renamed(merge.a), renamed(merge.b), merge.height});
  }
  merges = std::move(sorted);
}

} // namespace

Hierarchy correlation_linkage(const Eigen::MatrixXd& units) {
  Hierarchy out = Rounds(units).run();
  sort_merges(out);
  return out;
}

} // namespace boldmill::cohort
