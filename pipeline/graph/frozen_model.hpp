// What a cohort learned, frozen, and applied to new people one at a time: no row sees another.
#pragma once

#include <optional>

#include "pipeline/graph/cohort_chain.hpp"
#include "pipeline/store/model_file.hpp"
#include "pipeline/store/reader.hpp"

namespace boldmill::graph {

// The model that `out` refitted on everybody, with its steps, fitted anew on the rows it used.
struct Frozen {
  store::FrozenPrediction prediction;
  LearnedChain chain;
};
// Empty when the model's columns are no measures (biotypes).
[[nodiscard]] std::optional<Frozen> freeze(const std::string& target,
                                           const std::vector<std::string>& class_name,
                                           const penalised_regression::Inputs& inputs,
                                           const penalised_regression::Outputs& out,
                                           const ChainChoice& choice, const config::Config& config);

// Where the model file keeps the steps of a prediction.
[[nodiscard]] std::string steps_path(std::size_t prediction);

// Reference and predictions of a group stage that has just ended.
[[nodiscard]] store::ModelRecord model_of(const store::CohortReader& reader,
                                          const config::Config& config,
                                          const store::CohortResults& results);

// Error{dataset}: another circuit definition, or other measures.
void check_model(const store::ModelRecord& model, const std::string& model_name,
                 const std::string& taxonomy_sha256, const std::vector<std::string>& measures);

// Tables scored/<target> over the rows: prediction or probability, interval or set, margin, and
// where the model abstains why; from `measures` (N x measures) of the people; whether site and
// scanner were in the training cohort.
[[nodiscard]] std::vector<store::TableRecord> apply_model(const store::ModelRecord& model,
                                                          const store::CohortReader& reader,
                                                          const Eigen::MatrixXd& measures);

// Of every site and scanner column the values that the training cohort did not have.
[[nodiscard]] std::vector<std::string> new_places(const store::ModelRecord& model,
                                                  const store::ParticipantsTable& people);

} // namespace boldmill::graph
