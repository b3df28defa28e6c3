// The design matrix of one task run: T x K = [conditions * HRF | confounds | spikes | cosines | 1].
// Three ways to sample the response:
//   "exact" (default): bins of tr_s / 16 filled by the share of them that an event takes, the
//     response on the same grid, sampled at slice_time_ref; effects are heights of the neural box;
//   "spm": boxes one bin longer than the rounded duration (an event of 0.5 s at a TR of 2 s weighs
//     0.625 s: effects 20 % smaller), the response on the same grid, sampled at a reference bin;
//   "nilearn": 50 bins a volume, boxes from the first grid point not before the onset, the
//     response shifted by a bin, linear interpolation at the frame times.
// Cosines: sqrt(2/T) cos(pi/T (t + 1/2) k), k = 1 .. floor(2 T tr_s high_pass_hz), as both do.
// Rows not kept are censored: they stay in the matrix and are left out of the fit, or each gets a
// column of its own (censoring = "spikes"), which gives the same least squares.
// Sources: Friston 1998, doi:10.1006/nimg.1997.0306; nilearn 0.14.1. Cost O(T bins K).
#pragma once

#include <Eigen/Dense>
#include <array>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include "stages/core/stage_info.hpp"

namespace boldmill::task_design {

inline constexpr std::array<std::string_view, 3> kReferences{
    "Friston 1998, NeuroImage, doi:10.1006/nimg.1997.0306",
    "Glover 1999, NeuroImage, doi:10.1006/nimg.1998.0419",
    "Abraham 2014, Frontiers in Neuroinformatics, doi:10.3389/fninf.2014.00014"};
inline constexpr StageInfo kStage{.name = "task_design",
                                  .version = 2,
                                  .summary = "design matrix of a task run",
                                  .references = kReferences};

struct Params {
  std::string variant = "exact";
  std::string hrf = "spm";
  std::vector<int> fir_delays;
  double high_pass_hz = 0.0078125;
  double slice_time_ref = 0.5;
  int reference_bin = 0;
  int microtime_bins = 16;
  int oversampling = 50;
  double min_onset_s = -24.0;
  bool orthogonalise = true;
  std::vector<std::string> conditions;
  std::string unlisted = "own_column";
  std::vector<std::string> modulators;
  std::string censoring = "drop";
  bool operator==(const Params&) const = default;
};
template <class P, class F>
void for_each_field(P& params, F&& visit) {
  auto& [variant, hrf, fir_delays, high_pass_hz, slice_time_ref, reference_bin, microtime_bins,
         oversampling, min_onset_s, orthogonalise, conditions, unlisted, modulators, censoring] =
      params;
  visit("variant", variant, "", "how the response is sampled",
        Limits::one_of({"exact", "spm", "nilearn"}));
  visit("hrf", hrf, "", "response function",
        Limits::one_of({"spm", "spm+derivative", "spm+derivative+dispersion", "glover",
                        "glover+derivative", "glover+derivative+dispersion", "fir"}));
  visit("fir_delays", fir_delays, "volumes", "delays of hrf fir, 0 first",
        Limits::between(0, 1000));
  visit("high_pass_hz", high_pass_hz, "Hz", "slower cosines are regressors; 0 is none",
        Limits::between(0.0, 1.0));
  visit("slice_time_ref", slice_time_ref, "",
        "when within its repetition time a volume counts as taken: 0 its start, 0.5 its middle",
        Limits::between(0.0, 1.0));
  visit("reference_bin", reference_bin, "",
        "variants exact and spm: bin of a volume that is sampled, from 1; 0 follows slice_time_ref",
        Limits::between(0, 1000));
  visit("microtime_bins", microtime_bins, "", "variants exact and spm: bins of a repetition time",
        Limits::between(1, 1000));
  visit("oversampling", oversampling, "", "variant nilearn: bins of a repetition time",
        Limits::between(1, 1000));
  visit("min_onset_s", min_onset_s, "s",
        "variant nilearn: the grid begins this long before the first volume",
        Limits::between(-1000.0, 0.0));
  visit("orthogonalise", orthogonalise, "",
        "variants exact and spm: make modulators and derivatives of a condition orthogonal to what "
        "stands "
        "before them",
        Limits{});
  visit("conditions", conditions, "",
        "NAME=TRIAL_TYPE|TRIAL_TYPE..., a * stands for any text; empty: every trial type is a "
        "condition of its own name",
        Limits{});
  visit("unlisted", unlisted, "", "trial types that no condition names",
        Limits::one_of({"own_column", "leave_out", "refuse"}));
  visit("modulators", modulators, "",
        "CONDITION:COLUMN, a column of the events that scales the condition's response; a * "
        "stands for any condition",
        Limits{});
  visit("censoring", censoring, "", "rows not kept are left out, or each gets a column",
        Limits::one_of({"drop", "spikes"}));
}

struct Event {
  double onset_s = 0.0;    // on the clock of `start_s`
  double duration_s = 0.0; // 0 is an impulse
  std::string trial_type;  // "" is missing
  double amplitude = 1.0;
};
struct Inputs {
  std::span<const Event> events;
  const std::vector<std::string>* modulator_names = nullptr;   // M, may be null
  Eigen::Map<const Eigen::MatrixXd> modulators{nullptr, 0, 0}; // events x M, NaN is missing
  int n_volumes = 0;
  double tr_s = 0.0;
  double start_s = 0.0; // when the first row's volume began, on the events' clock (dummies * tr_s)
  const std::vector<std::string>* confound_names = nullptr;   // columns of `confounds`, all used
  Eigen::Map<const Eigen::MatrixXd> confounds{nullptr, 0, 0}; // T x C, NaN takes the column's mean
  std::span<const std::uint8_t> keep;                         // T; empty keeps all
};

struct Column {
  std::string name;
  std::string role; // condition, derivative, modulator, confound, spike, drift, constant
  std::string condition;
  double vif = std::numeric_limits<double>::quiet_NaN(); // on the rows kept; infinite if dependent
};
struct Condition {
  std::string name;
  std::vector<std::string> trial_types; // those found
  bool listed = true;                   // named by Params::conditions, or there are none
  int n_events = 0;                     // modelled
  double duration_s = 0.0;              // sum over them
  std::string missing;                  // why it has no column; empty when it has
};
struct Design {
  Eigen::MatrixXd matrix; // T x K
  std::vector<Column> columns;
  std::vector<Condition> conditions;
  std::vector<std::uint8_t> keep;      // T, the rows to fit
  std::vector<std::size_t> unmodelled; // events without a column, ascending
  std::vector<std::string> dependent;  // columns the others explain on the rows kept
  std::vector<std::string> notes;      // usable but doubtful, one sentence each
  int n_kept = 0;
  int rank = 0;
  int dof = 0;                  // n_kept - rank
  double max_correlation = 0.0; // largest |r| of two task columns on the rows kept
  std::string max_correlation_pair;

  [[nodiscard]] std::vector<std::string> names() const;
};
// Throws input: negative or missing duration, missing onset, more than half of the events outside
// the run, a modulator's column or condition that is absent, a confound without a finite value,
// sizes that differ, no row kept, no degree of freedom left; usage: a malformed parameter. A
// condition without an event has no column and says why.
[[nodiscard]] Design run(const Inputs& inputs, const Params& params);

struct Shape {
  std::size_t n_volumes = 0;
  std::size_t n_columns = 0;
};
[[nodiscard]] std::size_t peak_bytes(const Shape& shape, const Params& params);

} // namespace boldmill::task_design
