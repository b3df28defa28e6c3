// What several imputations say together.
#pragma once

#include <Eigen/Dense>
#include <vector>

namespace boldmill::cohort {

// Rubin's rules (doi:10.1002/9780470316696): only for estimates that come with a variance.
struct PooledEstimate {
  double estimate = 0.0;
  double within = 0.0, between = 0.0, total = 0.0; // variances
  double degrees_of_freedom = 0.0;                 // Barnard & Rubin 1999
  double due_to_missing = 0.0;                     // share, (between + between / m) / total
};
// estimates, variances: m >= 2 each. complete_df: of the analysis without missing values, infinity
// when it is large.
[[nodiscard]] PooledEstimate pool_estimates(const Eigen::VectorXd& estimates,
                                            const Eigen::VectorXd& variances, double complete_df);

// Labels have no mean: how often two people share a cluster.
struct CoAssignment {
  std::vector<int> label;  // n, of the consensus, 0.. by first member; -1: not labelled
  Eigen::VectorXd support; // n, mean share with the others of his cluster; NaN alone or unlabelled
};
// labels: n x m, -1 in every column for people that are not labelled. Average linkage of 1 - share,
// cut into k.
[[nodiscard]] CoAssignment co_assignment(const Eigen::MatrixXi& labels, int k);

} // namespace boldmill::cohort
