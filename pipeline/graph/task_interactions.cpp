// The psychophysiological interactions of a task run.
#include <algorithm>
#include <cmath>

#include "pipeline/graph/task_run.hpp"
#include "pipeline/graph/task_run_parts.hpp"
#include "stages/circuits/measure_covariance.hpp"
#include "stages/core/outcome.hpp"
#include "stages/ppi/kernels/kept_rows.hpp"
#include "stages/ppi/ppi.hpp"
#include "stages/task/hrf.hpp"

namespace boldmill::graph {
namespace {

// Conditions on the microtime grid, in the design's order without those that have no event.
struct Psychological {
  std::vector<std::string> names;
  Eigen::MatrixXd bins;
};

Psychological psychological_of(const task_design::Design& design,
                               const std::vector<task_design::Event>& events, int n_volumes,
                               double tr_s, int n_bins) {
  Psychological out;
  for (const task_design::Condition& condition : design.conditions) {
    if (!condition.missing.empty()) continue;
    std::vector<ppi::Event> own;
    for (std::size_t e = 0; e < events.size(); ++e) {
      const auto& types = condition.trial_types;
      const auto& left = design.unmodelled;
      if (std::find(types.begin(), types.end(), events[e].trial_type) == types.end()) continue;
      if (std::binary_search(left.begin(), left.end(), e)) continue;
      own.push_back({events[e].onset_s, events[e].duration_s, events[e].amplitude});
    }
    out.names.push_back(condition.name);
    out.bins.conservativeResize(Eigen::Index{n_volumes} * n_bins, out.bins.cols() + 1);
    out.bins.rightCols(1) = ppi::microtime_condition(own, n_volumes, tr_s, n_bins);
  }
  return out;
}

// The bin, from 0, whose time is the moment a volume stands for; SPM's is one earlier.
int sampled_bin(const task_design::Params& params, int n_bins) {
  const int bin = static_cast<int>(std::round(params.slice_time_ref * n_bins));
  return std::clamp(params.variant == "spm" ? bin - 1 : bin, 0, n_bins - 1);
}

} // namespace

void TaskRun::add_interactions(const task_design::Design& design,
                               std::span<const std::uint8_t> keep, bool with_influence,
                               std::vector<MeasureOfRun>& out) const {
  ppi::Params params;
  params.deconvolution = c_.ppi.deconvolution;
  params.center_conditions = c_.ppi.center_conditions;
  params.min_dof = c_.ppi.min_dof;
  params.noise = c_.ppi.noise;
  params.reference_bin = sampled_bin(params_, params.bins_per_volume);
  const Psychological conditions = psychological_of(design, events_.events, in_.run->n_volumes,
                                                    in_.run->tr_s, params.bins_per_volume);
  ppi::Inputs inputs;
  inputs.tr_s = in_.run->tr_s;
  inputs.series = series_.cast<double>();
  inputs.regions = names_;
  inputs.keep = keep;
  inputs.confounds =
      columns_with(design, {"confound", "drift", "spike", "derivative", "modulator"});
  inputs.hrf = hrf::spm_basis(params_.hrf.starts_with("glover") ? "glover" : "spm", in_.run->tr_s,
                              params.bins_per_volume)
                   .col(0);
  inputs.psychological = conditions.bins;
  inputs.conditions = conditions.names;
  for (const taxonomy::Contrast& contrast : task_.contrasts) {
    Eigen::VectorXd weights =
        Eigen::VectorXd::Zero(static_cast<Eigen::Index>(conditions.names.size()));
    for (std::size_t k = 0; k < conditions.names.size(); ++k) {
      const auto weight = contrast.weights.find(conditions.names[k]);
      if (weight != contrast.weights.end()) weights[static_cast<Eigen::Index>(k)] = weight->second;
    }
    inputs.contrasts.push_back({contrast.name, weights});
  }
  std::vector<MeasureOfRun*> asked_by;
  std::vector<double> coverage;
  for (MeasureOfRun& each : out) {
    const Asked asked = ask(each.measure);
    if (asked.measure->kind != taxonomy::MeasureKind::ppi || !asked.reason.empty()) continue;
    inputs.questions.push_back(
        {asked.a, asked.b, static_cast<std::size_t>(asked.contrast - task_.contrasts.data())});
    asked_by.push_back(&each);
    coverage.push_back(asked.coverage);
  }
  if (asked_by.empty()) return;
  const auto made = capture([&] { return ppi::run(inputs, params, context_); });
  const std::vector<Eigen::Index> kept = kept_rows(keep, series_.rows(), "ppi");
  for (std::size_t q = 0; q < asked_by.size(); ++q) {
    circuits::RunEstimate& estimate = asked_by[q]->estimate;
    if (const auto* failure = std::get_if<Failure>(&made)) {
      estimate.reason = reason_of(*failure);
      continue;
    }
    const ppi::Estimate& result = std::get<ppi::Outputs>(made).estimates[q];
    estimate.reason = result.reason;
    if (!result.reason.empty()) continue;
    estimate.value = result.effect;
    estimate.se = std::sqrt(result.variance);
    estimate.dof = result.dof;
    estimate.coverage = coverage[q];
    if (!with_influence) continue;
    asked_by[q]->influence =
        measure_covariance::over_all_volumes(result.influence, kept, series_.rows());
  }
}

} // namespace boldmill::graph
