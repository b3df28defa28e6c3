// The tables that stage predict leaves in its folder.
#pragma once

#include <filesystem>

#include "pipeline/bids/tsv.hpp"
#include "stages/cohort/penalised_regression.hpp"

namespace boldmill::cli {

// predictions, metrics, increment, coefficients, groups, calibration; with permutations, circuits
// or classes also permutation_null, contributions, decision_curve (.tsv).
void write_prediction_tables(const std::filesystem::path& folder, const bids::Table& table,
                             const penalised_regression::Outputs& out);

} // namespace boldmill::cli
