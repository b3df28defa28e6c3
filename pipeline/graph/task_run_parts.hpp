// What the sources of TaskRun share; for them only.
#pragma once

#include <algorithm>
#include <initializer_list>
#include <limits>
#include <string>
#include <string_view>

#include "pipeline/graph/task_run.hpp"
#include "stages/core/outcome.hpp"

namespace boldmill::graph {

// A failure that concerns this run alone; others are thrown.
inline std::string reason_of(const Failure& failure) {
  if (failure.kind != ErrorKind::gate && failure.kind != ErrorKind::input) {
    throw Error(failure.kind, failure.message);
  }
  return failure.message;
}

inline Eigen::MatrixXd columns_with(const task_design::Design& design,
                                    std::initializer_list<std::string_view> roles) {
  Eigen::MatrixXd out(design.matrix.rows(), design.matrix.cols());
  Eigen::Index n = 0;
  for (std::size_t c = 0; c < design.columns.size(); ++c) {
    if (std::find(roles.begin(), roles.end(), design.columns[c].role) == roles.end()) continue;
    out.col(n++) = design.matrix.col(static_cast<Eigen::Index>(c));
  }
  return out.leftCols(n);
}

struct TaskRun::Asked {
  const taxonomy::Measure* measure = nullptr;
  const taxonomy::Contrast* contrast = nullptr;
  std::size_t a = 0, b = 0; // columns of series_
  double coverage = std::numeric_limits<double>::quiet_NaN();
  std::string reason;
};

} // namespace boldmill::graph
