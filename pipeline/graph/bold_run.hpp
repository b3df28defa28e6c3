// The functional chain of one run: dummies, reference, head motion, brain mask, coregistration, one
// interpolation to the native grid (confounds) and one to template space (region series).
#pragma once

#include <cmath>

#include "pipeline/graph/anatomy.hpp"
#include "pipeline/graph/study.hpp"

namespace boldmill::graph {

// Everything later steps need of a run; small, kept in the cache.
struct RunResult {
  int n_volumes = 0;
  int n_dummies = 0;
  double tr_s = 0.0;
  double tsnr = 0.0;
  double coreg_dice = 0.0;
  double norm_dice = std::nan(""); // of a run preprocessed elsewhere: its mask and the template's
  double coreg_cost = 0.0;
  double mirror_gain = 0.0; // of the similarity when left and right are exchanged
  double coreg_displacement_mm = 0.0;
  double template_coverage = 0.0; // share of the template's brain inside the field of view
  double dropout = 0.0;           // share of the T1w's brain in it that the BOLD mask leaves out
  double fwhm_mm = 0.0;           // smoothness of the noise on the run's own grid
  double mean_fd_mm = 0.0;
  double mean_std_dvars = 0.0;
  std::string distortion;         // method, "none" when not corrected
  double slice_reference_s = 0.0; // volume t stands for t * tr_s + this; NaN: not corrected
  std::vector<std::string> confound_names;
  Eigen::MatrixXd confounds;                 // T x K
  std::string confound_metadata;             // JSON, see confounds_of_run
  std::vector<Eigen::MatrixXf> series;       // by set of the target space: T x R
  std::vector<std::vector<double>> coverage; // by set: R
  std::vector<std::string> warnings;
  std::vector<std::string> notes; // of no concern for the status
};

void archive(cache::Archive& a, RunResult& r);
void archive(cache::Archive& a, struct RunRegional& r);

// Kept in the cache apart from RunResult: the carpet depends on the denoising.
struct RunQuality {
  std::map<std::string, double> values; // see run_quality::named; empty when there is too little
  store::Carpet carpet;
};

// Measures of regions from the run's voxels, see regional.hpp.
struct RunRegional {
  std::map<std::string, std::vector<std::vector<double>>> values; // by measure and set: R
  std::string missing; // why measures are missing, "" when none is
  // By set: T x R as nuisance_regression gives them. Only with voxels.regressors, which have to be
  // removed from voxels before these are averaged.
  std::vector<Eigen::MatrixXf> denoised;
};

struct RunOutput {
  RunResult result;
  RunQuality quality;
  RunRegional regional;
  std::vector<store::StageRecord> stages;
  std::vector<store::ResourceRecord> resources;
  std::vector<store::InputRecord> inputs;
};

// What is done to voxels before they are averaged, as a part of a key; "" for nothing.
[[nodiscard]] std::string voxel_steps(const config::Config& config);

// Key of the run's result; reads (or remembers) the digests of image and T1w.
[[nodiscard]] std::string run_key(const Study& study, const bids::ParticipantSession& session,
                                  const bids::BoldRun& run);
// Nothing of the run needs its images. Errors as run_key.
[[nodiscard]] bool run_is_cached(const Study& study, const bids::ParticipantSession& session,
                                 const bids::BoldRun& run);

// Errors: input when the run cannot be processed, gate when its alignment is not good enough.
[[nodiscard]] RunOutput process_run(const Study& study, const bids::ParticipantSession& session,
                                    const bids::BoldRun& run, const Anatomy& anatomy,
                                    const Context& context);

// From the header alone.
struct RunShape {
  std::size_t n_voxels = 0;
  std::size_t n_volumes = 0;
  std::size_t n_echoes = 1;
};
[[nodiscard]] std::size_t run_peak_bytes(const Study& study, const RunShape& shape);

} // namespace boldmill::graph
