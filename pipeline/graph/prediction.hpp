// From the tables of a cohort file to cross-validated predictions of named columns.
#pragma once

#include "pipeline/config/config.hpp"
#include "pipeline/store/reader.hpp"
#include "pipeline/store/records.hpp"
#include "stages/circuits/taxonomy.hpp"

namespace boldmill::graph {

// 1 for rows whose group column holds one of the control values.
[[nodiscard]] std::vector<std::uint8_t> control_rows(const store::ParticipantsTable& people,
                                                     const config::Config& config);

// What the norm learns from: a row per healthy control, of each measure the value of the first
// session that has one (people count once, however often they were seen), NaN missing.
[[nodiscard]] Eigen::MatrixXd healthy_reference(const store::ParticipantsTable& people,
                                                const Eigen::MatrixXd& measures,
                                                const config::Config& config);

// The score that each measure enters, by way of its feature.
[[nodiscard]] std::map<std::string, std::string>
circuit_of_measures(const taxonomy::Taxonomy& taxonomy);

// One entry per configured target: a prediction, or the reason why there is none. Starts from raw
// `measures` (N x measures, see predictor_measures); imputation and standardisation are refitted in
// every fold. Contributions are summed over the measures of a circuit.
void add_predictions(const store::CohortReader& reader, const Eigen::MatrixXd& measures,
                     const config::Config& config,
                     const std::map<std::string, std::string>& circuit_of_measure,
                     store::CohortResults& results, const Context& context);

} // namespace boldmill::graph
