// Cubic B-splines of one variable.
#pragma once

#include <Eigen/Dense>

namespace boldmill::cohort {

struct SplineBasis {
  Eigen::VectorXd knots; // ascending; the first and the last stand for four each

  // Interior knots at equally spaced quantiles of the values present. Values that are all equal
  // give a basis without columns.
  [[nodiscard]] static SplineBasis at_quantiles(const Eigen::VectorXd& values, int interior);
  [[nodiscard]] Eigen::Index size() const; // columns: interior + 3
  // n x size(): all basis functions but the first (they add up to 1). Outside the knots the value
  // at the nearest end; NaN gives NaN.
  [[nodiscard]] Eigen::MatrixXd evaluate(const Eigen::VectorXd& values) const;
};

} // namespace boldmill::cohort
