#include "pipeline/graph/circuit_measures.hpp"

#include <algorithm>
#include <cmath>

#include "pipeline/graph/task_free.hpp"
#include "pipeline/graph/task_run.hpp"
#include "stages/circuits/measure_covariance.hpp"
#include "stages/core/joined.hpp"
#include "stages/ppi/ppi.hpp"

namespace boldmill::graph {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

// One run of one task: estimates from all volumes kept and from the two halves.
struct FittedRun {
  std::size_t index = 0;
  std::vector<MeasureOfRun> whole, first, second;
};

// Tasks of a definition may share a run: columns of both, what one has again is dropped in the fit.
void add_columns(Eigen::MatrixXd& columns, const Eigen::MatrixXd& more) {
  const Eigen::Index n = columns.cols();
  columns.conservativeResize(more.rows(), n + more.cols());
  columns.rightCols(more.cols()) = more;
}

// Why a run gives a task nothing.
struct SkippedRun {
  std::string run_id, reason;
};

class Builder {
public:
  Builder(const Study& study, const bids::ParticipantSession& session, const PersonInputs& outcomes,
          const store::PersonRecord& person, const Context& context)
      : study_(study), c_(study.config), taxonomy_(study.taxonomy), session_(session),
        outcomes_(outcomes), person_(person), context_(context),
        set_(study.target.sets.size() - 1) {
    for (const Region& region : study.target.sets[set_].regions) regions_.push_back(region.label);
    out_.measures.assign(taxonomy_.measures.size(), {kNaN, kNaN, kNaN, "", kNaN, kNaN});
    influence_.resize(session.runs.size());
  }

  CircuitMeasures build(std::span<const UsableRun> usable) {
    for (const auto& [key, task] : taxonomy_.tasks) add_task(key, task, usable);
    add_task_free(usable);
    add_covariance();
    add_stages();
    return std::move(out_);
  }

private:
  [[nodiscard]] const RunResult& result_of(std::size_t run) const {
    return std::get<RunOutput>(outcomes_.runs[run]).result;
  }
  [[nodiscard]] bool is_rest(const std::string& task) const {
    const auto& rest = c_.input.rest_tasks;
    return std::find(rest.begin(), rest.end(), task) != rest.end();
  }

  // The events of a run, read once; its file is an input of the person.
  const std::vector<bids::Event>& events_of(std::size_t run) {
    const auto known = events_.find(run);
    if (known != events_.end()) return known->second;
    auto events = read_run_events(study_, session_.runs[run]);
    const std::string& path = *session_.runs[run].events;
    const auto digest = study_.digests.of(study_.index.absolute(path));
    out_.inputs.push_back({path, digest.bytes, digest.sha256});
    return events_[run] = std::move(events);
  }

  void add_task(const std::string& key, const taxonomy::Task& task,
                std::span<const UsableRun> usable) {
    const bool asked = std::any_of(
        taxonomy_.measures.begin(), taxonomy_.measures.end(), [&](const taxonomy::Measure& m) {
          return m.task == key && m.kind != taxonomy::MeasureKind::intrinsic;
        });
    if (!asked) return;
    std::vector<FittedRun> fitted;
    std::vector<SkippedRun> skipped;
    for (std::size_t r = 0; r < session_.runs.size(); ++r) {
      if (!taxonomy::is_labelled(task, session_.runs[r].task)) continue;
      const auto own = std::find_if(usable.begin(), usable.end(),
                                    [&](const UsableRun& each) { return each.index == r; });
      if (own == usable.end()) {
        skipped.push_back({session_.runs[r].run_id, person_.runs[r].reason});
      } else {
        fit(key, *own, fitted, skipped);
      }
    }
    for (std::size_t m = 0; m < taxonomy_.measures.size(); ++m) {
      const taxonomy::Measure& measure = taxonomy_.measures[m];
      if (measure.task != key || measure.kind == taxonomy::MeasureKind::intrinsic) continue;
      combine(m, key, task, fitted, skipped);
    }
  }

  void fit(const std::string& key, const UsableRun& run, std::vector<FittedRun>& fitted,
           std::vector<SkippedRun>& skipped) {
    const std::string& run_id = session_.runs[run.index].run_id;
    const auto outcome = capture([&] {
      TaskRunInputs inputs;
      inputs.taxonomy = &taxonomy_;
      inputs.task = key;
      inputs.run_id = run_id;
      inputs.events = &events_of(run.index);
      inputs.run = &result_of(run.index);
      inputs.set = set_;
      inputs.regions = &regions_;
      inputs.keep = run.design->keep;
      const TaskRun model(inputs, c_, context_);
      FittedRun out{run.index, model.estimate(run.design->keep, true),
                    model.estimate(half_of(run.design->keep, false), false),
                    model.estimate(half_of(run.design->keep, true), false)};
      add_columns(task_columns_[run.index], model.task_columns());
      const std::string prefix = "task " + key + ": ";
      out_.remarks.push_back({run.index,
                              model.notes().empty() ? "" : prefix + joined(model.notes(), ", "),
                              false, model.figures(), model.regressors()});
      return out;
    });
    if (const auto* failure = std::get_if<Failure>(&outcome)) {
      if (failure->kind != ErrorKind::input && failure->kind != ErrorKind::gate) {
        throw Error(failure->kind, failure->message);
      }
      skipped.push_back({run_id, failure->message});
      out_.remarks.push_back({run.index, "task " + key + ": " + failure->message, true, {}, {}});
      return;
    }
    fitted.push_back(std::get<FittedRun>(outcome));
  }

  // The estimates of measure m, of the runs that were fitted.
  static std::vector<circuits::RunEstimate>
  estimates_of(std::size_t m, const std::vector<FittedRun>& fitted,
               std::vector<MeasureOfRun> FittedRun::*part) {
    std::vector<circuits::RunEstimate> out;
    for (const FittedRun& run : fitted) {
      for (const MeasureOfRun& each : run.*part) {
        if (each.measure == m) out.push_back(each.estimate);
      }
    }
    return out;
  }

  void combine(std::size_t m, const std::string& key, const taxonomy::Task& task,
               const std::vector<FittedRun>& fitted, const std::vector<SkippedRun>& skipped) {
    const bool by_precision = c_.task_model.run_weights == "precision";
    const auto mean = circuits::run_mean(estimates_of(m, fitted, &FittedRun::whole), by_precision);
    store::MeasureRecord& record = out_.measures[m];
    record.value = mean.value;
    record.se = mean.se;
    record.dof = mean.dof;
    record.coverage = mean.coverage;
    if (!mean.reason.empty() || fitted.empty()) {
      record.reason = why_missing(key, task, skipped, mean.reason);
      return;
    }
    const auto first = circuits::run_mean(estimates_of(m, fitted, &FittedRun::first), by_precision);
    const auto second =
        circuits::run_mean(estimates_of(m, fitted, &FittedRun::second), by_precision);
    record.half_difference = first.value - second.value;
    for (std::size_t f = 0; f < fitted.size(); ++f) {
      for (const MeasureOfRun& each : fitted[f].whole) {
        if (each.measure != m || each.influence.size() == 0) continue;
        add_influence(fitted[f].index, m, mean.weights[f] * each.influence);
      }
    }
  }

  static std::string why_missing(const std::string& key, const taxonomy::Task& task,
                                 const std::vector<SkippedRun>& skipped, std::string reason) {
    for (const SkippedRun& run : skipped) {
      reason += (reason.empty() ? "" : "; ") + run.run_id + ": " + run.reason;
    }
    if (!reason.empty()) return reason;
    if (task.labels.empty()) {
      return "task " + key + " absent: no label is given for it (tasks." + key + ".labels)";
    }
    return "task " + key + " absent: no run is labelled " + joined(task.labels, ", ");
  }

  void add_influence(std::size_t run, std::size_t m, const Eigen::VectorXd& influence) {
    Eigen::MatrixXd& all = influence_[run];
    if (all.size() == 0) {
      all.setZero(influence.size(), static_cast<Eigen::Index>(taxonomy_.measures.size()));
    }
    all.col(static_cast<Eigen::Index>(m)) += influence;
  }

  [[nodiscard]] std::string why_no_rest() const {
    std::string reasons;
    for (const store::RunRecord& run : person_.runs) {
      if (!is_rest(run.task)) continue;
      reasons += (reasons.empty() ? "" : "; ") + run.run_id + ": " + run.reason;
    }
    return reasons.empty() ? "no task-free run" : reasons;
  }

  void add_rest(std::span<const UsableRun> usable, TaskFreeInputs& inputs) const {
    for (const UsableRun& run : usable) {
      const store::RunRecord& record = person_.runs[run.index];
      if (!is_rest(record.task)) continue;
      const store::ParcelSeries& series = record.series.at(study_.target.sets[set_].name);
      inputs.runs.push_back({run.index, record.run_id, series.denoised, run.design->keep,
                             series.coverage, run.design->n_regressed});
    }
    if (inputs.runs.empty()) inputs.no_runs_reason = why_no_rest();
  }

  // Runs of the definition's tasks whose events gave a design.
  void add_residuals(std::span<const UsableRun> usable, TaskFreeInputs& inputs) {
    for (const UsableRun& run : usable) {
      const auto columns = task_columns_.find(run.index);
      if (columns == task_columns_.end()) continue;
      const auto outcome = capture([&] {
        return residual_run(result_of(run.index), set_, run.design->keep, columns->second, c_,
                            context_);
      });
      const std::string& run_id = session_.runs[run.index].run_id;
      if (const auto* failure = std::get_if<Failure>(&outcome)) {
        if (failure->kind != ErrorKind::input && failure->kind != ErrorKind::gate) {
          throw Error(failure->kind, failure->message);
        }
        inputs.no_runs_reason += "; residual of " + run_id + ": " + failure->message;
        continue;
      }
      inputs.runs.push_back(std::get<TaskFreeRun>(outcome));
      inputs.runs.back().index = run.index;
      inputs.runs.back().run_id = run_id;
    }
    if (inputs.runs.empty()) {
      inputs.no_runs_reason += "; no task run whose residuals could be used";
    }
    inputs.residual = true;
  }

  void add_task_free(std::span<const UsableRun> usable) {
    TaskFreeInputs inputs;
    inputs.taxonomy = &taxonomy_;
    inputs.regions = &regions_;
    const std::string& wanted = c_.task_model.task_free_source;
    if (wanted != "residual") add_rest(usable, inputs);
    if (wanted == "residual") inputs.no_runs_reason = "task_model.task_free_source is residual";
    if (wanted != "rest" && inputs.runs.empty()) add_residuals(usable, inputs);
    auto outcome = capture([&] { return task_free_measures(inputs, c_, context_); });
    if (const auto* failure = std::get_if<Failure>(&outcome)) {
      if (failure->kind != ErrorKind::gate) throw Error(failure->kind, failure->message);
      inputs.no_runs_reason = failure->message;
      inputs.runs.clear();
      outcome = task_free_measures(inputs, c_, context_);
    }
    const TaskFree& made = std::get<TaskFree>(outcome);
    if (!inputs.runs.empty()) out_.source = inputs.residual ? "residual" : "rest";
    for (std::size_t m = 0; m < taxonomy_.measures.size(); ++m) {
      if (taxonomy_.measures[m].kind != taxonomy::MeasureKind::intrinsic) continue;
      const auto& measure = made.measures[m];
      out_.measures[m] = {measure.value,  measure.se, measure.coverage,
                          measure.reason, kNaN,       made.half_difference[m]};
      for (std::size_t r = 0; r < made.influence.size(); ++r) {
        if (std::isnan(measure.value)) continue;
        add_influence(inputs.runs[r].index, m, made.influence[r].col(static_cast<Eigen::Index>(m)));
      }
    }
  }

  void add_stages() {
    const auto add = [this](const StageInfo& stage) {
      out_.stages.push_back({std::string(stage.name), stage.version, {}});
    };
    if (!task_columns_.empty()) {
      add(task_design::kStage);
      add(glm::kStage);
      add(ppi::kStage);
    }
    add(measure_covariance::kStage);
  }

  void add_covariance() {
    measure_covariance::Inputs inputs;
    inputs.se.resize(static_cast<Eigen::Index>(out_.measures.size()));
    for (std::size_t m = 0; m < out_.measures.size(); ++m) {
      const store::MeasureRecord& record = out_.measures[m];
      inputs.se[static_cast<Eigen::Index>(m)] = std::isnan(record.value) ? kNaN : record.se;
    }
    for (std::size_t r = 0; r < influence_.size(); ++r) {
      if (influence_[r].size() == 0) continue;
      inputs.runs.push_back({session_.runs[r].run_id, result_of(r).tr_s, std::move(influence_[r])});
    }
    out_.error_correlation =
        measure_covariance::run(inputs, c_.measure_covariance, context_).correlation.cast<float>();
  }

  const Study& study_;
  const config::Config& c_;
  const taxonomy::Taxonomy& taxonomy_;
  const bids::ParticipantSession& session_;
  const PersonInputs& outcomes_;
  const store::PersonRecord& person_;
  const Context& context_;
  std::size_t set_; // of the circuit regions
  std::vector<std::string> regions_;
  std::map<std::size_t, std::vector<bids::Event>> events_;
  std::map<std::size_t, Eigen::MatrixXd> task_columns_; // of runs that were fitted
  std::vector<Eigen::MatrixXd> influence_;              // by run: T x M
  CircuitMeasures out_;
};

} // namespace

CircuitMeasures circuit_measures(const Study& study, const bids::ParticipantSession& session,
                                 const PersonInputs& outcomes, const store::PersonRecord& person,
                                 std::span<const UsableRun> usable, const Context& context) {
  return Builder(study, session, outcomes, person, context).build(usable);
}

} // namespace boldmill::graph
