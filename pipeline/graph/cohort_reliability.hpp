// How reliable the measures of a cohort are, and what of a person's change between sessions is more
// than the error of a session.
#pragma once

#include "pipeline/graph/cohort_scores.hpp"

namespace boldmill::graph {

// Over everybody, patients and controls, each by the first row with the measure; sessions in the
// order of rows. Task-free measures of another source than the reference's take no part.
void add_reliability(const store::CohortReader& reader, const ComparableMeasures& comparable,
                     const config::Config& config, const taxonomy::Taxonomy& taxonomy,
                     store::CohortResults& results, const Context& context);

} // namespace boldmill::graph
