// What makes a run doubtful (a warning) or useless (a gate), by the thresholds of the
// configuration.
#pragma once

#include "pipeline/graph/bold_run.hpp"
#include "stages/functional/bold_mask.hpp"
#include "stages/functional/coregistration.hpp"
#include "stages/functional/head_motion.hpp"

namespace boldmill::graph {

// Share of the T1w's brain inside the field of view that is too dark for the BOLD mask.
[[nodiscard]] double dropout_of(const Mask& t1w_mask, const Mask& bold_mask,
                                const Affine& bold_to_t1w, const Context& context);

// Share of the template's brain inside the field of view of `bold`.
[[nodiscard]] double template_coverage_of(const Mask& template_mask, const Grid& bold,
                                          const PointMap& template_to_bold, const Context& context);

// Appends to result.warnings what the estimates themselves call doubtful.
void note_doubts(std::int64_t n_nonfinite, const head_motion::Outputs& motion,
                 const coregistration::Outputs& coreg, const bold_mask::Outputs& mask,
                 const Anatomy& anatomy, RunResult& result);

// Appends to result.warnings what is there but weak: signal, coverage of brain and regions.
void note_gaps(const Study& study, RunResult& result);

// Error{gate} when the alignment is not good enough.
void check_alignment(const config::GateParams& gates, const std::string& run_id,
                     const RunResult& result);

} // namespace boldmill::graph
