// Principal components of the voxels of one mask, as compcor makes them and confounds lists them.
#pragma once

#include <Eigen/Dense>
#include <cstddef>
#include <string>

namespace boldmill {

struct ComponentSet {
  std::string prefix; // of the columns: "a_comp_cor_", "edge_comp_", ...
  std::string method; // of the sidecar: "aCompCor", "tCompCor", "EdgeRegressor"
  std::string mask;   // of the sidecar: "CSF", "WM", "combined", "Edge"; empty for tCompCor
  std::size_t n_voxels = 0;
  Eigen::VectorXd mean;                          // T, plain mean of the series over the mask
  Eigen::MatrixXd components;                    // T x k, columns of length 1, zero on dummies
  Eigen::VectorXd singular_value;                // k, descending
  Eigen::VectorXd variance_explained;            // k, fraction of the mask's variance
  Eigen::VectorXd cumulative_variance_explained; // k
};

} // namespace boldmill
