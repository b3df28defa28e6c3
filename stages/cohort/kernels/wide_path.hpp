// Paths of the elastic net when there are many more columns than are ever active.
#pragma once

#include <Eigen/Dense>
#include <vector>

#include "stages/cohort/kernels/elastic_net.hpp"

namespace boldmill::cohort {

// Lasso and elastic net: coordinate descent on the columns ever active, sequential strong rules
// over a few penalties at a time, then the optimality of every column checked for all of these in
// one product with X; a column that fails joins and the penalties from there are solved again. So
// the answer is that of all columns, and X is read once for several penalties.
[[nodiscard]] std::vector<ElasticNetFit>
screened_path(const Eigen::MatrixXd& x, const Eigen::VectorXd& y,
              const std::vector<double>& lambdas, const ElasticNetSettings& settings, double small);

// A ridge with more columns than rows is a ridge on at most n orthogonal columns Z = U S of
// X - mean = U S V': b = V t. Cost O(n^2 p) once, O(n p) a penalty.
class Rotation {
public:
  explicit Rotation(const Eigen::MatrixXd& x);
  [[nodiscard]] const Eigen::MatrixXd& columns() const { return z_; } // n x r, centred
  [[nodiscard]] std::vector<ElasticNetFit> back(const std::vector<ElasticNetFit>& fits) const;

private:
  const Eigen::MatrixXd& x_;
  Eigen::RowVectorXd mean_;
  Eigen::MatrixXd z_;
  Eigen::MatrixXd to_rows_; // U S^-1, n x r: b = (X - mean)' to_rows_ t
};

} // namespace boldmill::cohort
