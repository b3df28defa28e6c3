// The events of a run as one task of the circuit definition reads them, and the parameters of its
// design.
#pragma once

#include <string>
#include <vector>

#include "pipeline/bids/events.hpp"
#include "pipeline/config/config.hpp"
#include "pipeline/graph/study.hpp"
#include "stages/task/task_design.hpp"

namespace boldmill::graph {

struct TaskEvents {
  std::vector<task_design::Event> events; // amplitude: column `modulation`, 1 without
  std::vector<std::string> modulator_names;
  Eigen::MatrixXd modulators;     // events x M, NaN missing
  std::vector<std::string> notes; // rows that were left out before the design
};
// Error{input}: no row has an entry in the task's column. Rows without a duration that no condition
// of the task names are left out with a note.
[[nodiscard]] TaskEvents task_events(const std::vector<bids::Event>& table,
                                     const taxonomy::Task& task);

// Reads the events that apply to a run; they lie in the dataset, also when the series come from
// --derivatives. Errors: input, naming the file; or that there is none.
[[nodiscard]] std::vector<bids::Event> read_run_events(const Study& study,
                                                       const bids::BoldRun& run);

// `slice_reference_s`: the moment of a volume slices were brought to, NaN when they were not.
[[nodiscard]] task_design::Params design_params(const config::Config& config,
                                                const taxonomy::Task& task,
                                                double slice_reference_s, double tr_s);

} // namespace boldmill::graph
