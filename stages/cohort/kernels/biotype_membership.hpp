// The biotype of a row as what a model predicts from.
#pragma once

#include "stages/cohort/kernels/learning_step.hpp"

namespace boldmill::cohort {

// Fit: training rows clustered by 1 - Pearson, average linkage, cut into k. Apply: k columns, 1 for
// the cluster whose mean unit row correlates best (the lowest number among equals), 0 elsewhere; a
// row without spread belongs to none. Fewer than k rows or fewer than three columns: no columns.
[[nodiscard]] LearningStep biotype_membership(int k);

} // namespace boldmill::cohort
