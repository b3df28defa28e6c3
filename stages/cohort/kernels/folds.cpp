#include "stages/cohort/kernels/folds.hpp"

#include <algorithm>
#include <map>

#include "stages/core/random.hpp"

namespace boldmill::cohort {
namespace {

// Rows of each person, in order of first appearance.
std::vector<std::vector<std::size_t>> people_of(std::size_t n, const std::vector<int>& person) {
  std::vector<std::vector<std::size_t>> people;
  std::map<int, std::size_t> position;
  for (std::size_t row = 0; row < n; ++row) {
    const std::size_t next = people.size();
    const std::size_t p =
        person.empty() ? next : position.try_emplace(person[row], next).first->second;
    if (p == next) people.emplace_back();
    people[p].push_back(row);
  }
  return people;
}

} // namespace

Split k_fold(std::size_t n, int k, const std::vector<int>& strata, const std::vector<int>& person,
             std::uint64_t seed) {
  const auto people = people_of(n, person);
  Random random(seed);
  std::vector<std::size_t> order = random.permutation(people.size());
  if (!strata.empty()) {
    // People of one class lie together, so that dealing in turn spreads every class evenly.
    std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
      return strata[people[a].front()] < strata[people[b].front()];
    });
  }
  Split split{std::vector<int>(n, 0), k};
  for (std::size_t i = 0; i < order.size(); ++i) {
    for (const std::size_t row : people[order[i]]) {
      split.fold[row] = static_cast<int>(i % static_cast<std::size_t>(k));
    }
  }
  return split;
}

Split leave_group_out(const std::vector<int>& group) {
  Split split;
  std::map<int, int> fold_of;
  for (const int g : group) {
    split.fold.push_back(fold_of.try_emplace(g, static_cast<int>(fold_of.size())).first->second);
  }
  split.n_folds = static_cast<int>(fold_of.size());
  return split;
}

} // namespace boldmill::cohort
