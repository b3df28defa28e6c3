// Column by column: batch means and spread around them after covariates, the first half of ComBat.
//   y_ij = b_i + x_ij c + e_ij  by least squares (Frisch-Waugh: c from batch-centred x and y).
// A missing value leaves out its row for that column. Every column is read once, in cache.
#pragma once

#include <Eigen/Dense>
#include <cstdint>
#include <string>
#include <vector>

#include "stages/core/stage_info.hpp"

namespace boldmill::cohort {

// Rows of every batch, and what least squares needs of the covariates alone.
struct BatchDesign {
  std::vector<int> batches;                    // B ids, ascending
  std::vector<std::vector<Eigen::Index>> rows; // B
  Eigen::MatrixXd covariates;                  // n x q
  Eigen::MatrixXd covariate_mean;              // B x q
  Eigen::MatrixXd centred;                     // n x q
  Eigen::MatrixXd solver;                      // q x n: coefficients = solver * (y - batch mean)
};
// Throws input: a covariate that is missing somewhere, constant inside every batch, or a
// combination of others; `names` (q) serve the message.
[[nodiscard]] BatchDesign batch_design(const std::vector<int>& batch,
                                       const Eigen::MatrixXd& covariates,
                                       const std::vector<std::string>& names);

struct BatchMoments {
  Eigen::MatrixXd intercept;      // p x B, NaN: the batch lacks the column
  Eigen::MatrixXd sum_of_squares; // p x B, of residuals
  Eigen::MatrixXd count;          // p x B
  Eigen::MatrixXd coefficients;   // q x p; zero where `usable` is 0
  // p; 0: no value, no spread inside batches, or covariates confounded on the rows present
  std::vector<std::uint8_t> usable;
};
[[nodiscard]] BatchMoments batch_moments(const Eigen::Map<const Eigen::MatrixXd>& x,
                                         const BatchDesign& design, const Context& context);

} // namespace boldmill::cohort
