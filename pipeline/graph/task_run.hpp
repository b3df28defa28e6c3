// Activations and psychophysiological interactions of one run: its events, region series and
// confounds in one model. The series are those before nuisance regression, so that the task's
// signal is not lost to it; nuisance, drift and task stand in the same design.
//
// With glm.percent_signal every region's series is 100 y / (its mean over the volumes kept).
// The contrast of a region's mean equals the mean over its voxels of their contrasts exactly for
// noise `ols` and raw units; otherwise region and voxels have noise weights and a scale of their
// own.
#pragma once

#include <map>
#include <span>
#include <string>
#include <vector>

#include "pipeline/graph/nuisance.hpp"
#include "pipeline/graph/task_events.hpp"
#include "stages/circuits/kernels/run_mean.hpp"
#include "stages/task/task_design.hpp"

namespace boldmill::graph {

// What a run brings along; views, valid while the person is built.
struct TaskRunInputs {
  const taxonomy::Taxonomy* taxonomy = nullptr;
  std::string task; // key in the definition
  std::string run_id;
  const std::vector<bids::Event>* events = nullptr;
  const RunResult* run = nullptr;
  std::size_t set = 0;                               // of the circuit regions, in run->series
  const std::vector<std::string>* regions = nullptr; // codes of its columns
  std::span<const std::uint8_t> keep;                // T
};

struct MeasureOfRun {
  std::size_t measure = 0; // position in the definition
  circuits::RunEstimate estimate;
  Eigen::VectorXd influence; // T when asked for and present; see measure_covariance
};

class TaskRun {
public:
  // Errors: input or gate when the events or the confounds give no design.
  TaskRun(const TaskRunInputs& inputs, const config::Config& config, const Context& context);

  // Every activation and interaction of the task, from the volumes of `keep`.
  [[nodiscard]] std::vector<MeasureOfRun> estimate(std::span<const std::uint8_t> keep,
                                                   bool with_influence) const;

  [[nodiscard]] const task_design::Design& design() const { return design_; }
  // T x K: regressors of the task alone, what task residuals are free of.
  [[nodiscard]] Eigen::MatrixXd task_columns() const;
  // The same with their names.
  [[nodiscard]] store::TaskDesign regressors() const;
  [[nodiscard]] const std::vector<std::string>& notes() const { return notes_; }
  // Named figures of the design: degrees of freedom, collinearity, efficiency of contrasts.
  [[nodiscard]] std::map<std::string, double> figures() const;

private:
  struct Asked; // a measure with its columns, or why it is missing
  [[nodiscard]] task_design::Design make_design(std::span<const std::uint8_t> keep) const;
  [[nodiscard]] Asked ask(std::size_t measure) const;
  [[nodiscard]] std::string condition_problem(const taxonomy::Contrast& contrast) const;
  [[nodiscard]] Eigen::RowVectorXd weights_of(const taxonomy::Contrast& contrast,
                                              const task_design::Design& design) const;
  void choose_regions();
  void scale_series();
  void add_activations(const task_design::Design& design, std::span<const std::uint8_t> keep,
                       bool with_influence, std::vector<MeasureOfRun>& out) const;
  void add_interactions(const task_design::Design& design, std::span<const std::uint8_t> keep,
                        bool with_influence, std::vector<MeasureOfRun>& out) const;

  TaskRunInputs in_;
  const config::Config& c_;
  Context context_;
  const taxonomy::Task& task_;
  TaskEvents events_;
  task_design::Params params_;
  std::vector<std::string> confound_names_;
  Eigen::MatrixXd confounds_; // T x C, missing derivatives 0
  task_design::Design design_;
  std::map<std::string, std::size_t> column_of_; // region code -> column of the set
  std::vector<std::size_t> columns_;             // of the set, those the task needs
  std::vector<std::string> names_;               // of them
  std::vector<std::string> problem_;             // of them: why there is no series
  Eigen::MatrixXf series_;                       // T x columns_, scaled
  std::vector<std::string> notes_;
};

} // namespace boldmill::graph
