// A run on its own grid, corrected for head motion and distortion, and the masks on that grid from
// which confounds and quality are measured.
#pragma once

#include "pipeline/graph/anatomy.hpp"
#include "pipeline/graph/distortion_of_run.hpp"
#include "stages/functional/head_motion.hpp"
#include "stages/functional/kernels/volume_source.hpp"

namespace boldmill::graph {

struct NativeInputs {
  VolumeSource bold; // as acquired, slices corrected
  const Mask& brain; // on the grid of the reference
  const Affine& bold_to_t1w;
  const head_motion::Outputs& motion;
  const RunDistortion& distortion;
  const Anatomy& anatomy;
};

// Labels of NativeRun::tissue.
enum TissueLabel : std::int32_t { kCsf = 1, kGrey = 2, kWhite = 3, kOther = 4 };

struct NativeRun {
  Series series; // brain and crown corrected; beyond them as acquired
  Mask brain;
  Mask crown;                              // see compcor::crown_mask
  Mask csf, white_matter;                  // shares above the thresholds of tissue_masks
  Mask noise_csf, noise_white, both;       // of aCompCor
  LabelImage tissue;                       // TissueLabel, 0 outside the brain
  std::vector<Eigen::MatrixXf> regressors; // of each voxel of the brain, see voxels.regressors
};

[[nodiscard]] NativeRun native_run(const NativeInputs& inputs, const config::Config& config,
                                   const Context& context);

} // namespace boldmill::graph
