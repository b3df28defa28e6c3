// What a finished cross-validation says of people, coefficients and parts of the cohort; internal
// to penalised_regression.
#pragma once

#include <vector>

#include "stages/cohort/prediction_problem.hpp"

namespace boldmill::penalised_regression {

// Coefficients of the outer folds in the columns of the final model.
void report_coefficients(const std::vector<cohort::Trained>& folds,
                         const cohort::Trained& final_model, Outputs& out);
// Predictions of everyone: out of fold where a target is known, from the final model elsewhere.
void report_people(const Inputs& inputs, const Params& params, const Problem& problem,
                   const cohort::RepeatedPredictions& held_out, const cohort::Trained& final_model,
                   Outputs& out);
// Metrics by site and other groups, calibration, decision curve; after report_people.
void report_groups(const Inputs& inputs, const Problem& problem, Outputs& out);

} // namespace boldmill::penalised_regression
