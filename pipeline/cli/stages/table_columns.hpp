// Columns of a cohort table as numbers: levels, indicators of text columns.
#pragma once

#include <Eigen/Dense>
#include <map>
#include <string>
#include <vector>

#include "pipeline/bids/tsv.hpp"

namespace boldmill::cli {

struct Levels {
  std::vector<int> id;            // per row, -1 missing
  std::vector<std::string> names; // of the ids
};
// `known` first, then the others in order of first appearance.
[[nodiscard]] Levels levels_of(const std::vector<std::string>& values,
                               const std::vector<std::string>& known = {});

struct CovariateColumns {
  Eigen::MatrixXd x;              // n x q, NaN missing
  std::vector<std::string> names; // q: the column, or "column=level" for an indicator
  std::map<std::string, std::string> reference_level; // of text columns: the one without indicator
};
// Numbers stay; text becomes indicators of every level but the first in bytewise order.
[[nodiscard]] CovariateColumns covariate_columns(const bids::Table& table,
                                                 const std::vector<std::string>& columns);
// The same terms of another table. Error{input}: a level that the model does not know.
[[nodiscard]] Eigen::MatrixXd
covariate_columns(const bids::Table& table, const std::vector<std::string>& terms,
                  const std::map<std::string, std::string>& reference_level);

} // namespace boldmill::cli
