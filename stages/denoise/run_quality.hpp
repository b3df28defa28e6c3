// Numbers that say whether a run can be used, with the names and definitions of three tools.
//   XCP-D's QC row: motion and DVARS before and after, censoring, correlation of FD and DVARS
//   MRIQC: efc, fber, snr, gsr, tsnr, gcor, dvars, fd, outliers, summary of fore- and background
//   AFNI's review: average and largest motion, share censored, degrees of freedom, tSNR, GCOR
// All over the volumes after the dummies. NaN where an input is missing. Sources: Mehta 2024
// (XCP-D), doi:10.1162/imag_a_00257; Esteban 2017 (MRIQC), doi:10.1371/journal.pone.0184661; Saad
// 2013 (GCOR), doi:10.1089/brain.2013.0156; Giannelli 2010 (GSR), doi:10.1120/jacmp.v11i4.3237.
// Cost O(T P log T).
#pragma once

#include <Eigen/Dense>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "stages/core/image.hpp"
#include "stages/core/stage_info.hpp"

namespace boldmill::run_quality {

inline constexpr std::array<std::string_view, 4> kReferences{
    "Mehta 2024, Imaging Neuroscience, doi:10.1162/imag_a_00257",
    "Esteban 2017, PLoS ONE, doi:10.1371/journal.pone.0184661",
    "Saad 2013, Brain Connectivity, doi:10.1089/brain.2013.0156",
    "Giannelli 2010, J Appl Clin Med Phys, doi:10.1120/jacmp.v11i4.3237"};
inline constexpr StageInfo kStage{.name = "run_quality",
                                  .version = 1,
                                  .summary = "quality measures of a run",
                                  .references = kReferences};
inline constexpr double kMissing = std::numeric_limits<double>::quiet_NaN();

struct Params {
  double fd_threshold_mm = 0.2;
  double outlier_p = 0.001;
  bool quality_index = true;
  bool operator==(const Params&) const = default;
};
template <class P, class F>
void for_each_field(P& params, F&& visit) {
  auto& [fd_threshold_mm, outlier_p, quality_index] = params;
  visit("fd_threshold_mm", fd_threshold_mm, "mm", "volumes with a larger FD count in fd_num",
        Limits::at_least(0.0));
  visit("outlier_p", outlier_p, "",
        "a value is an outlier of its voxel where a normal one would be with this chance in a run",
        Limits::between(1e-9, 0.5));
  visit("quality_index", quality_index, "", "compute aqi, which ranks every volume", Limits{});
}

struct Inputs {
  const Series* bold = nullptr;                            // motion-corrected, T volumes
  const Mask* brain = nullptr;                             // same grid
  Eigen::Map<const Eigen::MatrixXd> motion{nullptr, 0, 0}; // T x 6, mm and rad, not filtered
  Eigen::VectorXd fd_mm;                                   // T, from the same; first NaN
  Eigen::VectorXd rmsd_mm;                                 // T, may be empty
  Eigen::VectorXd dvars, std_dvars, voxel_std_dvars;       // T, of stage dvars; may be empty
  Eigen::VectorXd std_dvars_after; // n_kept, dvars::std_dvars_of the denoised volumes; may be empty
  std::span<const std::uint8_t> keep; // T, of the design; empty keeps what follows the dummies
  int n_dummy = 0;
  int dof_used = -1, dof_left = -1; // of the design; -1 unknown
};

// XCP-D: a missing FD counts as 0, a missing first DVARS as 0.
struct QcRow {
  double mean_fd = kMissing, mean_fd_post_censoring = kMissing;
  double mean_relative_rms = kMissing, max_relative_rms = kMissing;  // over volumes kept
  double mean_dvars_initial = kMissing, mean_dvars_final = kMissing; // standardised DVARS
  int num_dummy_volumes = 0, num_censored_volumes = 0, num_retained_volumes = 0;
  double fd_dvars_correlation_initial = kMissing, fd_dvars_correlation_final = kMissing;
};
// MRIQC's summary over a mask of the mean volume, values rounded to integers where it does.
struct Summary {
  double mean = kMissing, median = kMissing, p05 = kMissing, p95 = kMissing, stdv = kMissing;
  double mad = kMissing; // over 0.6745
  double k = kMissing;   // excess kurtosis
  double n = 0.0;
};
struct ImageQuality {
  double efc = kMissing, fber = kMissing, snr = kMissing, gsr_x = kMissing, gsr_y = kMissing;
  double tsnr = kMissing; // median over the brain
  double gcor = kMissing;
  double dvars_std = kMissing, dvars_nstd = kMissing, dvars_vstd = kMissing;
  double fd_mean = kMissing, fd_num = kMissing, fd_perc = kMissing;
  double aor = kMissing; // mean share of outliers in the brain
  double aqi = kMissing; // mean over volumes of 1 - Spearman's correlation with the median volume
  Summary fg, bg;
};
struct Review {
  double average_motion = kMissing, average_censored_motion = kMissing; // mm and degrees, per TR
  double max_motion_displacement = kMissing, max_censored_displacement = kMissing;
  double average_outlier_fraction = kMissing, tsnr_average = kMissing, gcor = kMissing;
  int trs_total_uncensored = 0, trs_total = 0, trs_censored = 0;
  double censor_fraction = kMissing;
  int dof_used = -1, dof_left = -1;
};
struct Outputs {
  QcRow xcp;
  ImageQuality mriqc;
  Review afni;
  Eigen::VectorXd outlier_fraction; // T, NaN on dummies
  Eigen::VectorXd quality_index;    // T, NaN on dummies or when not asked for
  Volume mean, tsnr;                // mean and tSNR of the volumes after the dummies
};
// Throws input: grids differ, brain mask empty or whole, fewer than 3 volumes after the dummies, a
// vector of another length.
[[nodiscard]] Outputs run(const Inputs& inputs, const Params& params, const Context& context);

// XCP-D's row alone: of `inputs` only fd_mm, rmsd_mm, std_dvars, std_dvars_after, keep and n_dummy
// are read.
[[nodiscard]] QcRow qc_row(const Inputs& inputs, int n_volumes);
[[nodiscard]] std::vector<std::pair<std::string, double>> named_row(const QcRow& row);

// Everything as one row: XCP-D's and MRIQC's own names, AFNI's with underscores and afni_ before.
[[nodiscard]] std::vector<std::pair<std::string, double>> named(const Outputs& outputs);

// XCP-D's coreg_* and norm_*: of two masks on one grid.
struct MaskAgreement {
  double dice = kMissing, correlation = kMissing, overlap = kMissing; // overlap: over the smaller
};
[[nodiscard]] MaskAgreement mask_agreement(const Mask& a, const Mask& b);

struct Shape {
  std::size_t n_voxels = 0;
  std::size_t n_in_mask = 0;
  std::size_t n_volumes = 0;
};
[[nodiscard]] std::size_t peak_bytes(const Shape& shape, const Params& params);

} // namespace boldmill::run_quality
