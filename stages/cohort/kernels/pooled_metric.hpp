// A metric by group (site, sex, age band), each with its standard error, and pooled over sites.
#pragma once

#include <Eigen/Dense>
#include <vector>

namespace boldmill::cohort {

struct MetricInGroup {
  int n = 0;
  double value = 0.0;                     // r, or AUC when binary
  double lower = 0.0, upper = 0.0;        // 95 %, of these predictions: not of the refitting
  double transformed = 0.0, variance = 0; // atanh r, or AUC as it is
};
// AUC: variance of DeLong 1988 (doi:10.2307/2531595), at least that of one discordant pair; r:
// atanh r with variance 1 / (n - 3). NaN with fewer than 4 rows or one class only.
[[nodiscard]] MetricInGroup metric_in_group(bool binary, const Eigen::VectorXd& y,
                                            const Eigen::VectorXd& prediction,
                                            const std::vector<Eigen::Index>& rows);

// Random-effects mean over groups that have a value (DerSimonian & Laird 1986,
// doi:10.1016/0197-2456(86)90046-2) with 95 % interval; q is Cochran's, i2 the share of the
// variation beyond sampling (0..1). Two groups at least, otherwise NaN.
struct PooledMetric {
  int n_groups = 0;
  double value = 0.0, lower = 0.0, upper = 0.0;
  double tau2 = 0.0, q = 0.0, i2 = 0.0, q_p = 1.0; // tau2 on the transformed scale
};
[[nodiscard]] PooledMetric pool_groups(bool binary, const std::vector<MetricInGroup>& groups);

} // namespace boldmill::cohort
