// The tests of the published chain: one-sample signed rank as R's wilcox.test, its effect size, and
// 2 x 2 tables as R's chisq.test.
#pragma once

#include <Eigen/Dense>
#include <span>

namespace boldmill::cohort {

struct SignedRank {
  int n = 0;              // values that are neither missing nor equal to mu
  int n_present = 0;      // values that are not missing
  double statistic = 0.0; // V: sum of the ranks of |x - mu| where x > mu, ties averaged
  double p_value = 1.0;   // two-sided
  bool exact = false;     // n < 50, no ties, no zeros; otherwise normal with continuity correction
  double z = 0.0;         // without continuity correction, variance corrected for ties
  double r = 0.0;         // z / sqrt(n_present)
  double hodges_lehmann = 0.0; // median of the Walsh averages of the values kept
  // Values of mu that the same test does not reject: order statistics of the Walsh averages. Exact
  // test: R's. Normal: where R searches a root to 1e-4, the step itself.
  double lower = 0.0, upper = 0.0;
};
// NaN values are ignored; with nothing left all results are NaN (p 1).
[[nodiscard]] SignedRank signed_rank(std::span<const double> values, double mu,
                                     double confidence = 0.95);

struct TwoByTwo {
  double statistic = 0.0, p_value = 1.0; // Pearson's chi-square with Yates' correction
  double odds_ratio = 1.0;               // of the table as it is
};
// Rows (a, b) and (c, d). NaN where a margin is empty.
[[nodiscard]] TwoByTwo two_by_two(double a, double b, double c, double d);

} // namespace boldmill::cohort
