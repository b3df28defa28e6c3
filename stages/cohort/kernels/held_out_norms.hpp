// Deviations of the reference people from norms that they did not help to make.
#pragma once

#include "stages/cohort/normative_model.hpp"

namespace boldmill::cohort {

[[nodiscard]] normative_model::Inputs rows_among(const normative_model::Inputs& all,
                                                 const std::vector<Eigen::Index>& rows);

// n x p. Each fold's people are scored by the model of the others; folds are dealt evenly over
// batches, and rows with the same measures (copies of one person) share one. NaN: as in `apply`,
// and where the people of the other folds are too few for a norm. Throws input when no fold has a
// norm.
[[nodiscard]] Eigen::MatrixXd held_out_z(const normative_model::Inputs& reference,
                                         const normative_model::Params& params, int n_folds,
                                         std::uint64_t seed, const Context& context);

} // namespace boldmill::cohort
