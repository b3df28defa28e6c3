#include "pipeline/graph/task_run.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <numeric>

#include "pipeline/graph/task_run_parts.hpp"
#include "stages/core/outcome.hpp"
#include "stages/ppi/kernels/kept_rows.hpp"
#include "stages/ppi/ppi.hpp"
#include "stages/task/glm.hpp"

namespace boldmill::graph {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

std::string two_digits(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.2f", value);
  return text;
}

bool is_of_task(std::string_view role) {
  return role == "condition" || role == "derivative" || role == "modulator";
}

circuits::RunEstimate missing(std::string run_id, std::string reason) {
  return {std::move(run_id), kNaN, kNaN, kNaN, kNaN, std::move(reason)};
}

} // namespace

TaskRun::TaskRun(const TaskRunInputs& inputs, const config::Config& config, const Context& context)
    : in_(inputs), c_(config), context_(context), task_(inputs.taxonomy->tasks.at(inputs.task)),
      events_(task_events(*inputs.events, task_)),
      params_(design_params(config, task_, inputs.run->slice_reference_s, inputs.run->tr_s)),
      notes_(events_.notes) {
  const Nuisance nuisance = filtered_confounds(c_, *in_.run, context_);
  for (const std::string& name :
       nuisance_regression::strategy_columns(c_.nuisance_regression, nuisance.names)) {
    if (!name.starts_with("signal__")) confound_names_.push_back(name);
  }
  confounds_.resize(nuisance.values.rows(), static_cast<Eigen::Index>(confound_names_.size()));
  for (std::size_t c = 0; c < confound_names_.size(); ++c) {
    const int from = confounds::column_index(nuisance.names, confound_names_[c]);
    auto column = confounds_.col(static_cast<Eigen::Index>(c));
    column = nuisance.values.col(from);
    if (confound_names_[c].find("derivative1") == std::string::npos) continue;
    column = column.array().isFinite().select(column, 0.0).eval();
  }
  design_ = make_design(in_.keep);
  if (design_.n_kept < c_.task_model.min_volumes) {
    throw Error(ErrorKind::gate, std::to_string(design_.n_kept) +
                                     " volumes are kept, task_model.min_volumes is " +
                                     std::to_string(c_.task_model.min_volumes));
  }
  notes_.insert(notes_.end(), design_.notes.begin(), design_.notes.end());
  choose_regions();
  scale_series();
}

task_design::Design TaskRun::make_design(std::span<const std::uint8_t> keep) const {
  return task_design::run(
      {.events = events_.events,
       .modulator_names = &events_.modulator_names,
       .modulators = {events_.modulators.data(), events_.modulators.rows(),
                      events_.modulators.cols()},
       .n_volumes = in_.run->n_volumes,
       .tr_s = in_.run->tr_s,
       .start_s = 0.0, // the series begin with the first stored volume, dummies included
       .confound_names = &confound_names_,
       .confounds = {confounds_.data(), confounds_.rows(), confounds_.cols()},
       .keep = keep},
      params_);
}

void TaskRun::choose_regions() {
  column_of_ = taxonomy::region_columns(*in_.taxonomy, *in_.regions);
  for (const taxonomy::Measure& measure : in_.taxonomy->measures) {
    if (measure.kind == taxonomy::MeasureKind::intrinsic || measure.task != in_.task) continue;
    for (const std::string& code : {measure.region_a, measure.region_b}) {
      const auto found = column_of_.find(code);
      if (found != column_of_.end()) columns_.push_back(found->second);
    }
  }
  std::sort(columns_.begin(), columns_.end());
  columns_.erase(std::unique(columns_.begin(), columns_.end()), columns_.end());
}

void TaskRun::scale_series() {
  const Eigen::MatrixXf& all = in_.run->series[in_.set];
  series_.resize(all.rows(), static_cast<Eigen::Index>(columns_.size()));
  for (std::size_t c = 0; c < columns_.size(); ++c) {
    const std::string& name = (*in_.regions)[columns_[c]];
    names_.push_back(name);
    const Eigen::VectorXd y = all.col(static_cast<Eigen::Index>(columns_[c])).cast<double>();
    double sum = 0.0;
    bool finite = true;
    double low = std::numeric_limits<double>::infinity();
    double high = -low;
    for (Eigen::Index t = 0; t < y.size(); ++t) {
      if (design_.keep[static_cast<std::size_t>(t)] == 0) continue;
      sum += y[t];
      finite = finite && std::isfinite(y[t]);
      low = std::min(low, y[t]);
      high = std::max(high, y[t]);
    }
    const double mean = sum / design_.n_kept;
    double scale = 1.0;
    std::string problem;
    if (!finite || !(low < high)) {
      problem = "region " + name + " has no finite, varying series";
    } else if (c_.glm.percent_signal && !(mean > 0.0)) {
      problem = "region " + name + " has mean " + two_digits(mean) +
                ", percent signal needs a positive one (glm.percent_signal)";
    } else if (c_.glm.percent_signal) {
      scale = 100.0 / mean;
    }
    series_.col(static_cast<Eigen::Index>(c)) = (scale * y).cast<float>();
    problem_.push_back(std::move(problem));
  }
}

std::string TaskRun::condition_problem(const taxonomy::Contrast& contrast) const {
  for (const task_design::Condition& condition : design_.conditions) {
    const auto weight = contrast.weights.find(condition.name);
    if (weight == contrast.weights.end() || weight->second == 0.0) continue;
    if (!condition.missing.empty()) {
      return "condition " + condition.name + ": " + condition.missing;
    }
  }
  return {};
}

TaskRun::Asked TaskRun::ask(std::size_t m) const {
  Asked out;
  out.measure = &in_.taxonomy->measures[m];
  out.contrast = taxonomy::find_contrast(task_, out.measure->contrast);
  const bool pair = out.measure->kind == taxonomy::MeasureKind::ppi;
  for (const std::string* code : {&out.measure->region_a, &out.measure->region_b}) {
    if (code == &out.measure->region_b && !pair) break;
    const auto found = column_of_.find(*code);
    if (found == column_of_.end()) {
      out.reason = "region " + *code + " was not extracted";
      return out;
    }
    const auto at = static_cast<std::size_t>(
        std::lower_bound(columns_.begin(), columns_.end(), found->second) - columns_.begin());
    (code == &out.measure->region_a ? out.a : out.b) = at;
    const double coverage = in_.run->coverage[in_.set][found->second];
    const auto region =
        std::find_if(in_.taxonomy->regions.begin(), in_.taxonomy->regions.end(),
                     [&](const taxonomy::Region& each) { return each.code == *code; });
    const double limit =
        region->min_coverage >= 0.0 ? region->min_coverage : c_.task_model.min_coverage;
    if (!(coverage >= limit)) {
      out.reason = "region " + *code + " has coverage " + two_digits(coverage) + ", below " +
                   two_digits(limit);
      return out;
    }
    out.coverage = std::fmin(out.coverage, coverage);
    if (out.reason.empty()) out.reason = problem_[at];
  }
  if (out.reason.empty()) out.reason = condition_problem(*out.contrast);
  return out;
}

// On the first column of each condition, or the mean over the delays of a finite impulse response.
Eigen::RowVectorXd TaskRun::weights_of(const taxonomy::Contrast& contrast,
                                       const task_design::Design& design) const {
  Eigen::RowVectorXd out = Eigen::RowVectorXd::Zero(design.matrix.cols());
  for (const auto& [condition, weight] : contrast.weights) {
    std::vector<Eigen::Index> at;
    for (std::size_t c = 0; c < design.columns.size(); ++c) {
      const task_design::Column& column = design.columns[c];
      if (column.role == "condition" && column.condition == condition) {
        at.push_back(static_cast<Eigen::Index>(c));
      }
    }
    for (const Eigen::Index c : at) out[c] = weight / static_cast<double>(at.size());
  }
  return out;
}

std::vector<MeasureOfRun> TaskRun::estimate(std::span<const std::uint8_t> keep,
                                            bool with_influence) const {
  std::vector<MeasureOfRun> out;
  for (std::size_t m = 0; m < in_.taxonomy->measures.size(); ++m) {
    const taxonomy::Measure& measure = in_.taxonomy->measures[m];
    if (measure.kind == taxonomy::MeasureKind::intrinsic || measure.task != in_.task) continue;
    out.push_back({m, missing(in_.run_id, ask(m).reason), {}});
  }
  const auto design = capture([&] { return make_design(keep); });
  if (const auto* failure = std::get_if<Failure>(&design)) {
    const std::string reason = reason_of(*failure);
    for (MeasureOfRun& each : out) {
      if (each.estimate.reason.empty()) each.estimate.reason = reason;
    }
    return out;
  }
  add_activations(std::get<task_design::Design>(design), keep, with_influence, out);
  add_interactions(std::get<task_design::Design>(design), keep, with_influence, out);
  return out;
}

void TaskRun::add_activations(const task_design::Design& design, std::span<const std::uint8_t> keep,
                              bool with_influence, std::vector<MeasureOfRun>& out) const {
  std::vector<Contrast> contrasts;
  for (const taxonomy::Contrast& contrast : task_.contrasts) {
    contrasts.push_back({contrast.name, weights_of(contrast, design)});
  }
  glm::Params params = c_.glm;
  params.percent_signal = false; // the series are scaled
  const auto made = capture([&] {
    return glm::run({.series = {series_.data(), series_.rows(), series_.cols()},
                     .design = &design.matrix,
                     .keep = keep,
                     .tr_s = in_.run->tr_s,
                     .contrasts = contrasts,
                     .influence = with_influence},
                    params, context_);
  });
  for (MeasureOfRun& each : out) {
    const Asked asked = ask(each.measure);
    if (asked.measure->kind != taxonomy::MeasureKind::activation || !asked.reason.empty()) continue;
    if (const auto* failure = std::get_if<Failure>(&made)) {
      each.estimate.reason = reason_of(*failure);
      continue;
    }
    const auto& results = std::get<glm::Outputs>(made).contrasts;
    const auto found = std::find_if(results.begin(), results.end(), [&](const auto& result) {
      return result.name == asked.contrast->name;
    });
    const auto c = static_cast<Eigen::Index>(asked.a);
    const auto effect = static_cast<double>(found->effect[c]);
    if (!std::isfinite(effect)) {
      each.estimate.reason =
          "contrast " + found->name + ": " +
          (found->missing.empty() ? "the model explains the series fully" : found->missing);
      continue;
    }
    each.estimate.value = effect;
    each.estimate.se = std::sqrt(static_cast<double>(found->variance[c]));
    each.estimate.dof = static_cast<double>(found->dof[c]);
    each.estimate.coverage = asked.coverage;
    if (with_influence) each.influence = found->influence.col(c);
  }
}

Eigen::MatrixXd TaskRun::task_columns() const {
  return columns_with(design_, {"condition", "derivative", "modulator"});
}

store::TaskDesign TaskRun::regressors() const {
  store::TaskDesign out{{}, task_columns().cast<float>()};
  for (const task_design::Column& column : design_.columns) {
    if (is_of_task(column.role)) out.name.push_back(column.name);
  }
  return out;
}

std::map<std::string, double> TaskRun::figures() const {
  const std::string head = "task_" + in_.task + "_";
  std::map<std::string, double> out;
  out[head + "dof"] = design_.dof;
  out[head + "rank"] = design_.rank;
  out[head + "max_correlation"] = design_.max_correlation;
  out[head + "unmodelled_events"] = static_cast<double>(design_.unmodelled.size());
  const Eigen::MatrixXd rows =
      design_.matrix(kept_rows(design_.keep, design_.matrix.rows(), "design"), Eigen::all);
  for (const taxonomy::Contrast& contrast : task_.contrasts) {
    if (!condition_problem(contrast).empty()) continue;
    out[head + "efficiency_" + contrast.name] =
        contrast_quality(weights_of(contrast, design_), rows).efficiency;
  }
  return out;
}

} // namespace boldmill::graph
