// The longitudinal form of `stage combat`.
#pragma once

#include <string>
#include <vector>

#include "pipeline/bids/tsv.hpp"
#include "stages/core/stage_info.hpp"

namespace boldmill::cli {

struct LongitudinalTable {
  const bids::Table& table;
  std::vector<std::string> columns; // to adjust
  std::string batch, person;        // columns
  std::vector<std::string> covariates;
  double tolerance = 1e-8;
  int max_iterations = 1000;
};
// The adjusted columns, n x columns. Error{input}: see longitudinal_combat::fit; a row without a
// batch or a person.
[[nodiscard]] Eigen::MatrixXd longitudinal_combat_of(const LongitudinalTable& table,
                                                     const Context& context);

} // namespace boldmill::cli
