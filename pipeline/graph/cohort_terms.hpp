// Columns of a table of people as terms of models, and results as columns of tables: shared by the
// group stage and the stages on the command line.
#pragma once

#include <string>
#include <vector>

#include "pipeline/store/records.hpp"
#include "stages/cohort/group_statistics.hpp"
#include "stages/cohort/treatment.hpp"

namespace boldmill::graph {

// Every value of the column that is not a reference, against all reference values together; rows of
// other values take no part. Without a reference ("" alone, or none) it is the first in bytewise
// order. Error{usage}: a single reference that the column does not have.
[[nodiscard]] std::vector<group_statistics::Term>
group_terms(const std::string& column, const std::vector<std::string>& values,
            const std::vector<std::string>& reference);

struct CovariateMatrix {
  Eigen::MatrixXd x;              // n x q, NaN missing
  std::vector<std::string> names; // q
};
// Numbers stay, text becomes indicators of every level but the first in bytewise order; a column
// with one value is left out.
[[nodiscard]] CovariateMatrix covariates_of(const std::vector<std::string>& names,
                                            const std::vector<std::vector<std::string>>& columns);

[[nodiscard]] std::vector<store::TableColumn>
statistics_columns(const std::vector<group_statistics::Result>& results);

// Tables treatment/{published,missingness,interactions,policies,benefit_groups,people}.
[[nodiscard]] std::vector<store::TableRecord> treatment_tables(const treatment::Inputs& inputs,
                                                               const treatment::Outputs& out);

} // namespace boldmill::graph
