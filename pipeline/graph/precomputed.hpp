// What --derivatives NAME=DIR gives for a person instead of being computed: the T1w's brain mask,
// and the pair of transforms between the T1w and the target space, by fMRIPrep's names:
//   [ses-Y_]desc-brain_mask.nii.gz   from-T1w_to-<space>_mode-image_xfm.h5 and its inverse
// Contents enter the cache keys by their digests, provenance by name and digest.
#pragma once

#include <optional>

#include "pipeline/graph/study.hpp"
#include "stages/anatomy/affine.hpp"
#include "stages/anatomy/normalization.hpp"

namespace boldmill::graph {

struct PrecomputedFile {
  std::filesystem::path path;
  store::InputRecord record; // its path reads "derivatives:NAME/sub-01/anat/..."
};
struct Precomputed {
  std::optional<PrecomputedFile> mask;
  std::optional<PrecomputedFile> t1w_to_target, target_to_t1w; // both or neither
  std::vector<std::string> warnings;
};

// The first folder of the study that has the file counts. Reads (or remembers) digests.
[[nodiscard]] Precomputed precomputed_of(const Study& study,
                                         const bids::ParticipantSession& session);

// The mask on the T1w's grid. Error{input}: unreadable, hardly inside the T1w, or no brain's size.
[[nodiscard]] Mask precomputed_mask(const PrecomputedFile& file, const Grid& t1w,
                                    const Context& context);

struct PrecomputedNormalization {
  normalization::Outputs normalization; // measured here: Dice, Jacobian, agreement of the two maps
  affine::Outputs affine;               // the affine map nearest to the warp, over the mask
};
// Error{input}: unreadable, or the two maps are not each other's inverse (2 mm at the 95th
// percentile of the template's brain).
[[nodiscard]] PrecomputedNormalization precomputed_normalization(const Study& study,
                                                                 const Precomputed& files,
                                                                 const Mask& t1w_mask,
                                                                 const Context& context);

} // namespace boldmill::graph
