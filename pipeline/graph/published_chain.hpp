// The statistics of the published chain (Tozzi 2024, doi:10.1038/s41591-024-03057-9) with its
// quirks, beside those of the group stage: /cohort/published_chain.
#pragma once

#include "pipeline/graph/cohort_chain.hpp"

namespace boldmill::graph {

// After add_biotypes: its results stand in the table `beside`. Departure from the published chain:
// a measure that a whole scanner lacks is left out where the published routine stops. Random draws
// (imputation, nulls, subsamples, halves) are ours.
void add_published_chain(const store::CohortReader& reader, const ChainTable& table,
                         const config::Config& config, const taxonomy::Taxonomy& taxonomy,
                         store::CohortResults& results, const Context& context);

} // namespace boldmill::graph
