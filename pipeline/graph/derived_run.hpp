// A run that was preprocessed elsewhere: its series in the space of the target and its confounds
// are read, regions are averaged on the grid of the series, nothing is interpolated.
#pragma once

#include "pipeline/graph/bold_run.hpp"

namespace boldmill::graph {

// Fills study.derived, by input.bold. To be called once the target is known.
void find_derived_runs(Study& study, const Context& context);

// Null when the run is processed from its raw image. The source may lack a file: see missing.
[[nodiscard]] const DerivedSource* derived_source(const Study& study, const bids::BoldRun& run);

// Whether any run of the session is processed from its raw image.
[[nodiscard]] bool anatomy_is_needed(const Study& study, const bids::ParticipantSession& session);

[[nodiscard]] std::string derived_run_key(const Study& study, const DerivedSource& source);

// With --write-volumes all the denoised images too. Errors: input when a file is missing or does
// not fit, gate when the brain is elsewhere.
[[nodiscard]] RunOutput process_derived_run(const Study& study,
                                            const bids::ParticipantSession& session,
                                            const bids::BoldRun& run, const DerivedSource& source,
                                            const Context& context);

[[nodiscard]] std::size_t derived_run_peak_bytes(const Study& study, const RunShape& shape);

} // namespace boldmill::graph
