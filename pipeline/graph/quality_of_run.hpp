// What says whether a run can be used beyond its confounds: the rows of XCP-D, MRIQC and AFNI, and
// the carpet before and after denoising.
#pragma once

#include "pipeline/graph/native_run.hpp"
#include "pipeline/graph/nuisance.hpp"

namespace boldmill::graph {

void archive(cache::Archive& a, RunQuality& quality);

// Never throws for a run that is too short or refused by the design: less is filled then.
[[nodiscard]] RunQuality quality_of_run(const NativeRun& native, const RunResult& run,
                                        const config::Config& config, const Context& context);

// Without the series.
[[nodiscard]] std::size_t quality_bytes(const RunShape& shape, const config::Config& config);

} // namespace boldmill::graph
