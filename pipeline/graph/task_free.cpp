#include "pipeline/graph/task_free.hpp"

#include <algorithm>
#include <cmath>

#include "stages/connectivity/volume_selection.hpp"
#include "stages/core/outcome.hpp"

namespace boldmill::graph {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
using Map = Eigen::Map<const Eigen::MatrixXf>;

Map view(const Eigen::MatrixXf& series) { return {series.data(), series.rows(), series.cols()}; }

// The runs as correlation sees them: each on its own, or all in one.
struct Part {
  std::string run_id;
  Eigen::MatrixXf series;
  std::vector<std::uint8_t> keep;
  std::vector<double> coverage;
  int n_regressed = 0;
};

std::vector<Part> parts_of(const TaskFreeInputs& inputs) {
  std::vector<Part> parts;
  for (const TaskFreeRun& run : inputs.runs) {
    parts.push_back({run.run_id, run.series, run.keep, run.coverage, run.n_regressed});
  }
  if (!inputs.residual || parts.size() < 2) return parts;
  std::vector<volume_selection::Run> runs;
  Part all{"residuals of " + std::to_string(parts.size()) + " runs", {}, {}, parts[0].coverage, 0};
  for (const Part& part : parts) {
    runs.push_back({view(part.series), part.keep});
    all.n_regressed += part.n_regressed;
    for (std::size_t r = 0; r < all.coverage.size(); ++r) {
      all.coverage[r] = std::min(all.coverage[r], part.coverage[r]); // NaN stays
    }
  }
  volume_selection::Combined combined = volume_selection::combine(runs);
  all.series = std::move(combined.series);
  all.keep = std::move(combined.keep);
  return {all};
}

// Halves are those of each run, also where runs stand one after the other.
std::vector<std::uint8_t> part_half(const TaskFreeInputs& inputs, const std::vector<Part>& parts,
                                    std::size_t p, bool second) {
  if (parts.size() == inputs.runs.size()) return half_of(parts[p].keep, second);
  std::vector<std::uint8_t> out;
  for (const TaskFreeRun& run : inputs.runs) {
    const auto half = half_of(run.keep, second);
    out.insert(out.end(), half.begin(), half.end());
  }
  return out;
}

template <class KeepOf>
std::vector<intrinsic_measures::Measure>
measure(const TaskFreeInputs& inputs, const std::vector<Part>& parts, KeepOf&& keep_of,
        const config::Config& config, const Context& context) {
  intrinsic_measures::Inputs own;
  own.taxonomy = inputs.taxonomy;
  own.regions = *inputs.regions;
  own.no_runs_reason = inputs.no_runs_reason;
  for (std::size_t p = 0; p < parts.size(); ++p) {
    const std::vector<std::uint8_t> keep = keep_of(p);
    const auto edges = correlation::run({view(parts[p].series), keep, parts[p].n_regressed},
                                        config.correlation, context);
    own.runs.push_back({parts[p].run_id, edges.fisher_z, edges.fisher_z_se, parts[p].coverage});
  }
  return intrinsic_measures::run(own, config.intrinsic_measures, context).measures;
}

void add_influence(const TaskFreeInputs& inputs, const std::vector<Part>& parts,
                   const config::Config& config, TaskFree& out) {
  const auto column = taxonomy::region_columns(*inputs.taxonomy, *inputs.regions);
  std::vector<std::pair<std::size_t, std::size_t>> edges;
  std::vector<std::size_t> measures;
  for (std::size_t m = 0; m < out.measures.size(); ++m) {
    if (std::isnan(out.measures[m].value)) continue;
    const taxonomy::Measure& measure = inputs.taxonomy->measures[m];
    edges.emplace_back(column.at(measure.region_a), column.at(measure.region_b));
    measures.push_back(m);
  }
  for (const TaskFreeRun& run : inputs.runs) {
    out.influence.emplace_back(
        Eigen::MatrixXd::Zero(run.series.rows(), static_cast<Eigen::Index>(out.measures.size())));
  }
  for (std::size_t p = 0; p < parts.size(); ++p) {
    const Eigen::MatrixXd all = correlation::influence({view(parts[p].series), parts[p].keep, 0},
                                                       edges, config.correlation);
    const bool joined = parts.size() != inputs.runs.size();
    Eigen::Index first = 0;
    for (std::size_t r = joined ? 0 : p; r < (joined ? inputs.runs.size() : p + 1); ++r) {
      const Eigen::Index n = out.influence[r].rows();
      for (std::size_t e = 0; e < measures.size(); ++e) {
        out.influence[r].col(static_cast<Eigen::Index>(measures[e])) =
            out.measures[measures[e]].weights[p] *
            all.col(static_cast<Eigen::Index>(e)).segment(first, n);
      }
      first += n;
    }
  }
}

} // namespace

std::vector<std::uint8_t> half_of(std::span<const std::uint8_t> keep, bool second) {
  const auto n = std::count_if(keep.begin(), keep.end(), [](std::uint8_t k) { return k != 0; });
  std::vector<std::uint8_t> out(keep.size(), 0);
  std::ptrdiff_t seen = 0;
  for (std::size_t t = 0; t < keep.size(); ++t) {
    if (keep[t] == 0) continue;
    out[t] = (seen++ >= n / 2) == second ? 1 : 0;
  }
  return out;
}

TaskFree task_free_measures(const TaskFreeInputs& inputs, const config::Config& config,
                            const Context& context) {
  const std::vector<Part> parts = parts_of(inputs);
  TaskFree out;
  out.measures = measure(
      inputs, parts, [&](std::size_t p) { return parts[p].keep; }, config, context);
  out.half_difference.assign(out.measures.size(), kNaN);
  if (parts.empty()) return out;
  add_influence(inputs, parts, config, out);
  const auto halves = capture([&] {
    std::array<std::vector<intrinsic_measures::Measure>, 2> made;
    for (const bool second : {false, true}) {
      made[second ? 1 : 0] = measure(
          inputs, parts, [&](std::size_t p) { return part_half(inputs, parts, p, second); }, config,
          context);
    }
    return made;
  });
  if (const auto* failure = std::get_if<Failure>(&halves)) {
    if (failure->kind != ErrorKind::gate) throw Error(failure->kind, failure->message);
    return out; // too short to be split
  }
  const auto& [first, second] =
      std::get<std::array<std::vector<intrinsic_measures::Measure>, 2>>(halves);
  for (std::size_t m = 0; m < out.measures.size(); ++m) {
    out.half_difference[m] = first[m].value - second[m].value;
  }
  return out;
}

TaskFreeRun residual_run(const RunResult& run, std::size_t set, std::span<const std::uint8_t> keep,
                         const Eigen::MatrixXd& task_columns, const config::Config& config,
                         const Context& context) {
  if (!config.voxels.regressors.empty()) {
    throw Error(ErrorKind::gate, "found voxels.regressors, expected none: the residuals of a task "
                                 "are those of region means");
  }
  Nuisance nuisance = filtered_confounds(config, run, context);
  const Eigen::Index n = nuisance.values.cols();
  nuisance.values.conservativeResize(Eigen::NoChange, n + task_columns.cols());
  nuisance.values.rightCols(task_columns.cols()) = task_columns;
  for (Eigen::Index k = 0; k < task_columns.cols(); ++k) {
    nuisance.names.push_back("task__" + std::to_string(k + 1));
  }
  nuisance_regression::Params params = config.nuisance_regression;
  if (task_columns.cols() > 0) params.extra_columns.emplace_back("task__*");
  nuisance_regression::DesignInputs inputs;
  inputs.confound_names = &nuisance.names;
  new (&inputs.confounds) Eigen::Map<const Eigen::MatrixXd>(
      nuisance.values.data(), nuisance.values.rows(), nuisance.values.cols());
  inputs.keep = keep;
  inputs.n_dummy = run.n_dummies;
  inputs.tr_s = run.tr_s;
  const auto design = nuisance_regression::make_design(inputs, params);
  TaskFreeRun out;
  out.series = nuisance_regression::run({view(run.series[set]), &design}, params, context).denoised;
  out.keep = design.keep;
  out.coverage = run.coverage[set];
  out.n_regressed = design.n_regressed;
  return out;
}

} // namespace boldmill::graph
