#include "stages/cohort/standardisation.hpp"

#include <algorithm>
#include <cmath>

#include "stages/core/statistics.hpp"

namespace boldmill::standardisation {

Model fit(const Eigen::MatrixXd& training, const std::vector<std::uint8_t>& is_reference,
          const Params& params) {
  std::vector<Eigen::Index> controls;
  for (std::size_t row = 0; row < is_reference.size(); ++row) {
    if (is_reference[row] != 0) controls.push_back(static_cast<Eigen::Index>(row));
  }
  Model model;
  model.used_controls =
      params.reference == "controls" && static_cast<int>(controls.size()) >= params.min_controls;
  const Eigen::MatrixXd rows =
      model.used_controls ? Eigen::MatrixXd(training(controls, Eigen::all)) : training;
  model.mean.resize(training.cols());
  model.sd.resize(training.cols());
  for (Eigen::Index c = 0; c < rows.cols(); ++c) {
    const std::span<const double> column(rows.col(c).data(), static_cast<std::size_t>(rows.rows()));
    model.mean[c] = mean(column);
    const double sd = standard_deviation(column);
    // A constant column's rounding error is not a spread.
    model.sd[c] = sd > 1e-12 * std::abs(model.mean[c]) ? sd : 0.0;
  }
  return model;
}

Eigen::MatrixXd apply(const Model& model, const Eigen::MatrixXd& rows) {
  if (rows.cols() != model.mean.size()) {
    throw Error(ErrorKind::internal, "standardisation: found " + std::to_string(rows.cols()) +
                                         " columns, expected " + std::to_string(model.mean.size()));
  }
  Eigen::MatrixXd out(rows.rows(), rows.cols());
  for (Eigen::Index c = 0; c < rows.cols(); ++c) {
    if (model.sd[c] > 0.0) {
      out.col(c) = (rows.col(c).array() - model.mean[c]) / model.sd[c];
    } else {
      out.col(c) = rows.col(c).array().isNaN().select(rows.col(c), 0.0);
    }
  }
  return out;
}

cohort::LearningStep step(const Params& params) {
  return {std::string(kStage.name), [params](const cohort::Rows& training) {
            const Model model = fit(training.x, training.is_reference, params);
            return [model](const cohort::Rows& rows) {
              cohort::Rows out = rows;
              out.x = apply(model, rows.x);
              return out;
            };
          }};
}

std::size_t peak_bytes(const Shape& shape, const Params&) {
  return 2 * shape.n_rows * shape.n_columns * sizeof(double);
}

} // namespace boldmill::standardisation
