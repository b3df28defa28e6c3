// The confounds table of one run with fMRIPrep's column names, T x K:
//   csf, white_matter, global_signal, trans_x..rot_z, each followed by _derivative1, _power2,
//   _derivative1_power2; csf_wm, tcompcor; framewise_displacement, rmsd, dvars, std_dvars; the
//   components of compcor; cosineNN (DCT high-pass, 128 s, over the volumes after the dummies, zero
//   on dummies); non_steady_state_outlierNN (one-hot per dummy); motion_outlierNN (one-hot where FD
//   or std_dvars exceed their thresholds).
// derivative1 is the backward difference, first row NaN. Missing values are NaN, never zero.
// Source: fMRIPrep 25 / niworkflows, Esteban 2019, doi:10.1038/s41592-018-0235-4. Cost O(T K).
#pragma once

#include <Eigen/Dense>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "stages/core/stage_info.hpp"
#include "stages/denoise/kernels/component_set.hpp"

namespace boldmill::confounds {

inline constexpr std::array<std::string_view, 2> kReferences{
    "Esteban 2019, Nature Methods, doi:10.1038/s41592-018-0235-4",
    "Satterthwaite 2013, NeuroImage, doi:10.1016/j.neuroimage.2012.08.052"};
inline constexpr StageInfo kStage{.name = "confounds",
                                  .version = 2,
                                  .summary = "the confounds table of a run, fMRIPrep's columns",
                                  .references = kReferences};

struct Params {
  double fd_spike_threshold_mm = 0.5;
  double dvars_spike_threshold = 1.5;
  double cosine_cutoff_s = 128.0;
  bool operator==(const Params&) const = default;
};
template <class P, class F>
void for_each_field(P& params, F&& visit) {
  auto& [fd_spike_threshold_mm, dvars_spike_threshold, cosine_cutoff_s] = params;
  visit("fd_spike_threshold_mm", fd_spike_threshold_mm, "mm",
        "volumes with a larger framewise displacement become motion_outlier columns",
        Limits::at_least(0.0));
  visit("dvars_spike_threshold", dvars_spike_threshold, "",
        "volumes with a larger std_dvars become motion_outlier columns", Limits::at_least(0.0));
  visit("cosine_cutoff_s", cosine_cutoff_s, "s", "longest period kept by the cosine columns",
        Limits::between(1.0, 1e6));
}

struct Inputs {
  Eigen::Map<const Eigen::MatrixXd> motion; // T x 6: trans_x..z mm, rot_x..z rad
  Eigen::VectorXd framewise_displacement;   // T; the vectors below may be empty: column left out
  Eigen::VectorXd rmsd;
  Eigen::VectorXd dvars;
  Eigen::VectorXd std_dvars;
  Eigen::VectorXd csf;
  Eigen::VectorXd white_matter;
  Eigen::VectorXd global_signal;
  int n_dummy = 0;
  double tr_s = 0.0;
  Eigen::VectorXd csf_wm;               // mean over the combined mask of aCompCor
  Eigen::VectorXd tcompcor;             // mean over the voxels of tCompCor
  std::vector<ComponentSet> components; // of compcor; T rows each
};
// What the JSON sidecar says of a column: BIDS keys Method, Mask, Units, Description,
// SingularValue, VarianceExplained, CumulativeVarianceExplained, Retained. Empty text and NaN are
// left out.
struct ColumnMetadata {
  std::string column, method, mask, units, description;
  double singular_value = std::numeric_limits<double>::quiet_NaN();
  double variance_explained = std::numeric_limits<double>::quiet_NaN();
  double cumulative_variance_explained = std::numeric_limits<double>::quiet_NaN();
  bool is_component = false; // then Retained is true: components not kept are not listed
};
struct Outputs {
  std::vector<std::string> names; // K, unique
  Eigen::MatrixXd values;         // T x K, NaN is missing
  int n_motion_outliers = 0;
  double mean_fd_mm = 0.0; // over the volumes after the dummies; NaN when none
  double mean_std_dvars = 0.0;
  std::vector<ColumnMetadata> metadata; // of the columns that have any, in the table's order
};
// Throws input: motion without 6 columns, a vector of another length, n_dummy outside [0, T),
// tr_s not positive.
[[nodiscard]] Outputs run(const Inputs& inputs, const Params& params, const Context& context);

// Position of the column called `name`, -1 when there is none.
[[nodiscard]] int column_index(const std::vector<std::string>& names, const std::string& name);

struct Shape {
  std::size_t n_volumes = 0;
  std::size_t n_components = 0; // columns of all component sets
};
[[nodiscard]] std::size_t peak_bytes(const Shape& shape, const Params& params);

} // namespace boldmill::confounds
