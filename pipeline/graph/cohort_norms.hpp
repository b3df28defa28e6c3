// Where everybody stands among the healthy people of the cohort: /cohort/norms, and the same of new
// people by a model file.
#pragma once

#include "pipeline/graph/cohort_scores.hpp"
#include "pipeline/graph/learned_records.hpp"

namespace boldmill::graph {

// Learned from one row of each healthy person with raw measures; sites are random effects there, so
// nothing is harmonised before.
void add_norms(const store::CohortReader& reader, const ComparableMeasures& comparable,
               const config::Config& config, store::CohortResults& results, const Context& context);

// Table scored/norms of the rows.
[[nodiscard]] store::TableRecord scored_norms(const store::GroupRecord& learned,
                                              const store::CohortReader& reader,
                                              const ComparableMeasures& comparable,
                                              const Context& context);

} // namespace boldmill::graph
