#include "pipeline/cli/stages/longitudinal_combat_command.hpp"

#include <algorithm>
#include <iostream>

#include "pipeline/cli/stages/table_columns.hpp"
#include "stages/cohort/longitudinal_combat.hpp"

namespace boldmill::cli {
namespace {

std::vector<int> known_ids(const bids::Table& table, const std::string& column) {
  (void)table.require(column);
  std::vector<int> out = levels_of(table.text(column)).id;
  const auto missing = std::find(out.begin(), out.end(), -1);
  if (missing != out.end()) {
    const auto row = static_cast<std::size_t>(missing - out.begin());
    throw Error(ErrorKind::input, table.source() + ": line " + std::to_string(table.line(row)) +
                                      " has no " + column + ", expected one in every row");
  }
  return out;
}

} // namespace

Eigen::MatrixXd longitudinal_combat_of(const LongitudinalTable& table, const Context& context) {
  longitudinal_combat::Inputs inputs;
  inputs.x = table.table.matrix(table.columns);
  inputs.batch = known_ids(table.table, table.batch);
  inputs.person = known_ids(table.table, table.person);
  inputs.covariates = covariate_columns(table.table, table.covariates).x;
  const auto model =
      longitudinal_combat::fit(inputs, {table.tolerance, table.max_iterations}, context);
  const auto unchanged = model.intercept.array().isNaN().count();
  std::cerr << table.columns.size() << " columns of " << table.table.n_rows() << " rows in "
            << model.batches.size() << " batches adjusted, a random intercept for each "
            << table.person << '\n';
  if (unchanged > 0) std::cerr << unchanged << " of them cannot be estimated: unchanged\n";
  return longitudinal_combat::apply(model, inputs);
}

} // namespace boldmill::cli
