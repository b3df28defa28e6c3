// What the group level does with connectivity: the tangent space of the cohort, and how much of the
// differences between people is motion.
#pragma once

#include "pipeline/config/config.hpp"
#include "pipeline/store/reader.hpp"

namespace boldmill::graph {

// One per source and atlas when connectivity.kinds holds "tangent". Fitted on everybody: for
// description; what is predicted is fitted inside its own training folds.
void add_tangents(const store::CohortReader& reader, const config::Config& config,
                  store::CohortResults& results, const Context& context);

// Of kind fisher_z, else correlation, else the first there is. Age and sex are covariates where
// nearly everybody has them.
void add_qc_fc(const store::CohortReader& reader, const config::Config& config,
               store::CohortResults& results, const Context& context);

} // namespace boldmill::graph
