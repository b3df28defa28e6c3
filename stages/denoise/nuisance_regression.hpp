// Removes nuisance signals and slow drift from voxel or region series and censors volumes that
// moved. Three orders of work:
//   filter = "cosine" (default): one model  y = [1, t, confounds, stop-band cosines] b + e, b by
//     least squares on the volumes kept, the residual is the result. High- and low-pass are
//     regressors of the same model, so the degrees of freedom left are exact.
//   filter = "fourier": the same with AFNI's sines and cosines (3dTproject -passband).
//   filter = "butterworth": XCP-D's order: interpolate censored volumes (cubic spline) in data and
//     confounds, detrend both, Butterworth both forward and backward, b on the volumes kept,
//     subtract, censor again. With intercept = false the last model has no constant, as in XCP-D.
// Voxel-wise regressors (a series of their own per column) go through the same steps and enter the
// same least squares. Confounds called signal__* are not removed: the others are made orthogonal to
// them first.
// Dummies are dropped before anything else. Volumes not kept are NaN in the output. Least squares
// by column-pivoted QR; rank and dropped columns are reported. dof_left = volumes kept - rank of
// [1, t, confounds, stop-band basis] on the volumes kept, for both orders.
// For a mean over voxels every step but z-scoring is linear: regressing parcel means gives the
// means of the regressed voxels. Sources: Lindquist 2019, doi:10.1002/hbm.24528; Mehta 2024
// (XCP-D), doi:10.1162/imag_a_00257; Ciric 2017, doi:10.1016/j.neuroimage.2017.03.020. Cost O(T K
// P).
#pragma once

#include <Eigen/Dense>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "stages/core/stage_info.hpp"

namespace boldmill::nuisance_regression {

inline constexpr std::array<std::string_view, 4> kReferences{
    "Lindquist 2019, Human Brain Mapping, doi:10.1002/hbm.24528",
    "Mehta 2024, Imaging Neuroscience, doi:10.1162/imag_a_00257",
    "Ciric 2017, NeuroImage, doi:10.1016/j.neuroimage.2017.03.020",
    "Satterthwaite 2013, NeuroImage, doi:10.1016/j.neuroimage.2012.08.052"};
inline constexpr StageInfo kStage{.name = "nuisance_regression",
                                  .version = 3,
                                  .summary = "nuisance regression, filtering and censoring",
                                  .references = kReferences};

struct Params {
  std::string strategy = "circuit";
  std::vector<std::string> columns;
  std::string filter = "cosine";
  double high_pass_hz = 0.008;
  double low_pass_hz = 0.0;
  int butterworth_order = 2;
  std::string padding = "constant";
  bool detrend = true;
  double fd_threshold_mm = 0.3;
  bool standardize = true;
  int min_dof = 30;
  int warn_dof = 60;
  std::vector<std::string> extra_columns;
  bool intercept = true;
  std::string output = "censored";
  bool operator==(const Params&) const = default;
};
template <class P, class F>
void for_each_field(P& params, F&& visit) {
  auto& [strategy, columns, filter, high_pass_hz, low_pass_hz, butterworth_order, padding, detrend,
         fd_threshold_mm, standardize, min_dof, warn_dof, extra_columns, intercept, output] =
      params;
  visit("strategy", strategy, "",
        "confound columns removed: circuit = 6 motion, their derivatives, csf, white_matter; 24P, "
        "27P, 36P, acompcor, acompcor_gsr, aroma, aroma_gsr, gsr_only, none as in XCP-D; custom = "
        "`columns`",
        Limits::one_of({"circuit", "24P", "27P", "36P", "acompcor", "acompcor_gsr", "aroma",
                        "aroma_gsr", "gsr_only", "none", "custom"}));
  visit("columns", columns, "", "column names of strategy custom; a * stands for any text",
        Limits{});
  visit("filter", filter, "",
        "cosine: one model with cosine regressors; fourier: one model with AFNI's sines and "
        "cosines; butterworth: XCP-D's order",
        Limits::one_of({"cosine", "fourier", "butterworth"}));
  visit("high_pass_hz", high_pass_hz, "Hz", "lower edge of the band; 0 is none",
        Limits::between(0.0, 10.0));
  visit("low_pass_hz", low_pass_hz, "Hz", "upper edge of the band; 0 is none",
        Limits::between(0.0, 10.0));
  visit("butterworth_order", butterworth_order, "", "order of one pass of the Butterworth filter",
        Limits::between(1, 10));
  visit("padding", padding, "",
        "what the Butterworth filter sees beyond the ends: constant over N - 1 volumes (XCP-D), "
        "odd (scipy's default, nilearn)",
        Limits::one_of({"constant", "odd"}));
  visit("detrend", detrend, "", "remove a linear trend", Limits{});
  visit("fd_threshold_mm", fd_threshold_mm, "mm",
        "volumes with a larger framewise displacement are censored; 0 is none",
        Limits::at_least(0.0));
  visit("standardize", standardize, "",
        "z-score every column over the volumes kept (divisor n - 1)", Limits{});
  visit("min_dof", min_dof, "", "runs with fewer degrees of freedom left are refused",
        Limits::between(1, 1e6));
  visit("warn_dof", warn_dof, "", "runs with fewer degrees of freedom left carry a warning",
        Limits::between(0, 1e6));
  visit("extra_columns", extra_columns, "",
        "columns removed besides the strategy's, such as task regressors; a * stands for any text",
        Limits{});
  visit("intercept", intercept, "",
        "a constant in the last model of filter butterworth; XCP-D has none", Limits{});
  visit("output", output, "",
        "censored: volumes not kept are missing; interpolated: with filter butterworth, censored "
        "volumes hold what the spline and the model give (XCP-D's abcd mode)",
        Limits::one_of({"censored", "interpolated"}));
}

// What is removed and where; the same for every column of a run.
struct DesignInputs {
  const std::vector<std::string>* confound_names = nullptr;   // K
  Eigen::Map<const Eigen::MatrixXd> confounds{nullptr, 0, 0}; // T x K, NaN is missing
  std::span<const std::uint8_t> keep; // T, further censoring; empty keeps all
  int n_dummy = 0;
  double tr_s = 0.0;
  int n_voxelwise = 0; // image series removed besides; each costs a degree of freedom
};
struct Design {
  Eigen::MatrixXd regressors; // (T - n_dummy) x K', as they enter the least squares
  Eigen::MatrixXd basis;      // n_kept x rank of regressors there, orthonormal columns
  Eigen::MatrixXd spread;     // (T - n_dummy) x the same: basis continued to the volumes not kept
  std::vector<std::string> names;   // K'
  std::vector<std::string> dropped; // linearly dependent on the volumes kept
  std::vector<std::uint8_t> keep;   // T, 0 on dummies and censored volumes
  int n_dummy = 0;
  int n_kept = 0;
  int rank = 0;        // of the whole model, filter included
  int n_regressed = 0; // rank the confounds add to intercept and trend, filter not counted
  int dof_left = 0;    // n_kept - rank
  double tr_s = 0.0;
  std::string warning; // empty when nothing is doubtful
  int n_voxelwise = 0;
};
// Throws input: a column the strategy or `columns` needs is absent or has no finite value, band
// edges not 0 <= high < low < Nyquist of this run, T differs, n_dummy outside [0, T); gate:
// dof_left < min_dof, with the numbers.
[[nodiscard]] Design make_design(const DesignInputs& inputs, const Params& params);

struct Inputs {
  Eigen::Map<const Eigen::MatrixXf> series; // T x P, a column per voxel or region
  const Design* design = nullptr;           // of make_design with the same Params
  // A series per regressor, T x P each, as many as n_voxelwise said.
  std::vector<Eigen::Map<const Eigen::MatrixXf>> voxelwise;
};
struct Outputs {
  Eigen::MatrixXf denoised; // T x P, rows not kept are NaN; constant or NaN columns are NaN
};
[[nodiscard]] Outputs run(const Inputs& inputs, const Params& params, const Context& context);

// The same on the caller's buffer, without a second copy of the data.
void run_in_place(Eigen::Map<Eigen::MatrixXf> series, const Design& design, const Params& params,
                  const Context& context,
                  std::span<const Eigen::Map<const Eigen::MatrixXf>> voxelwise = {});

// What is left of means over columns that were denoised without z-scoring (T x P): volumes not kept
// become NaN unless output = interpolated, standardize is done.
void finish_in_place(Eigen::Ref<Eigen::MatrixXf> series, const Design& design,
                     const Params& params);

// Names of the columns a strategy removes, in order, with the matches of `extra_columns`; for
// custom the matches of `columns`. Throws input when one is absent: acompcor needs the first of its
// components and takes the first five of csf and white matter; aroma takes aroma_orth_motion_*, or
// else the aroma_motion_* of fMRIPrep before 23.1.
[[nodiscard]] std::vector<std::string> strategy_columns(const Params& params,
                                                        const std::vector<std::string>& available);

struct Shape {
  std::size_t n_volumes = 0;
  std::size_t n_columns = 0;    // voxels or regions
  std::size_t n_regressors = 0; // confounds and cosines, an upper bound will do
  std::size_t n_voxelwise = 0;
};
[[nodiscard]] std::size_t peak_bytes(const Shape& shape, const Params& params);

} // namespace boldmill::nuisance_regression
