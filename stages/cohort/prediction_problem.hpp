// From inputs to the rows, learner and folds of a prediction; internal to penalised_regression.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "stages/cohort/kernels/cross_validation.hpp"
#include "stages/cohort/penalised_regression.hpp"

namespace boldmill::penalised_regression {

// The rows that enter, and the procedure applied to them.
struct Problem {
  std::vector<Eigen::Index> used; // rows of the input with a target and a measure
  cohort::Sample sample;          // persons numbered, copies of a person joined
  std::vector<int> left_out_by;   // site or study of a row of the sample, for leave_*_out
  std::vector<int> site;          // of a row of the sample, empty: unknown
  cohort::Learner learner;
  cohort::LearningStep recode;       // of model biotypes
  std::vector<cohort::Split> splits; // one per repeat
  std::uint64_t seed = 0;
  bool binary = false;
};

// Throws internal: sizes that differ.
void check_sizes(const Inputs& inputs);
// Fills `out` with y and the classes, or not_done. `problem` must stay where it is.
void make_problem(const Inputs& inputs, const Params& params,
                  const std::vector<cohort::LearningStep>& steps, Problem& problem, Outputs& out);

// Imaging rows, each with its batch, shuffled among people with as many rows: inside the same site
// and batch, or over all.
[[nodiscard]] std::vector<Eigen::Index> shuffled(const Problem& problem, bool within_site,
                                                 int permutation);

} // namespace boldmill::penalised_regression
