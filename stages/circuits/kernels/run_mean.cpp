#include "stages/circuits/kernels/run_mean.hpp"

#include <cmath>
#include <limits>

namespace boldmill::circuits {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

void combine(std::span<const RunEstimate> runs, RunMean& out) {
  double variance = 0.0;
  out.value = out.dof = 0.0;
  for (std::size_t r = 0; r < runs.size(); ++r) {
    const double w = out.weights[r];
    if (w == 0.0) continue;
    out.value += w * runs[r].value;
    variance += w * w * runs[r].se * runs[r].se;
    out.dof += runs[r].dof;
  }
  out.se = std::sqrt(variance);
}

} // namespace

RunMean run_mean(std::span<const RunEstimate> runs, bool by_precision) {
  RunMean out{kNaN, kNaN, kNaN, kNaN, {}, std::vector<double>(runs.size(), 0.0)};
  const RunEstimate* only = nullptr;
  std::size_t n = 0;
  double sum = 0.0;
  for (const RunEstimate& run : runs) {
    if (!std::isnan(run.value) && !(run.se > 0.0)) by_precision = false;
  }
  for (std::size_t r = 0; r < runs.size(); ++r) {
    const RunEstimate& run = runs[r];
    if (std::isnan(run.value)) {
      out.reason += (out.reason.empty() ? "" : "; ") + run.run_id + ": " + run.reason;
      continue;
    }
    out.weights[r] = by_precision ? 1.0 / (run.se * run.se) : 1.0;
    sum += out.weights[r];
    out.coverage = std::fmin(out.coverage, run.coverage);
    only = &run;
    ++n;
  }
  if (n == 0) return out;
  out.reason.clear();
  for (double& weight : out.weights) weight /= sum;
  combine(runs, out);
  if (n == 1) { // the run's own numbers, to the last bit
    out.value = only->value;
    out.se = only->se;
  }
  return out;
}

} // namespace boldmill::circuits
