// The anatomical chain of one participant-session: bias field, affine, brain mask, normalisation,
// tissue. Estimates are cached; corrected images and tissue maps are computed when needed.
#pragma once

#include <optional>

#include "pipeline/graph/study.hpp"
#include "stages/anatomy/affine.hpp"
#include "stages/anatomy/normalization.hpp"
#include "stages/denoise/compcor.hpp"

namespace boldmill::graph {

// The part that is small, kept, and enough to know whether the person can be used.
struct AnatomyFit {
  affine::Outputs affine;
  Mask mask; // on the T1w grid
  double brain_ml = 0.0;
  bool skull_stripped = false; // the T1w was brain-only
  normalization::Outputs normalization;
};

struct Anatomy {
  std::string key; // of the fit
  AnatomyFit fit;
  std::vector<std::string> warnings;
  std::vector<store::StageRecord> stages;
  std::vector<store::ResourceRecord> resources;
  std::vector<store::InputRecord> inputs;

  // Only when a run has to be processed (see needs_images): on the T1w grid.
  Volume t1w; // bias-corrected
  Volume white_matter;
  compcor::TissueMaps noise; // of aCompCor; its csf is the segmentation's
};

// Which T1w of a session is used: the first by path. Error{input} when there is none.
[[nodiscard]] const bids::AnatFile& t1w_of(const bids::ParticipantSession& session);

// Key of the tissue maps of the anatomy with that key.
[[nodiscard]] std::string tissue_key(const Study& study, const std::string& anatomy);

// Cache key of the fit; reads (or remembers) the digest of the T1w.
[[nodiscard]] std::string anatomy_key(const Study& study, const bids::ParticipantSession& session);

// Errors: input when the T1w cannot be used, gate when the fit is not good enough.
[[nodiscard]] Anatomy run_anatomy(const Study& study, const bids::ParticipantSession& session,
                                  bool needs_images, const Context& context);

[[nodiscard]] std::size_t anatomy_peak_bytes(const Study& study, const Grid& t1w);
// Of an Anatomy with its images, which all runs of the session read.
[[nodiscard]] std::size_t anatomy_kept_bytes(const Study& study, const Grid& t1w);

} // namespace boldmill::graph
