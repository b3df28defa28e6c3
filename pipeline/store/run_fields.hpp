// The columns of /runs beside run_id and row. Internal to this folder.
#pragma once

#include "pipeline/store/records.hpp"

namespace boldmill::store {

// visit(name, member pointer, attribute name or "", attribute text) once per column, in order.
template <class F>
void for_each_run_field(F&& visit) {
  visit("task", &RunRecord::task, "", "");
  visit("tr_s", &RunRecord::tr_s, "units", "s");
  visit("n_volumes", &RunRecord::n_volumes, "", "");
  visit("n_kept", &RunRecord::n_kept, "", "");
  visit("mean_fd_mm", &RunRecord::mean_fd_mm, "units", "mm");
  visit("fd_above_threshold", &RunRecord::fd_above_threshold, "long_name", "share of volumes");
  visit("mean_std_dvars", &RunRecord::mean_std_dvars, "", "");
  visit("distortion", &RunRecord::distortion, "", "");
  visit("slice_reference_s", &RunRecord::slice_reference_s, "units", "s");
  visit("tsnr", &RunRecord::tsnr, "", "");
  visit("coreg_dice", &RunRecord::coreg_dice, "", "");
  visit("coreg_displacement_mm", &RunRecord::coreg_displacement_mm, "units", "mm");
  visit("mirror_gain", &RunRecord::mirror_gain, "", "");
  visit("template_coverage", &RunRecord::template_coverage, "", "");
  visit("dropout", &RunRecord::dropout, "", "");
  visit("fwhm_mm", &RunRecord::fwhm_mm, "units", "mm");
  visit("t1w_mirror_gain", &RunRecord::t1w_mirror_gain, "", "");
  visit("norm_dice", &RunRecord::norm_dice, "", "");
  visit("norm_correlation", &RunRecord::norm_correlation, "", "");
  visit("norm_min_jacobian", &RunRecord::norm_min_jacobian, "", "");
  visit("norm_max_jacobian", &RunRecord::norm_max_jacobian, "", "");
  visit("dof_left", &RunRecord::dof_left, "", "");
  visit("status", &RunRecord::status, "", "");
  visit("reason", &RunRecord::reason, "", "");
  visit("qc_decision", &RunRecord::qc_decision, "", "");
  visit("qc_rater", &RunRecord::qc_rater, "", "");
}

} // namespace boldmill::store
