// Images beside the tables, as --write-volumes asks: none; minimal: T1w, masks and BOLD reference,
// in their own and in template space; all: also the preprocessed series in template space.
#pragma once

#include "pipeline/graph/anatomy.hpp"
#include "stages/core/transform.hpp"
#include "stages/functional/kernels/volume_source.hpp"

namespace boldmill::graph {

// BIDS derivative names under sub-X/[ses-Y/]anat. Needs the anatomy's images. Errors: disk.
void write_anatomy_volumes(const Study& study, const bids::ParticipantSession& session,
                           const Anatomy& anatomy, const Context& context);

struct RunVolumes {
  const Volume& boldref;
  const Mask& mask; // on boldref's grid
  const Affine& bold_to_t1w;
  const std::vector<Affine>& ref_to_volume;
  const PointMap& template_to_t1w;
  VolumeSource bold; // read only when the series is written
};
// Under sub-X/[ses-Y/]func.
void write_run_volumes(const Study& study, const bids::ParticipantSession& session,
                       const bids::BoldRun& run, const RunVolumes& volumes, const Context& context);

} // namespace boldmill::graph
