// A dendrogram, what its upper part says about partitions, and agreement of partitions.
#pragma once

#include <Eigen/Dense>
#include <vector>

namespace boldmill::cohort {

// Nodes 0..n-1 are the observations, node n + i is the i-th merge.
struct Merge {
  int a = 0, b = 0;
  double height = 0.0;
};
struct Hierarchy {
  int n = 0;
  std::vector<Merge> merges; // n - 1, by height; a node stands before the merge that uses it
};

// The partitions into k = k_max, k_max - 1, ..., 1 clusters. Clusters are numbered by their first
// member, as R's cutree does; a join puts `from` into `into`, into < from.
struct Cuts {
  struct Join {
    int into = 0, from = 0;
  };
  std::vector<int> finest; // n, 0..k_max-1
  int k_max = 0;           // at most n
  std::vector<Join> joins; // k_max - 1, in numbers of the finest partition

  [[nodiscard]] std::vector<int> labels(int k) const; // 0..k-1
};
[[nodiscard]] Cuts cut(const Hierarchy& hierarchy, int k_max);

// Average linkage (UPGMA) of a symmetric distance matrix. Ties as R's hclust: of equal distances
// the pair with the lowest first, then the lowest second observation; a cluster stands where its
// first member stood. Heights agree with R's to rounding. O(n^2) memory, usually O(n^2) time.
[[nodiscard]] Hierarchy average_linkage(Eigen::MatrixXd distance);

// Adjusted Rand index (Hubert & Arabie 1985, doi:10.1007/BF01908075) of two labellings of the same
// observations; 1 when both hold one cluster, or n.
[[nodiscard]] double adjusted_rand(const std::vector<int>& a, const std::vector<int>& b);
// For k = k_min..k_max at once: `rows[i]` is the observation of `a` that is observation i of `b`.
[[nodiscard]] Eigen::VectorXd adjusted_rand(const Cuts& a, const Cuts& b,
                                            const std::vector<int>& rows, int k_min, int k_max);

} // namespace boldmill::cohort
