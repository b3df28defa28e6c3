// Internal to treatment.
#pragma once

#include <string>
#include <vector>

#include "stages/cohort/treatment.hpp"

namespace boldmill::treatment {

// The people of one study, out-of-fold models of its arms.
struct StudyFit {
  int study = 0;
  std::vector<Eigen::Index> rows; // of the cohort
  std::vector<int> arms;          // modelled ones, ascending
  std::vector<int> fold;          // of each row
  int n_folds = 0;
  Eigen::MatrixXd predicted; // rows x arms
  Eigen::MatrixXd share;     // rows x arms, of the row's training folds
  Eigen::VectorXd present;   // rows, probability of an outcome under the arm received
};
// Two arms of one study: positions among the rows of the study.
struct Pair {
  const StudyFit* fit = nullptr;
  int arm_a = 0, arm_b = 0;
  std::vector<Eigen::Index> places;
  std::vector<Eigen::Index> rows; // of the cohort, the same people
  Eigen::VectorXd in_b;           // 1 for arm b
};

// Baseline and covariates as rows of their own.
[[nodiscard]] cohort::Rows adjusting_rows(const Inputs& inputs);
[[nodiscard]] StudyFit fit_study(const Inputs& inputs, const std::vector<Eigen::Index>& rows,
                                 const Params& params, const Context& context);
[[nodiscard]] Pair pair_of(const Inputs& inputs, const StudyFit& fit, int arm_a, int arm_b);
// P(arm b) of the pair's people by a logistic model of the training folds; empty where one of them
// does not converge.
[[nodiscard]] Eigen::VectorXd modelled_assignment(const Inputs& inputs, const Pair& pair);

void add_interactions(const Inputs& inputs, const Pair& pair, const Params& params,
                      std::vector<Interaction>& out);

} // namespace boldmill::treatment
