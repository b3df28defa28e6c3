// How stage outputs are kept in the cache of estimates: archive(Archive&, Outputs&) in each stage's
// namespace.
#pragma once

#include "pipeline/cache/archive.hpp"
#include "stages/anatomy/affine.hpp"
#include "stages/anatomy/brain_mask.hpp"
#include "stages/anatomy/normalization.hpp"
#include "stages/anatomy/tissue.hpp"
#include "stages/functional/boldref.hpp"
#include "stages/functional/coregistration.hpp"
#include "stages/functional/head_motion.hpp"

namespace boldmill {

namespace affine {
inline void archive(cache::Archive& a, Outputs& o) {
  a(o.t1w_to_template, o.correlation, o.other_correlation, o.coarse_correlation, o.overlap,
    o.header_rotation_deg, o.iterations, o.mirror_gain, o.converged);
}
} // namespace affine

namespace brain_mask {
inline void archive(cache::Archive& a, Outputs& o) {
  a(o.mask, o.volume_ml, o.carried_dice, o.skull_stripped);
}
} // namespace brain_mask

namespace normalization {
inline void archive(cache::Archive& a, Outputs& o) {
  a(o.moving_to_template, o.template_to_moving, o.dice, o.correlation, o.local_correlation,
    o.min_jacobian, o.max_jacobian, o.max_displacement_mm, o.inverse_error_mm, o.iterations,
    o.converged, o.lesion_ml);
}
} // namespace normalization

namespace tissue {
inline void archive(cache::Archive& a, Priors& o) { a(o.csf, o.gm, o.wm); }
} // namespace tissue

namespace boldref {
inline void archive(cache::Archive& a, Outputs& o) {
  a(o.reference, o.volumes, o.ref_to_volume, o.aligned);
}
} // namespace boldref

namespace head_motion {
inline void archive(cache::Archive& a, Outputs& o) {
  a(o.ref_to_volume, o.motion, o.rmsd_mm, o.converged, o.correlation, o.n_failed);
}
} // namespace head_motion

namespace coregistration {
inline void archive(cache::Archive& a, Outputs& o) {
  a(o.bold_to_t1w, o.cost, o.dice, o.t1w_coverage, o.header_displacement_mm, o.header_rotation_deg,
    o.refinement_mm, o.edge_contrast, o.start, o.edges_used, o.edge_reason,
    o.mirror_similarity_gain, o.mirror_edge_gain, o.doubtful, o.reason);
}
} // namespace coregistration

} // namespace boldmill
