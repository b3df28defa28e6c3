#include "stages/cohort/imputation.hpp"

#include <cmath>
#include <limits>
#include <string>

#include "stages/core/statistics.hpp"

namespace boldmill::imputation {

Model fit(const Eigen::MatrixXd& training, const Params& params) {
  Model model{Eigen::VectorXd(training.cols())};
  for (Eigen::Index c = 0; c < training.cols(); ++c) {
    const std::vector<double> column(training.col(c).begin(), training.col(c).end());
    model.fill[c] = params.method == "mean" ? mean(column) : median(column);
  }
  return model;
}

Outputs apply(const Model& model, const Eigen::MatrixXd& rows) {
  if (rows.cols() != model.fill.size()) {
    throw Error(ErrorKind::internal, "imputation: found " + std::to_string(rows.cols()) +
                                         " columns, expected " + std::to_string(model.fill.size()));
  }
  Outputs out;
  for (Eigen::Index c = 0; c < rows.cols(); ++c) {
    if (!std::isnan(model.fill[c])) out.columns.push_back(c);
  }
  const auto n_columns = static_cast<Eigen::Index>(out.columns.size());
  out.x.resize(rows.rows(), n_columns);
  out.imputed.resize(rows.rows(), n_columns);
  for (Eigen::Index c = 0; c < n_columns; ++c) {
    const Eigen::Index from = out.columns[static_cast<std::size_t>(c)];
    for (Eigen::Index row = 0; row < rows.rows(); ++row) {
      const bool missing = std::isnan(rows(row, from));
      out.imputed(row, c) = missing;
      out.x(row, c) = missing ? model.fill[from] : rows(row, from);
    }
  }
  return out;
}

cohort::LearningStep step(const Params& params) {
  return {std::string(kStage.name), [params](const cohort::Rows& training) {
            const Model model = fit(training.x, params);
            return [model](const cohort::Rows& rows) {
              Outputs filled = apply(model, rows.x);
              cohort::Rows out = rows;
              out.x = std::move(filled.x);
              out.names.clear();
              for (const Eigen::Index c : filled.columns) {
                if (!rows.names.empty())
                  out.names.push_back(rows.names[static_cast<std::size_t>(c)]);
              }
              return out;
            };
          }};
}

std::size_t peak_bytes(const Shape& shape, const Params&) {
  return shape.n_rows * shape.n_columns * (2 * sizeof(double) + 1);
}

} // namespace boldmill::imputation
