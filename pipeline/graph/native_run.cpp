#include "pipeline/graph/native_run.hpp"

#include <algorithm>

#include "stages/core/interpolate.hpp"
#include "stages/core/smooth.hpp"
#include "stages/functional/bold_resampling.hpp"

namespace boldmill::graph {
namespace {

constexpr std::size_t kEnough = 20; // voxels of a tissue mask

// Share of a tissue in each BOLD voxel.
Volume carried_share(const Volume& probability, const Grid& grid, const PointMap& bold_to_t1w,
                     const Context& context) {
  const double fwhm = grid.spacing_mm().mean();
  const Volume smooth = gaussian_smooth(probability, fwhm / kFwhmPerSigma, context);
  return resample(smooth, grid, bold_to_t1w, Interpolation::linear, context);
}

// Brain voxels whose share passes; the threshold is lowered step by step.
Mask passing(const Volume& share, const Mask& brain, double threshold) {
  Mask mask(brain.grid, 0);
  for (double limit = threshold; limit > 0.3; limit -= 0.1) {
    for (std::size_t v = 0; v < mask.data.size(); ++v) {
      mask.data[v] = brain.data[v] != 0 && share.data[v] >= static_cast<float>(limit) ? 1 : 0;
    }
    if (count(mask) >= kEnough) break;
  }
  return mask;
}

LabelImage tissue_labels(const Volume& csf, const Volume& white, const Mask& brain,
                         const Mask& anatomical) {
  LabelImage labels;
  labels.grid = brain.grid;
  labels.data.assign(brain.data.size(), 0);
  for (std::size_t v = 0; v < labels.data.size(); ++v) {
    if (brain.data[v] == 0) continue;
    labels.data[v] = csf.data[v] > 0.5F        ? kCsf
                     : white.data[v] > 0.5F    ? kWhite
                     : anatomical.data[v] != 0 ? kGrey
                                               : kOther;
  }
  return labels;
}

// Brain and crown go through every correction; what lies beyond tells about ghosts and noise, and
// stays as it was acquired.
Series corrected_series(const NativeInputs& inputs, const Mask& brain, const Mask& crown,
                        const Context& context) {
  const Grid& grid = brain.grid;
  std::vector<std::size_t> voxels;
  std::vector<std::size_t> beyond;
  for (std::size_t v = 0; v < brain.data.size(); ++v) {
    (brain.data[v] != 0 || crown.data[v] != 0 ? voxels : beyond).push_back(v);
  }
  const auto at = distortion_at(inputs.distortion, grid, voxels, PointMap{}, context);
  Series series = bold_resampling::to_series({inputs.bold, grid, voxels, PointMap{},
                                              inputs.motion.ref_to_volume, at.shift_voxels,
                                              at.factor, inputs.distortion.map.axis},
                                             context);
  std::vector<float> buffer;
  for (int t = 0; t < series.n_volumes; ++t) {
    const float* from = inputs.bold.read(t, buffer);
    float* to = series.volume(t);
    for (const std::size_t v : beyond) to[v] = from[v];
  }
  return series;
}

} // namespace

NativeRun native_run(const NativeInputs& inputs, const config::Config& config,
                     const Context& context) {
  const Mask& brain = inputs.brain;
  const Grid& grid = brain.grid;
  const PointMap bold_to_t1w{{inputs.bold_to_t1w}};
  const auto carried = [&](const Volume& probability) {
    return carried_share(probability, grid, bold_to_t1w, context);
  };
  NativeRun run;
  run.brain = brain;
  const Mask anatomical = resample_mask(inputs.anatomy.fit.mask, grid, bold_to_t1w, context);
  run.crown = compcor::crown_mask(brain, &anatomical, context);
  const Volume csf = carried(inputs.anatomy.noise.csf);
  const Volume white = carried(inputs.anatomy.white_matter);
  run.csf = passing(csf, brain, config.tissue_masks.csf_threshold);
  run.white_matter = passing(white, brain, config.tissue_masks.white_matter_threshold);
  run.noise_csf = compcor::binarize(csf, brain);
  run.noise_white = compcor::binarize(carried(inputs.anatomy.noise.white_matter), brain);
  run.both = compcor::binarize(carried(inputs.anatomy.noise.combined), brain);
  run.tissue = tissue_labels(csf, white, brain, anatomical);
  run.series = corrected_series(inputs, brain, run.crown, context);
  return run;
}

} // namespace boldmill::graph
