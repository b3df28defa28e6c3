// Images and transforms beside the tables, with BIDS derivative names, as --write-volumes asks:
//   none
//   minimal  T1w, masks, tissue and BOLD reference, in their own and in every output space; the
//            transforms between the spaces in ITK's format
//   all      also the series in every output space, preprocessed and denoised, and the maps of
//            regional.measures
// Every image of another space is interpolated once, from the image as it was acquired (the series)
// or as corrected for bias (the T1w). The table of names is in pipeline/graph/README.md.
#pragma once

#include <limits>

#include "pipeline/graph/anatomy.hpp"
#include "pipeline/graph/brain_voxels.hpp"
#include "pipeline/graph/distortion_of_run.hpp"
#include "stages/anatomy/tissue.hpp"
#include "stages/core/transform.hpp"
#include "stages/functional/kernels/volume_source.hpp"

namespace boldmill::graph {

// Under sub-X/[ses-Y/]anat. Needs the anatomy's T1w, and the tissues on its grid.
// Errors: disk.
void write_anatomy_volumes(const Study& study, const bids::ParticipantSession& session,
                           const Anatomy& anatomy, const tissue::Outputs& probabilities,
                           const Context& context);

struct RunVolumes {
  const Volume& boldref; // without distortion when the run is corrected
  const Mask& mask;      // on boldref's grid
  const Affine& bold_to_t1w;
  const std::vector<Affine>& ref_to_volume;
  const Anatomy& anatomy;
  VolumeSource bold; // read only when the series is written
  // To which time after a volume's start its slices were shifted; NaN when they were not.
  double start_s = std::numeric_limits<double>::quiet_NaN();
  const RunDistortion* distortion = nullptr; // null: not corrected
  const Volume* t2star_ms = nullptr;         // null: one echo
  const RunResult* result = nullptr;         // for the denoised series
};
// Under sub-X/[ses-Y/]func.
void write_run_volumes(const Study& study, const bids::ParticipantSession& session,
                       const bids::BoldRun& run, const RunVolumes& volumes, const Context& context);

// The maps on the run's own grid.
void write_run_measures(const Study& study, const bids::ParticipantSession& session,
                        const bids::BoldRun& run, const VoxelMeasures& measures, const Mask& brain);

// Voxels of the largest series that is written, for the memory estimate; 0 when none is.
[[nodiscard]] std::size_t largest_output_voxels(const Study& study);

} // namespace boldmill::graph
