#include "stages/cohort/longitudinal_combat.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <set>

#include "stages/cohort/kernels/empirical_bayes.hpp"
#include "stages/cohort/kernels/random_intercept.hpp"
#include "stages/core/parallel.hpp"

namespace boldmill::longitudinal_combat {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr std::size_t kColumnsPerBlock = 8;

Eigen::Index position_of(const std::vector<int>& batches, int id) {
  const auto found = std::lower_bound(batches.begin(), batches.end(), id);
  return found != batches.end() && *found == id ? found - batches.begin() : -1;
}

std::vector<Eigen::Index> present_rows(const Eigen::VectorXd& y) {
  std::vector<Eigen::Index> out;
  for (Eigen::Index i = 0; i < y.size(); ++i) {
    if (!std::isnan(y[i])) out.push_back(i);
  }
  return out;
}

// Ids 0.. of the people on these rows.
std::vector<int> people_of(const std::vector<int>& person, const std::vector<Eigen::Index>& rows) {
  std::map<int, int> known;
  std::vector<int> out;
  for (const Eigen::Index row : rows) {
    const int id = person[static_cast<std::size_t>(row)];
    out.push_back(known.try_emplace(id, static_cast<int>(known.size())).first->second);
  }
  return out;
}

// 1, indicators of all batches but the first, covariates.
Eigen::MatrixXd design_of(const Inputs& inputs, const std::vector<int>& batches) {
  const Eigen::Index n = inputs.x.rows();
  const auto b = static_cast<Eigen::Index>(batches.size());
  Eigen::MatrixXd out = Eigen::MatrixXd::Zero(n, b + inputs.covariates.cols());
  out.col(0).setOnes();
  for (Eigen::Index i = 0; i < n; ++i) {
    const Eigen::Index at = position_of(batches, inputs.batch[static_cast<std::size_t>(i)]);
    if (at > 0) out(i, at) = 1.0;
  }
  out.rightCols(inputs.covariates.cols()) = inputs.covariates;
  return out;
}

bool full_rank(const Eigen::MatrixXd& x) {
  Eigen::MatrixXd scaled = x;
  for (Eigen::Index c = 0; c < x.cols(); ++c) {
    const double norm = x.col(c).norm();
    if (norm > 0.0) scaled.col(c) /= norm;
  }
  Eigen::ColPivHouseholderQR<Eigen::MatrixXd> qr(scaled);
  qr.setThreshold(1e-7);
  return qr.rank() == x.cols();
}

void check_sizes(const Inputs& inputs) {
  const auto n = static_cast<std::size_t>(inputs.x.rows());
  if (inputs.batch.size() != n || inputs.person.size() != n ||
      (inputs.covariates.cols() > 0 && static_cast<std::size_t>(inputs.covariates.rows()) != n)) {
    throw Error(ErrorKind::internal, "longitudinal_combat: batch, person and covariates need one "
                                     "entry for each of the " +
                                         std::to_string(n) + " rows");
  }
  if (!inputs.covariates.allFinite()) {
    throw Error(ErrorKind::input,
                "longitudinal_combat: a covariate is missing, expected a value in every row");
  }
}

void check_training(const Inputs& inputs, const Model& model, const Eigen::MatrixXd& design) {
  if (model.batches.size() < 2) {
    throw Error(ErrorKind::input, "longitudinal_combat: found " +
                                      std::to_string(model.batches.size()) +
                                      " batch, expected at least 2");
  }
  const auto fewest = *std::min_element(model.n_rows.begin(), model.n_rows.end());
  if (fewest < 2) {
    throw Error(ErrorKind::input,
                "longitudinal_combat: a batch holds one row, expected at least 2 in each");
  }
  const std::set<int> people(inputs.person.begin(), inputs.person.end());
  if (people.size() == inputs.person.size()) {
    throw Error(ErrorKind::input, "longitudinal_combat: found one row for each of " +
                                      std::to_string(people.size()) +
                                      " people, expected people with two or more (one session "
                                      "each: combat)");
  }
  if (!full_rank(design)) {
    throw Error(ErrorKind::input, "longitudinal_combat: batches and covariates cannot be told "
                                  "apart, expected covariates that vary inside batches");
  }
}

// The model without batches: intercept, covariates, and the person as the rows at hand show him.
Eigen::VectorXd baseline(const Model& model, const Inputs& rows, Eigen::Index column,
                         const std::vector<Eigen::Index>& present) {
  Eigen::VectorXd fixed =
      Eigen::VectorXd::Constant(static_cast<Eigen::Index>(present.size()), model.intercept[column]);
  if (model.coefficients.rows() > 0) {
    fixed += rows.covariates(present, Eigen::all) * model.coefficients.col(column);
  }
  Eigen::VectorXd residual = rows.x(present, column) - fixed;
  for (std::size_t i = 0; i < present.size(); ++i) {
    const int id = rows.batch[static_cast<std::size_t>(present[i])];
    residual[static_cast<Eigen::Index>(i)] -=
        model.batch_effect(column, position_of(model.batches, id));
  }
  return fixed + cohort::expected_intercepts(residual, people_of(rows.person, present),
                                             model.ratio[column]);
}

// The mixed model of one column.
void learn_column(const Inputs& training, const Eigen::MatrixXd& design, Eigen::Index column,
                  Model& model) {
  const auto b = static_cast<Eigen::Index>(model.batches.size());
  const auto present = present_rows(training.x.col(column));
  const Eigen::MatrixXd own = design(present, Eigen::all);
  if (own.rows() <= own.cols() || !full_rank(own)) return;
  const auto fitted = cohort::fit_random_intercept(training.x(present, column), own,
                                                   people_of(training.person, present));
  if (!fitted.estimable) return;
  Eigen::VectorXd effect = Eigen::VectorXd::Zero(b);
  effect.tail(b - 1) = fitted.coefficients.segment(1, b - 1);
  const double mean = effect.tail(b - 1).dot(own.middleCols(1, b - 1).colwise().mean().transpose());
  model.batch_effect.row(column) = (effect.array() - mean).transpose();
  model.intercept[column] = fitted.coefficients[0] + mean;
  model.coefficients.col(column) = fitted.coefficients.tail(training.covariates.cols());
  model.residual_sd[column] = fitted.residual_sd;
  model.ratio[column] = fitted.ratio;
}

// Mean, variance and number of z = (y - baseline) / sd in every batch.
std::vector<cohort::BatchStatistics> batch_statistics(const Inputs& training, const Model& model) {
  const Eigen::Index p = training.x.cols();
  const Eigen::VectorXd none = Eigen::VectorXd::Zero(p);
  std::vector<cohort::BatchStatistics> out(
      model.batches.size(),
      {Eigen::VectorXd::Constant(p, kNaN), Eigen::VectorXd::Constant(p, kNaN), none, none});
  for (Eigen::Index c = 0; c < p; ++c) {
    if (std::isnan(model.intercept[c])) continue;
    const auto present = present_rows(training.x.col(c));
    const Eigen::VectorXd z =
        (training.x(present, c) - baseline(model, training, c, present)) / model.residual_sd[c];
    for (std::size_t b = 0; b < out.size(); ++b) {
      std::vector<double> own;
      for (std::size_t i = 0; i < present.size(); ++i) {
        const int id = training.batch[static_cast<std::size_t>(present[i])];
        if (id == model.batches[b]) own.push_back(z[static_cast<Eigen::Index>(i)]);
      }
      if (own.empty()) continue;
      // A copy: sums over memory of any alignment would differ in their last bits between runs.
      const Eigen::ArrayXd values =
          Eigen::Map<const Eigen::ArrayXd>(own.data(), static_cast<Eigen::Index>(own.size()));
      out[b].location[c] = values.mean();
      out[b].sum_of_squares[c] = (values - values.mean()).square().sum();
      out[b].count[c] = static_cast<double>(own.size());
      if (own.size() > 1) out[b].scale[c] = out[b].sum_of_squares[c] / (out[b].count[c] - 1.0);
    }
  }
  return out;
}

} // namespace

Model fit(const Inputs& training, const Params& params, const Context& context) {
  check_sizes(training);
  const Eigen::Index p = training.x.cols();
  const std::set<int> ids(training.batch.begin(), training.batch.end());
  Model model{.params = params, .batches = {ids.begin(), ids.end()}};
  for (const int id : model.batches) {
    model.n_rows.push_back(
        static_cast<int>(std::count(training.batch.begin(), training.batch.end(), id)));
  }
  const Eigen::MatrixXd design = design_of(training, model.batches);
  check_training(training, model, design);
  const auto b = static_cast<Eigen::Index>(model.batches.size());
  for (auto* vector : {&model.intercept, &model.residual_sd, &model.ratio}) {
    vector->setConstant(p, kNaN);
  }
  model.coefficients.setZero(training.covariates.cols(), p);
  for (auto* matrix : {&model.batch_effect, &model.location, &model.scale}) {
    matrix->setConstant(p, b, kNaN);
  }
  parallel_blocks(context, static_cast<std::size_t>(p), kColumnsPerBlock,
                  [&](std::size_t begin, std::size_t end) {
                    for (std::size_t c = begin; c < end; ++c) {
                      learn_column(training, design, static_cast<Eigen::Index>(c), model);
                    }
                  });
  const auto statistics = batch_statistics(training, model);
  for (Eigen::Index i = 0; i < b; ++i) {
    const auto& own = statistics[static_cast<std::size_t>(i)];
    const auto prior = cohort::batch_prior(own);
    if (!std::isfinite(prior.location_mean + prior.location_variance + prior.shape + prior.rate)) {
      throw Error(ErrorKind::input,
                  "longitudinal_combat: the columns of a batch are too few or too alike to learn a "
                  "prior from, expected at least 2 columns of unequal spread");
    }
    const auto effect = cohort::shrink_parametric(
        own, prior, {params.tolerance, false, params.max_iterations}, context);
    model.location.col(i) = effect.location;
    model.scale.col(i) = effect.scale;
    model.converged.push_back(effect.converged ? 1 : 0);
  }
  return model;
}

Eigen::MatrixXd apply(const Model& model, const Inputs& rows) {
  check_sizes(rows);
  if (rows.x.cols() != model.intercept.size() ||
      rows.covariates.cols() != model.coefficients.rows()) {
    throw Error(ErrorKind::input, "longitudinal_combat: found " + std::to_string(rows.x.cols()) +
                                      " columns and " + std::to_string(rows.covariates.cols()) +
                                      " covariates, the model expects " +
                                      std::to_string(model.intercept.size()) + " and " +
                                      std::to_string(model.coefficients.rows()));
  }
  for (const int id : rows.batch) {
    if (position_of(model.batches, id) >= 0) continue;
    throw Error(ErrorKind::input, "longitudinal_combat: found a row of a batch that the training "
                                  "rows had not, expected one of " +
                                      std::to_string(model.batches.size()) + " batches");
  }
  Eigen::MatrixXd out = rows.x;
  for (Eigen::Index c = 0; c < out.cols(); ++c) {
    if (std::isnan(model.intercept[c])) continue;
    const auto present = present_rows(rows.x.col(c));
    if (present.empty()) continue;
    const Eigen::VectorXd base = baseline(model, rows, c, present);
    for (std::size_t i = 0; i < present.size(); ++i) {
      const Eigen::Index row = present[i];
      const Eigen::Index b = position_of(model.batches, rows.batch[static_cast<std::size_t>(row)]);
      const double at = base[static_cast<Eigen::Index>(i)];
      const double sd = model.residual_sd[c];
      const double z = (rows.x(row, c) - at) / sd;
      out(row, c) = sd * (z - model.location(c, b)) / std::sqrt(model.scale(c, b)) + at;
    }
  }
  return out;
}

std::size_t peak_bytes(const Shape& shape, const Params&) {
  const std::size_t design = shape.n_rows * (shape.n_batches + shape.n_covariates + 1);
  return (2 * shape.n_rows * shape.n_columns + 16 * design +
          shape.n_columns * (6 * shape.n_batches + shape.n_covariates + 4)) *
         sizeof(double);
}

} // namespace boldmill::longitudinal_combat
