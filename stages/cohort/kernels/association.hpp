// How much of an outcome the site (or scanner, or arm) alone explains: what a model of imaging must
// beat, and what harmonisation would remove or leak.
#pragma once

#include <Eigen/Dense>
#include <string>
#include <vector>

namespace boldmill::cohort {

struct Association {
  std::string measure;         // "eta_squared" or "cramers_v"
  double value = 0.0;          // 0 none, 1 complete; NaN: fewer than two groups, or no spread
  double statistic = 0.0;      // F or chi-square
  double df1 = 0.0, df2 = 0.0; // df2 of F only
  double p_value = 1.0;
  int n = 0;                      // people with group and outcome
  double smallest_expected = 0.0; // count of a cell, chi-square only: below 5 the p is rough
};
// Numbers: share of variance between groups, one-way F test. Group -1 and NaN are left out.
[[nodiscard]] Association group_outcome(const std::vector<int>& group, const Eigen::VectorXd& y);
// Classes (0..): Pearson's chi-square without continuity correction. -1 is left out.
[[nodiscard]] Association group_class(const std::vector<int>& group, const std::vector<int>& label);

} // namespace boldmill::cohort
