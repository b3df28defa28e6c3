// Whether a BOLD reference fits the T1w better when left and right are exchanged: both hypotheses
// are optimised in the same way from the same place and compared. Nothing is ever changed by it.
#pragma once

#include "stages/functional/kernels/mutual_information.hpp"
#include "stages/functional/kernels/white_matter_edge.hpp"

namespace boldmill {

// The reflection of the points of a T1w about the plane that an affine map to a template carries to
// x = 0.
[[nodiscard]] Affine mid_sagittal_reflection(const Affine& t1w_to_template);

struct MirrorEvidence {
  double similarity_gain = 0.0; // NMI, mirrored minus as it is
  double edge_gain = 0.0;       // cost of the white-matter edge, as it is minus mirrored
};

// `bold_brain` is 0 outside its mask; bold_to_t1w a fit that is already near; `center` in the BOLD.
// Both hypotheses run side by side; the result does not depend on threads.
[[nodiscard]] MirrorEvidence mirror_evidence(const MutualInformation& similarity,
                                             const WhiteMatterEdge& edge, const Volume& bold_brain,
                                             const Affine& bold_to_t1w, const Affine& t1w_mirror,
                                             const Eigen::Vector3d& center, const Context& context);

} // namespace boldmill
