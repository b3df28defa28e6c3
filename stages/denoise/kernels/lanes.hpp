// Sixteen series side by side, a row per sample: recursions along time run on all of them at once,
// in the same way for each whatever its neighbours are.
#pragma once

#include <Eigen/Dense>
#include <algorithm>
#include <vector>

namespace boldmill {

inline constexpr Eigen::Index kLanes = 16;
using Lane = Eigen::Array<double, 1, kLanes>; // one sample of each series
using Lanes = std::vector<Lane, Eigen::aligned_allocator<Lane>>;

// Columns [first, first + kLanes) of a matrix; columns beyond its end are 0.
template <class Matrix>
void load_lanes(const Matrix& from, Eigen::Index first, Lanes& to) {
  const Eigen::Index width = std::min(kLanes, from.cols() - first);
  to.assign(static_cast<std::size_t>(from.rows()), Lane::Zero());
  for (Eigen::Index c = 0; c < width; ++c) {
    for (Eigen::Index t = 0; t < from.rows(); ++t) {
      to[static_cast<std::size_t>(t)][c] = static_cast<double>(from(t, first + c));
    }
  }
}

template <class Matrix>
void store_lanes(const Lanes& from, Eigen::Index first, Matrix& to) {
  const Eigen::Index width = std::min(kLanes, to.cols() - first);
  for (Eigen::Index c = 0; c < width; ++c) {
    for (Eigen::Index t = 0; t < to.rows(); ++t) {
      to(t, first + c) = from[static_cast<std::size_t>(t)][c];
    }
  }
}

} // namespace boldmill
