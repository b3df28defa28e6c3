// The steps of task_design, for its own sources only.
#pragma once

#include "stages/task/task_design.hpp"

namespace boldmill::task_design {

// One condition's events on their own clock, their amplitudes and centred modulators.
struct Train {
  std::string condition;
  bool listed = true;
  std::vector<double> onset_s, duration_s, amplitude;
  std::vector<std::string> modulator_names;
  Eigen::MatrixXd modulators; // events x modulators, centred over the condition's events
};

// Sorts events into conditions and fills conditions, unmodelled and notes of `design`.
[[nodiscard]] std::vector<Train> trains_of(const Inputs& inputs, const Params& params,
                                           Design& design);

// Columns of one condition: the response to its events, then to each modulator.
struct Sampled {
  Eigen::MatrixXd values; // T x n
  std::vector<std::string> names, roles;
};
[[nodiscard]] Sampled sample_microtime(const Train& train, const Inputs& inputs,
                                       const Params& params); // exact, spm
[[nodiscard]] Sampled sample_nilearn(const Train& train, const Inputs& inputs,
                                     const Params& params);

// rank, dof, dependent columns, variance inflation and the largest correlation.
void describe(Design& design);

} // namespace boldmill::task_design
