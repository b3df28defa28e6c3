#include "stages/cohort/kernels/folds.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <map>
#include <numeric>
#include <set>

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

FoldRows rows_of(const Split& split, int fold) {
  FoldRows out;
  for (std::size_t row = 0; row < split.fold.size(); ++row) {
    (split.fold[row] == fold ? out.test : out.training).push_back(static_cast<Eigen::Index>(row));
  }
  return out;
}

std::uint64_t fold_seed(std::uint64_t seed, int fold) {
  return stream_seed(seed, "inner", std::to_string(fold));
}

People join_copies(const Eigen::MatrixXd& x, const std::vector<int>& person, int fewest) {
  const auto n = static_cast<std::size_t>(x.rows());
  People out{person, 0};
  if (out.person.empty()) {
    out.person.resize(n);
    std::iota(out.person.begin(), out.person.end(), 0);
  }
  const auto values_of = [&](std::size_t row) {
    std::vector<std::uint64_t> bits; // every NaN alike
    for (const double v : x.row(static_cast<Eigen::Index>(row))) {
      bits.push_back(std::isnan(v) ? ~std::uint64_t{0} : std::bit_cast<std::uint64_t>(v));
    }
    return bits;
  };
  std::map<std::uint64_t, std::vector<std::size_t>> by_hash; // first rows of each content
  for (std::size_t row = 0; row < n; ++row) {
    const std::vector<std::uint64_t> own = values_of(row);
    std::set<std::uint64_t> different;
    for (auto v = own.begin(); v != own.end() && static_cast<int>(different.size()) < fewest; ++v) {
      different.insert(*v);
    }
    if (static_cast<int>(different.size()) < fewest) continue;
    std::uint64_t hash = 0;
    for (const std::uint64_t bits : own) {
      hash = (std::rotl(hash, 7) ^ bits) * 0x9e3779b97f4a7c15ULL;
    }
    bool copy = false;
    for (const std::size_t earlier : by_hash[hash]) {
      if (values_of(earlier) != own) continue;
      copy = true;
      const int from = out.person[row];
      const int into = out.person[earlier];
      if (from == into) continue;
      ++out.n_copies;
      std::replace(out.person.begin(), out.person.end(), from, into);
    }
    if (!copy) by_hash[hash].push_back(row);
  }
  return out;
}

} // namespace boldmill::cohort
