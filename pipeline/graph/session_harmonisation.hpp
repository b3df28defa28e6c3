// Scores of people seen several times: ComBat with an intercept of every person over his sessions,
// in the cohort's own tables and by a model file. Predictions never use it: a person's sessions
// stand on one side of every fold, and a new person has one.
#pragma once

#include "pipeline/graph/cohort_chain.hpp"

namespace boldmill::graph {

inline constexpr const char* kSessionHarmonisation = "longitudinal_harmonization";

// /cohort/longitudinal_harmonization, and the measures where scores are made of harmonised ones.
// Learned from all sessions with a measure and a known batch; what cannot be learned stands in
// not_done.
void add_session_harmonisation(const store::ParticipantsTable& people, const ChainTable& table,
                               const config::Config& config, store::MeasuresTable& measures,
                               store::CohortResults& results, const Context& context);

// The sessions at hand of each person of the file; those of a batch that the model has not become
// missing.
void harmonise_sessions_by(const store::GroupRecord& record, const store::ParticipantsTable& people,
                           const Eigen::VectorXd& mean_fd, store::MeasuresTable& measures);

} // namespace boldmill::graph
