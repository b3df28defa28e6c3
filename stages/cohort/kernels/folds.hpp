// Who is held out when. Deterministic in the seed; people, not rows, are dealt: rows of one
// `person` (sessions) always share a fold.
#pragma once

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

} // namespace boldmill::cohort
