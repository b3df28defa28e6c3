// From clusters to a rule for new people: the centroid a profile correlates with most, how clearly,
// and whether clusters of other samples say the same.
#pragma once

#include <Eigen/Dense>
#include <cstdint>
#include <string>
#include <vector>

#include "stages/core/stage_info.hpp"

namespace boldmill::cohort {

struct AssignmentModel {
  Eigen::MatrixXd centroid;               // k x p, means of features
  std::vector<Eigen::MatrixXd> resampled; // the same clusters of bootstrap samples, in this order
  double min_margin = 0.05;               // below: unclassified
  double min_stability = 0.5;
};
struct Assignment {
  std::vector<int> label;      // n, the nearest centroid, -1: a missing value or no spread
  std::vector<int> classified; // n, the label, or -1 where margin or stability are too small
  Eigen::MatrixXd correlation; // n x k
  Eigen::VectorXd margin;      // n, best minus second correlation
  Eigen::VectorXd stability;   // n, share of bootstrap samples with the same nearest centroid
};
[[nodiscard]] Assignment assign(const AssignmentModel& model, const Eigen::MatrixXd& x);

// Means of the members' rows, k x p. labels: 0..k-1, -1 takes no part.
[[nodiscard]] Eigen::MatrixXd cluster_means(const Eigen::MatrixXd& x,
                                            const std::vector<int>& labels, int k);
// Centroids of `count` bootstrap samples (the people of each once), clustered anew and matched to
// `centroid` one to one: the most correlated pair first. x: n x p, complete.
[[nodiscard]] std::vector<Eigen::MatrixXd> bootstrap_centroids(const Eigen::MatrixXd& x,
                                                               const Eigen::MatrixXd& centroid,
                                                               int count, std::uint64_t seed,
                                                               const Context& context);

// What stands out: groups of features whose mean is at least `prominent` from 0, as "A+ B-".
// group: p, the score a feature belongs to.
[[nodiscard]] std::string profile_name(const Eigen::RowVectorXd& centroid,
                                       const std::vector<std::string>& group, double prominent);

} // namespace boldmill::cohort
