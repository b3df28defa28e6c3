// Chained equations with predictive mean matching (van Buuren 2011, doi:10.18637/jss.v045.i03;
// Little 1988, doi:10.1080/07350015.1988.10509663), learned from training rows and applied to any
// rows: a missing value is the observed value of a training row (a donor) with a near prediction.
#pragma once

#include <Eigen/Dense>
#include <cstdint>
#include <vector>

#include "stages/core/stage_info.hpp"

namespace boldmill::cohort {

struct ChainOptions {
  int donors = 5;         // nearest predictions one is drawn from
  int iterations = 5;     // sweeps over the columns
  std::uint64_t seed = 1; // of this imputation
};

// How one column of one group of people is filled.
struct ColumnDonors {
  std::vector<Eigen::Index> predictors; // columns, those that correlate most
  double intercept = 0.0;
  Eigen::VectorXd coefficients;          // a draw from their posterior
  std::vector<double> predicted, values; // of the donors, ascending by prediction
};

struct ChainedModel {
  ChainOptions options;
  Eigen::VectorXd start;             // p, training means; NaN: nobody has the column
  std::vector<ColumnDonors> columns; // p; without donors where nobody has the column
};

// From the rows of x (n x p, NaN missing).
[[nodiscard]] ChainedModel fit_chain(const Eigen::MatrixXd& x, const ChainOptions& options);
// One row filled. Depends on the model and the row's own values only, never on other rows. Columns
// without donors, and those marked in `skip` (p or empty), stay missing.
[[nodiscard]] Eigen::RowVectorXd fill_row(const ChainedModel& model, const Eigen::RowVectorXd& row,
                                          const std::vector<std::uint8_t>& skip);

} // namespace boldmill::cohort
