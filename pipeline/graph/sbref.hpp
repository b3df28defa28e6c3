// The single-band reference of a run, moved to the pose and grid of its BOLD reference: sharper
// grey against white, so masks, distortion and coregistration look at it instead (as fMRIPrep
// does).
#pragma once

#include "pipeline/graph/study.hpp"

namespace boldmill::graph {

// Digest of the file, "" when the run has none or `input.use_sbref` is off.
[[nodiscard]] std::string sbref_digest(const Study& study, const bids::BoldRun& run);

// On the grid of `reference`; `reference` itself, and a warning, when the file cannot be read, has
// another grid, or does not align with it (correlation below 0.7).
[[nodiscard]] Volume sbref_or(const Study& study, const bids::BoldRun& run, const Volume& reference,
                              std::vector<std::string>& warnings, const Context& context);

} // namespace boldmill::graph
