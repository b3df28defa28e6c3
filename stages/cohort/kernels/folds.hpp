// Who is held out when. Deterministic in the seed; people, not rows, are dealt: rows of one
// `person` (sessions) always share a fold.
#pragma once

#include <Eigen/Dense>
#include <cstdint>
#include <string>
#include <vector>

namespace boldmill::cohort {

// One split: fold[row] in 0..n_folds-1; every fold is held out once.
struct Split {
  std::vector<int> fold;
  int n_folds = 0;
};

// k folds of nearly equal size; `strata` (class labels, may be empty) are dealt evenly over folds.
// `person`: group id per row, may be empty (every row is its own person).
[[nodiscard]] Split k_fold(std::size_t n, int k, const std::vector<int>& strata,
                           const std::vector<int>& person, std::uint64_t seed);
// One fold per value of `group`, in order of first appearance.
[[nodiscard]] Split leave_group_out(const std::vector<int>& group);

struct FoldRows {
  std::vector<Eigen::Index> training, test;
};
[[nodiscard]] FoldRows rows_of(const Split& split, int fold);
// Seed of what is random inside an outer fold.
[[nodiscard]] std::uint64_t fold_seed(std::uint64_t seed, int fold);

// People joined where rows hold the same measures bit for bit under different numbers: copies of
// one person must not lie on both sides of a split. Rows with fewer than `fewest` different values
// say too little to be called copies. `person` may be empty; returns one number per row.
struct People {
  std::vector<int> person;
  int n_copies = 0; // rows that equal an earlier row of another person
};
[[nodiscard]] People join_copies(const Eigen::MatrixXd& x, const std::vector<int>& person,
                                 int fewest = 4);

} // namespace boldmill::cohort
