// One measure from several runs: fixed effects. By precision sum(v_r / se_r^2) / sum(1 / se_r^2)
// with se = 1 / sqrt(sum 1 / se_r^2), plain mean when a standard error is unknown or weights are to
// be equal (se = sqrt(sum se_r^2) / n). Degrees of freedom add up. Runs without a value are left
// out; without any the reasons of all are the reason.
#pragma once

#include <span>
#include <string>
#include <vector>

namespace boldmill::circuits {

struct RunEstimate {
  std::string run_id;
  double value = 0.0;    // NaN when missing
  double se = 0.0;       // NaN when not known
  double dof = 0.0;      // of se, NaN when not known
  double coverage = 0.0; // smallest region coverage
  std::string reason;    // why missing, without the run's name
};
struct RunMean {
  double value = 0.0, se = 0.0, dof = 0.0, coverage = 0.0; // NaN when missing or unknown
  std::string reason;                                      // "" when present
  std::vector<double> weights; // one per run, sum 1; 0 for a run without a value
};
[[nodiscard]] RunMean run_mean(std::span<const RunEstimate> runs, bool by_precision);

} // namespace boldmill::circuits
