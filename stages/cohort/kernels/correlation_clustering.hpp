// Clustering by 1 - Pearson between rows without a distance matrix: with u_i the centred rows of
// length 1, the average-linkage distance of clusters A and B is 1 - <mean of A, mean of B>, and
// sums of distances to a cluster are dot products with its sum. Searches run in float wherever
// float decides as double does.
#pragma once

#include <Eigen/Dense>
#include <vector>

#include "stages/cohort/kernels/hierarchy.hpp"

namespace boldmill::cohort {

// Rows centred and scaled to length 1 (n x p). A row without spread becomes NaN.
[[nodiscard]] Eigen::MatrixXd unit_rows(const Eigen::MatrixXd& x);
// 1 - U U', the diagonal 0.
[[nodiscard]] Eigen::MatrixXd correlation_distance(const Eigen::MatrixXd& units);

// Average linkage of unit rows by rounds of reciprocal nearest neighbours: a cluster keeps its
// neighbour until that is merged (average linkage is reducible), so about 3 n searches of n p
// multiplications are needed. Without ties the result is average_linkage's; of equal distances any
// may be merged first, always the same for the same input. Cost O(n^2 p), memory O(n p).
[[nodiscard]] Hierarchy correlation_linkage(const Eigen::MatrixXd& units);

// For k = k_min..k_max: mean silhouette (Rousseeuw 1987, doi:10.1016/0377-0427(87)90125-7; 0 for
// singletons), and sum over clusters of the distances of their pairs, each pair once.
struct CutQuality {
  Eigen::VectorXd silhouette, within_sum;
};
[[nodiscard]] CutQuality cut_quality(const Eigen::MatrixXd& units, const Cuts& cuts, int k_min);
// Per row, of one labelling 0..k-1.
[[nodiscard]] Eigen::VectorXd silhouette_widths(const Eigen::MatrixXd& units,
                                                const std::vector<int>& labels);

} // namespace boldmill::cohort
