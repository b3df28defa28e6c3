#include "stages/denoise/run_quality.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "stages/core/planned_threads.hpp"
#include "stages/core/statistics.hpp"
#include "stages/denoise/image_quality.hpp"

namespace boldmill::run_quality {
namespace {

using Values = std::vector<double>;

void check(const Inputs& inputs) {
  const Series& bold = *inputs.bold;
  if (!inputs.brain->grid.same_as(bold.grid)) {
    throw Error(ErrorKind::input, "run_quality: the mask's grid differs from the series' grid");
  }
  const std::size_t n = count(*inputs.brain);
  if (n == 0 || n == inputs.brain->data.size()) {
    throw Error(ErrorKind::input, "run_quality: the brain mask holds " + std::to_string(n) +
                                      " voxels of " + std::to_string(inputs.brain->data.size()) +
                                      ", expected some and not all");
  }
  if (inputs.n_dummy < 0 || bold.n_volumes - inputs.n_dummy < 3) {
    throw Error(ErrorKind::input, "run_quality: found " + std::to_string(bold.n_volumes) +
                                      " volumes of which " + std::to_string(inputs.n_dummy) +
                                      " dummies, expected at least 3 others");
  }
  const auto expect = [&](Eigen::Index found, const char* name) {
    if (found == 0 || found == bold.n_volumes) return;
    throw Error(ErrorKind::input, std::string("run_quality: ") + name + " has " +
                                      std::to_string(found) + " values, expected " +
                                      std::to_string(bold.n_volumes));
  };
  expect(inputs.motion.rows(), "motion");
  expect(inputs.fd_mm.size(), "fd_mm");
  expect(inputs.rmsd_mm.size(), "rmsd_mm");
  expect(inputs.dvars.size(), "dvars");
  expect(inputs.std_dvars.size(), "std_dvars");
  expect(inputs.voxel_std_dvars.size(), "voxel_std_dvars");
  expect(static_cast<Eigen::Index>(inputs.keep.size()), "keep");
}

bool is_kept(const Inputs& inputs, Eigen::Index t) {
  if (t < inputs.n_dummy) return false;
  return inputs.keep.empty() || inputs.keep[static_cast<std::size_t>(t)] != 0;
}

// Values after the dummies, those kept only when asked for; a missing one becomes `missing`.
Values steady(const Inputs& inputs, const Eigen::VectorXd& all, bool kept_only, double missing) {
  Values out;
  for (Eigen::Index t = inputs.n_dummy; t < all.size(); ++t) {
    if (kept_only && !is_kept(inputs, t)) continue;
    out.push_back(std::isnan(all[t]) ? missing : all[t]);
  }
  return out;
}

} // namespace

QcRow qc_row(const Inputs& inputs, int n_volumes) {
  QcRow row;
  const Eigen::Index n = n_volumes;
  for (Eigen::Index t = inputs.n_dummy; t < n; ++t) row.num_retained_volumes += is_kept(inputs, t);
  row.num_dummy_volumes = inputs.n_dummy;
  row.num_censored_volumes = static_cast<int>(n) - inputs.n_dummy - row.num_retained_volumes;
  const Values fd = steady(inputs, inputs.fd_mm, false, 0.0);
  const Values fd_kept = steady(inputs, inputs.fd_mm, true, 0.0);
  row.mean_fd = mean(fd);
  row.mean_fd_post_censoring = mean(fd_kept);
  const Values rms = steady(inputs, inputs.rmsd_mm, true, kMissing);
  row.mean_relative_rms = mean(rms);
  for (const double value : rms) {
    if (!(value <= row.max_relative_rms) && !std::isnan(value)) row.max_relative_rms = value;
  }
  Values before = steady(inputs, inputs.std_dvars, false, 0.0);
  if (!before.empty()) before[0] = 0.0; // XCP-D has no volume before it
  row.mean_dvars_initial = mean(before);
  if (before.size() == fd.size()) row.fd_dvars_correlation_initial = pearson(fd, before);
  const auto& found = inputs.std_dvars_after;
  Values after(found.data(), found.data() + found.size());
  if (!after.empty()) after[0] = 0.0;
  row.mean_dvars_final = mean(after);
  if (after.size() == fd_kept.size()) row.fd_dvars_correlation_final = pearson(fd_kept, after);
  return row;
}

namespace {

// AFNI's Euclidean norm: translations in mm beside rotations in degrees.
Eigen::MatrixXd in_degrees(const Inputs& inputs) {
  Eigen::MatrixXd out = inputs.motion.bottomRows(inputs.motion.rows() - inputs.n_dummy);
  if (out.cols() == 6) out.rightCols<3>() *= 180.0 / std::numbers::pi;
  return out;
}

double largest_displacement(const Eigen::MatrixXd& motion) {
  double largest = motion.rows() == 0 ? kMissing : 0.0;
  for (Eigen::Index a = 0; a < motion.rows(); ++a) {
    for (Eigen::Index b = a + 1; b < motion.rows(); ++b) {
      largest = std::max(largest, (motion.row(a) - motion.row(b)).norm());
    }
  }
  return largest;
}

void review_motion(const Inputs& inputs, Review& review) {
  if (inputs.motion.rows() == 0) return;
  const Eigen::MatrixXd motion = in_degrees(inputs);
  Values all{0.0}, kept; // AFNI's first derivative is 0
  std::vector<Eigen::Index> rows;
  for (Eigen::Index t = 0; t < motion.rows(); ++t) {
    if (t > 0) all.push_back((motion.row(t) - motion.row(t - 1)).norm());
    if (!is_kept(inputs, t + inputs.n_dummy)) continue;
    kept.push_back(all.back());
    rows.push_back(t);
  }
  review.average_motion = mean(all);
  review.average_censored_motion = mean(kept);
  review.max_motion_displacement = largest_displacement(motion);
  review.max_censored_displacement = largest_displacement(motion(rows, Eigen::all));
}

void finish_review(const Inputs& inputs, Outputs& out) {
  Review& review = out.afni;
  review_motion(inputs, review);
  review.average_outlier_fraction = out.mriqc.aor;
  review.gcor = out.mriqc.gcor;
  review.trs_total_uncensored = inputs.bold->n_volumes - inputs.n_dummy;
  review.trs_total = out.xcp.num_retained_volumes;
  review.trs_censored = out.xcp.num_censored_volumes;
  review.censor_fraction =
      static_cast<double>(review.trs_censored) / static_cast<double>(review.trs_total_uncensored);
  review.dof_used = inputs.dof_used;
  review.dof_left = inputs.dof_left;
}

void average_confounds(const Inputs& inputs, const Params& params, ImageQuality& q) {
  q.dvars_std = mean(steady(inputs, inputs.std_dvars, false, kMissing));
  q.dvars_nstd = mean(steady(inputs, inputs.dvars, false, kMissing));
  q.dvars_vstd = mean(steady(inputs, inputs.voxel_std_dvars, false, kMissing));
  const Values fd = steady(inputs, inputs.fd_mm, false, kMissing);
  if (fd.empty()) return;
  q.fd_mean = mean(fd);
  q.fd_num = static_cast<double>(std::count_if(
      fd.begin(), fd.end(), [&](double value) { return value > params.fd_threshold_mm; }));
  q.fd_perc = 100.0 * q.fd_num / static_cast<double>(fd.size());
}

} // namespace

Outputs run(const Inputs& inputs, const Params& params, const Context& context) {
  check(inputs);
  Outputs out;
  out.xcp = qc_row(inputs, inputs.bold->n_volumes);
  measure_images(*inputs.bold, *inputs.brain, inputs.n_dummy, params, context, out);
  average_confounds(inputs, params, out.mriqc);
  finish_review(inputs, out);
  return out;
}

std::vector<std::pair<std::string, double>> named_row(const QcRow& x) {
  return {{"mean_fd", x.mean_fd},
          {"mean_fd_post_censoring", x.mean_fd_post_censoring},
          {"mean_relative_rms", x.mean_relative_rms},
          {"max_relative_rms", x.max_relative_rms},
          {"mean_dvars_initial", x.mean_dvars_initial},
          {"mean_dvars_final", x.mean_dvars_final},
          {"num_dummy_volumes", x.num_dummy_volumes},
          {"num_censored_volumes", x.num_censored_volumes},
          {"num_retained_volumes", x.num_retained_volumes},
          {"fd_dvars_correlation_initial", x.fd_dvars_correlation_initial},
          {"fd_dvars_correlation_final", x.fd_dvars_correlation_final}};
}

std::vector<std::pair<std::string, double>> named(const Outputs& outputs) {
  const QcRow& x = outputs.xcp;
  const ImageQuality& q = outputs.mriqc;
  const Review& a = outputs.afni;
  std::vector<std::pair<std::string, double>> out = named_row(x);
  const std::vector<std::pair<std::string, double>> images{{"efc", q.efc},
                                                           {"fber", q.fber},
                                                           {"snr", q.snr},
                                                           {"gsr_x", q.gsr_x},
                                                           {"gsr_y", q.gsr_y},
                                                           {"tsnr", q.tsnr},
                                                           {"gcor", q.gcor},
                                                           {"dvars_std", q.dvars_std},
                                                           {"dvars_nstd", q.dvars_nstd},
                                                           {"dvars_vstd", q.dvars_vstd},
                                                           {"fd_mean", q.fd_mean},
                                                           {"fd_num", q.fd_num},
                                                           {"fd_perc", q.fd_perc},
                                                           {"aor", q.aor},
                                                           {"aqi", q.aqi},
                                                           {"dummy_trs", x.num_dummy_volumes}};
  out.insert(out.end(), images.begin(), images.end());
  for (const auto& [side, s] : {std::pair{"fg", &q.fg}, std::pair{"bg", &q.bg}}) {
    const std::string prefix = std::string("summary_") + side + "_";
    out.insert(out.end(), {{prefix + "mean", s->mean},
                           {prefix + "median", s->median},
                           {prefix + "p05", s->p05},
                           {prefix + "p95", s->p95},
                           {prefix + "stdv", s->stdv},
                           {prefix + "mad", s->mad},
                           {prefix + "k", s->k},
                           {prefix + "n", s->n}});
  }
  const auto known = [](int value) { return value < 0 ? kMissing : static_cast<double>(value); };
  out.insert(out.end(), {{"afni_average_motion", a.average_motion},
                         {"afni_average_censored_motion", a.average_censored_motion},
                         {"afni_max_motion_displacement", a.max_motion_displacement},
                         {"afni_max_censored_displacement", a.max_censored_displacement},
                         {"afni_average_outlier_fraction", a.average_outlier_fraction},
                         {"afni_trs_total_uncensored", a.trs_total_uncensored},
                         {"afni_trs_total", a.trs_total},
                         {"afni_trs_censored", a.trs_censored},
                         {"afni_censor_fraction", a.censor_fraction},
                         {"afni_degrees_of_freedom_used", known(a.dof_used)},
                         {"afni_degrees_of_freedom_left", known(a.dof_left)},
                         {"afni_tsnr_average", a.tsnr_average},
                         {"afni_global_correlation", a.gcor}});
  return out;
}

MaskAgreement mask_agreement(const Mask& a, const Mask& b) {
  if (!a.grid.same_as(b.grid)) {
    throw Error(ErrorKind::input, "run_quality: the masks are not on one grid");
  }
  double n_a = 0.0, n_b = 0.0, both = 0.0;
  for (std::size_t v = 0; v < a.data.size(); ++v) {
    n_a += a.data[v] != 0;
    n_b += b.data[v] != 0;
    both += a.data[v] != 0 && b.data[v] != 0;
  }
  const auto n = static_cast<double>(a.data.size());
  MaskAgreement out;
  out.dice = 2.0 * both / (n_a + n_b);
  out.overlap = both / std::min(n_a, n_b);
  out.correlation = (n * both - n_a * n_b) / std::sqrt(n_a * (n - n_a) * n_b * (n - n_b));
  return out;
}

std::size_t peak_bytes(const Shape& shape, const Params&) {
  const std::size_t blocks = shape.n_in_mask / 512 + 1;
  return shape.n_voxels * (2 * sizeof(float) + sizeof(double)) +
         shape.n_in_mask *
             (kPlannedThreads * (2 * sizeof(double) + sizeof(float)) + 3 * sizeof(double)) +
         2 * blocks * shape.n_volumes * sizeof(double) +
         kPlannedThreads * 512 * shape.n_volumes * sizeof(float);
}

} // namespace boldmill::run_quality
