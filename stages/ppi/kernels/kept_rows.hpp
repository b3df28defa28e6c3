// Volumes kept, and the rows of a table that belong to them.
#pragma once

#include <Eigen/Dense>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "stages/core/error.hpp"

namespace boldmill {

inline std::vector<Eigen::Index> kept_rows(std::span<const std::uint8_t> keep, Eigen::Index n,
                                           const std::string& who) {
  if (!keep.empty() && keep.size() != static_cast<std::size_t>(n)) {
    throw Error(ErrorKind::input, who + ": keep has " + std::to_string(keep.size()) +
                                      " values, expected " + std::to_string(n) + " volumes");
  }
  std::vector<Eigen::Index> rows;
  for (Eigen::Index t = 0; t < n; ++t) {
    if (keep.empty() || keep[static_cast<std::size_t>(t)] != 0) rows.push_back(t);
  }
  return rows;
}

// Confounds of the kept rows after the constant (first column). Throws input when one is not
// finite.
inline Eigen::MatrixXd confounds_with_constant(const Eigen::MatrixXd& confounds,
                                               const std::vector<Eigen::Index>& rows,
                                               Eigen::Index n_volumes, const std::string& who) {
  if (confounds.size() > 0 && confounds.rows() != n_volumes) {
    throw Error(ErrorKind::input, who + ": confounds have " + std::to_string(confounds.rows()) +
                                      " rows, expected " + std::to_string(n_volumes) + " volumes");
  }
  const Eigen::Index n = static_cast<Eigen::Index>(rows.size());
  const Eigen::Index extra = confounds.size() > 0 ? confounds.cols() : 0;
  Eigen::MatrixXd out = Eigen::MatrixXd::Ones(n, extra + 1);
  if (extra > 0) out.rightCols(extra) = confounds(rows, Eigen::all);
  if (!out.allFinite()) {
    throw Error(ErrorKind::input, who + ": a confound is not finite at a volume that is kept");
  }
  return out;
}

} // namespace boldmill
