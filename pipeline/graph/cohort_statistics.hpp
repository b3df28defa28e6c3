// Group statistics and treatment of a cohort, from its tables.
#pragma once

#include "pipeline/config/config.hpp"
#include "pipeline/graph/cohort_scores.hpp"
#include "pipeline/store/reader.hpp"
#include "pipeline/store/records.hpp"

namespace boldmill::graph {

// /cohort/group_statistics, or the reason why not. Needs the scores in `results`.
void add_group_statistics(const store::CohortReader& reader, const ComparableMeasures& comparable,
                          const config::Config& config, store::CohortResults& results,
                          const Context& context);

// /cohort/treatment/*, or the reason why not. Models start from raw measures.
void add_treatment(const store::CohortReader& reader, const ComparableMeasures& comparable,
                   const config::Config& config, store::CohortResults& results,
                   const Context& context);

} // namespace boldmill::graph
