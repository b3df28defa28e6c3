// Imputation and harmonisation of a cohort's measures: of the tables everybody is in, as steps that
// are learned anew inside folds, and as a model for new people.
#pragma once

#include "pipeline/graph/cohort_scores.hpp"
#include "pipeline/graph/learned_chain.hpp"
#include "pipeline/store/model_file.hpp"

namespace boldmill::graph {

// What the steps see: never a target, nor the outcome of a trial.
struct ChainTable {
  cohort::Rows rows; // N; batch: of harmonisation; covariates: what it keeps, without holes
  std::vector<Eigen::Index> learners; // one row of each participant
  std::string column;                 // of the batches
  Levels batch;
  Coding covariates;
  std::string why_not; // why nothing is harmonised, "" when it is
};
// measures: N x M of the rows of the file.
[[nodiscard]] ChainTable chain_table(const store::CohortReader& reader,
                                     const Eigen::MatrixXd& measures, const config::Config& config);

// What cohort.imputation and cohort.harmonization say, of imputation `number` (from 0).
[[nodiscard]] ChainChoice chain_choice(const ChainTable& table, const config::Config& config,
                                       int number);
// The same as steps that learn.
[[nodiscard]] std::vector<cohort::LearningStep> chain_steps(const ChainChoice& choice,
                                                            const config::Config& config);

// For the folds of predictions, where only what is asked for by name enters: `steps` end with
// standardisation, `rows` get what they need beside their own.
struct PredictionSteps {
  ChainChoice choice;
  std::vector<cohort::LearningStep> steps;
};
[[nodiscard]] PredictionSteps prediction_steps(const ChainTable& table,
                                               const store::CohortReader& reader,
                                               const config::Config& config, cohort::Rows& rows);
// The chain that these steps learn from training rows; the centre of their covariates is in it.
[[nodiscard]] LearnedChain learn_in_fold(const cohort::Rows& training, const ChainChoice& choice,
                                         const config::Config& config);

// Measures that scores are made of, and what was learned on the way: /cohort/harmonization,
// /cohort/site_association, /circuits/{completed,imputed}. Sets table.why_not when ComBat cannot be
// fitted.
void add_chain(const store::CohortReader& reader, const config::Config& config, ChainTable& table,
               ComparableMeasures& comparable, store::CohortResults& results,
               const Context& context);

// Measures of new people as the model's scores need them.
void harmonise_by(const store::ModelRecord& model, const store::CohortReader& reader,
                  ComparableMeasures& comparable);

} // namespace boldmill::graph
