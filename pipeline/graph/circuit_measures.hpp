// All measures of the circuit definition of one person: task-free, activation, interaction, each
// with its standard error, coverage, or the reason why it is missing.
#pragma once

#include <map>
#include <span>
#include <string>
#include <vector>

#include "pipeline/graph/person.hpp"

namespace boldmill::graph {

// A run that passed the gates.
struct UsableRun {
  std::size_t index = 0; // in the session
  const nuisance_regression::Design* design = nullptr;
};
// What the measures say of a run.
struct RunRemark {
  std::size_t index = 0;
  std::string text;
  bool is_warning = false;               // of concern for the run's status
  std::map<std::string, double> figures; // of the task's design
  store::TaskDesign design;              // its regressors
};
struct CircuitMeasures {
  std::string source;                         // "rest", "residual" or ""
  std::vector<store::MeasureRecord> measures; // in the definition's order
  Eigen::MatrixXf error_correlation;          // M x M, NaN where a measure has no error
  std::vector<RunRemark> remarks;
  std::vector<store::InputRecord> inputs; // events
  std::vector<store::StageRecord> stages; // those that ran; their key is the person's
};

// `person` has its runs with denoised series; `outcomes` are in the session's order.
[[nodiscard]] CircuitMeasures
circuit_measures(const Study& study, const bids::ParticipantSession& session,
                 const PersonInputs& outcomes, const store::PersonRecord& person,
                 std::span<const UsableRun> usable, const Context& context);

} // namespace boldmill::graph
