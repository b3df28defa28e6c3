// Imputation and harmonisation with their models at hand, for cohort and model files. The same fits
// as the steps of cohort_chain, so the same numbers.
#pragma once

#include "pipeline/config/config.hpp"
#include "pipeline/graph/learned_records.hpp"
#include "stages/cohort/kernels/learning_step.hpp"

namespace boldmill::graph {

struct LearnedChain {
  std::optional<Completion> completion;
  Eigen::VectorXd fill; // of the training rows' centre, a measure each; empty: not used
  std::optional<Harmonization> harmonization; // of the columns that imputation leaves
};
enum class Filling { none, centre, chained };
struct ChainChoice {
  Filling filling = Filling::none;
  bool combat = false;
  int number = 0;                 // of the imputation
  std::string column;             // of the batches
  std::vector<std::string> batch; // names of Rows::batch
  Coding covariates;
};
// A view: `rows` must outlive it.
[[nodiscard]] combat::Inputs combat_inputs(const cohort::Rows& rows);
// Throws input: what ComBat throws.
[[nodiscard]] LearnedChain learn_chain(const cohort::Rows& training, const ChainChoice& choice,
                                       const config::Config& config);
// Puts centre[q] where covariate q is missing.
void fill_covariates(const std::vector<double>& centre, cohort::Rows& rows);
// Rows with batches and covariates of the same meaning as in training; a missing covariate is the
// chain's centre.
[[nodiscard]] cohort::Rows apply_chain(const LearnedChain& chain, const cohort::Rows& rows);
// Batches and covariates of new people as the chain knows them.
[[nodiscard]] cohort::Rows rows_for(const LearnedChain& chain,
                                    const std::vector<std::string>& names,
                                    const Eigen::MatrixXd& measures,
                                    const store::ParticipantsTable& people,
                                    const Eigen::VectorXd& mean_fd);

// Below `path`: completion, fill, harmonization, whichever there are.
[[nodiscard]] std::vector<store::GroupRecord> records_of(const LearnedChain& chain,
                                                         const std::vector<std::string>& measures,
                                                         const std::string& path);
[[nodiscard]] LearnedChain chain_from(const std::vector<store::GroupRecord>& records,
                                      const std::string& path);
// The group, or null.
[[nodiscard]] const store::GroupRecord* find_group(const std::vector<store::GroupRecord>& records,
                                                   const std::string& path);

} // namespace boldmill::graph
