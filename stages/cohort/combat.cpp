#include "stages/cohort/combat.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>
#include <utility>

#include "stages/cohort/kernels/batch_moments.hpp"
#include "stages/cohort/kernels/empirical_bayes.hpp"
#include "stages/core/parallel.hpp"

namespace boldmill::combat {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr std::size_t kColumnsPerBlock = 64;

using cohort::BatchEffect;
using cohort::BatchPrior;
using cohort::BatchStatistics;

Eigen::Map<const Eigen::MatrixXd> view(const Eigen::MatrixXd& x) {
  return {x.data(), x.rows(), x.cols()};
}

// The rows whose batch is known, without a copy when that is all of them.
struct Known {
  Eigen::MatrixXd copy, covariates;
  std::vector<int> batch;
  Eigen::Map<const Eigen::MatrixXd> x;
};

Known known_rows(const Inputs& training) {
  std::vector<Eigen::Index> rows;
  Known out{{}, {}, {}, training.x};
  for (std::size_t row = 0; row < training.batch.size(); ++row) {
    if (training.batch[row] < 0) continue;
    rows.push_back(static_cast<Eigen::Index>(row));
    out.batch.push_back(training.batch[row]);
  }
  if (rows.size() == training.batch.size()) {
    out.covariates = training.covariates;
    return out;
  }
  out.copy = training.x(rows, Eigen::all);
  if (training.covariates.cols() > 0) out.covariates = training.covariates(rows, Eigen::all);
  new (&out.x) Eigen::Map<const Eigen::MatrixXd>(out.copy.data(), out.copy.rows(), out.copy.cols());
  return out;
}

void check_sizes(const Inputs& inputs) {
  const auto n = static_cast<std::size_t>(inputs.x.rows());
  if (inputs.batch.size() != n ||
      (inputs.covariates.cols() > 0 && static_cast<std::size_t>(inputs.covariates.rows()) != n)) {
    throw Error(ErrorKind::internal,
                "combat: batch and covariates need one entry for each of the " + std::to_string(n) +
                    " rows");
  }
}

Eigen::Index position_of(const std::vector<int>& batches, int id) {
  const auto found = std::lower_bound(batches.begin(), batches.end(), id);
  return found != batches.end() && *found == id ? found - batches.begin() : -1;
}

void check_batches(const cohort::BatchDesign& design, int reference, const Params& params) {
  if (design.batches.size() < 2) {
    throw Error(ErrorKind::input, "combat: found " + std::to_string(design.batches.size()) +
                                      " batch, expected at least 2");
  }
  if (reference >= 0 && position_of(design.batches, reference) < 0) {
    throw Error(ErrorKind::input, "combat: nobody of the reference batch is among the rows");
  }
  int alone = 0;
  for (const auto& rows : design.rows) alone += rows.size() == 1 ? 1 : 0;
  if (alone > 0 && params.single_member == "error" && !params.mean_only) {
    throw Error(ErrorKind::input,
                "combat: " + std::to_string(alone) + " of " +
                    std::to_string(design.batches.size()) +
                    " batches hold one person, expected at least 2 in each, or single_member "
                    "location, or mean_only");
  }
}

// Mean and pooled SD of every column: of the reference batch, otherwise of batches weighted by
// their numbers of people (of those that have the column).
void standards(const cohort::BatchDesign& design, const cohort::BatchMoments& moments,
               Model& model) {
  const Eigen::Index p = moments.intercept.rows();
  const auto n_batches = static_cast<Eigen::Index>(design.batches.size());
  const Eigen::Index reference =
      model.reference >= 0 ? position_of(design.batches, model.reference) : -1;
  model.grand_mean.setConstant(p, kNaN);
  model.pooled_sd.setZero(p);
  for (Eigen::Index c = 0; c < p; ++c) {
    if (moments.usable[static_cast<std::size_t>(c)] == 0) continue;
    double people = 0.0;
    double sum = 0.0;
    double squares = 0.0;
    double count = 0.0;
    for (Eigen::Index b = 0; b < n_batches; ++b) {
      if (moments.count(c, b) == 0.0 || (reference >= 0 && b != reference)) continue;
      const auto members = static_cast<double>(design.rows[static_cast<std::size_t>(b)].size());
      people += members;
      sum += members * moments.intercept(c, b);
      squares += moments.sum_of_squares(c, b);
      count += moments.count(c, b);
    }
    if (!(squares > 0.0)) continue; // a reference batch without the column, or without spread
    model.grand_mean[c] = sum / people;
    model.pooled_sd[c] = std::sqrt(squares / count);
  }
}

BatchStatistics statistics_of(const cohort::BatchMoments& moments, const Model& model,
                              Eigen::Index batch) {
  BatchStatistics out;
  const Eigen::Index p = model.grand_mean.size();
  out.count = moments.count.col(batch);
  out.location.setConstant(p, kNaN);
  out.scale.setConstant(p, kNaN);
  out.sum_of_squares.setZero(p);
  for (Eigen::Index c = 0; c < p; ++c) {
    const double sd = model.pooled_sd[c];
    if (!(sd > 0.0) || out.count[c] == 0.0) continue;
    out.location[c] = (moments.intercept(c, batch) - model.grand_mean[c]) / sd;
    out.sum_of_squares[c] = moments.sum_of_squares(c, batch) / (sd * sd);
    if (out.count[c] < 2.0) continue;
    out.scale[c] = out.sum_of_squares[c] / (out.count[c] - 1.0);
    if (out.scale[c] == 0.0 && model.params.zero_spread == "one") out.scale[c] = 1.0;
  }
  return out;
}

void check_prior(const BatchPrior& prior, const Params& params, bool scale) {
  const bool location_fails = !std::isfinite(prior.location_mean + prior.location_variance);
  const bool needs_scale = scale && params.method == "parametric";
  if (!location_fails && !(needs_scale && !std::isfinite(prior.shape + prior.rate))) return;
  throw Error(ErrorKind::input,
              "combat: the columns of a batch are too few or too alike to learn a prior from, "
              "expected at least 2 columns of unequal spread, or method none");
}

struct Estimated {
  BatchStatistics batch;
  BatchPrior prior;
  BatchEffect effect;
};

// Location and scale of one batch under the model's standards.
Estimated estimate(BatchStatistics batch, std::size_t n_rows, const Params& params,
                   const Context& context) {
  const bool location_only = params.mean_only || n_rows < 2;
  if (location_only) {
    batch.scale =
        batch.location.array().isNaN().select(kNaN, Eigen::VectorXd::Ones(batch.location.size()));
  }
  Estimated out{std::move(batch), {}, {}};
  if (params.method == "none") {
    out.prior = {kNaN, kNaN, kNaN, kNaN};
    out.effect = {out.batch.location, out.batch.scale};
    // One person with the column: nothing is known of its spread.
    for (Eigen::Index c = 0; c < out.effect.scale.size(); ++c) {
      if (std::isnan(out.effect.scale[c]) && !std::isnan(out.effect.location[c])) {
        out.effect.scale[c] = 1.0;
      }
    }
    return out;
  }
  out.prior = cohort::batch_prior(out.batch);
  check_prior(out.prior, params, !location_only);
  if (params.method == "non_parametric") {
    out.effect = cohort::shrink_non_parametric(out.batch, context);
  } else if (location_only) {
    out.effect = cohort::shrink_location(out.batch, out.prior);
  } else {
    out.effect = cohort::shrink_parametric(
        out.batch, out.prior,
        {params.tolerance, params.stopping == "signed", params.max_iterations}, context);
  }
  return out;
}

// What a batch does to its rows, one entry a column; `leave` keeps the values as they are.
struct Adjustment {
  Eigen::VectorXd location, scale;
  bool leave = false;
};

void adjust_column(const Model& model, const Inputs& rows, const std::vector<int>& adjustment,
                   const std::vector<Adjustment>& adjustments, Eigen::Index column, double* out) {
  const double sd = model.pooled_sd[column];
  const double* y = rows.x.col(column).data();
  const Eigen::Index n = rows.x.rows();
  if (!(sd > 0.0)) {
    std::copy(y, y + n, out);
    return;
  }
  std::vector<double> shift(adjustments.size());
  std::vector<double> factor(adjustments.size());
  for (std::size_t a = 0; a < adjustments.size(); ++a) {
    if (adjustments[a].leave) continue;
    shift[a] = sd * adjustments[a].location[column];
    factor[a] = 1.0 / std::sqrt(adjustments[a].scale[column]);
  }
  Eigen::VectorXd expected = Eigen::VectorXd::Constant(n, model.grand_mean[column]);
  if (model.coefficients.rows() > 0) {
    expected.noalias() += rows.covariates * model.coefficients.col(column);
  }
  for (Eigen::Index row = 0; row < n; ++row) {
    const auto a = static_cast<std::size_t>(adjustment[static_cast<std::size_t>(row)]);
    out[row] = adjustments[a].leave
                   ? y[row]
                   : (y[row] - expected[row] - shift[a]) * factor[a] + expected[row];
  }
}

// Effects of an unseen batch from the rows at hand, the model's standards fixed.
Adjustment adapt(const Model& model, const Inputs& rows, int id, const Context& context) {
  std::vector<Eigen::Index> members;
  for (std::size_t row = 0; row < rows.batch.size(); ++row) {
    const bool usable = rows.is_reference.empty() || rows.is_reference[row] != 0;
    if (rows.batch[row] == id && usable) members.push_back(static_cast<Eigen::Index>(row));
  }
  if (static_cast<int>(members.size()) < model.params.min_adapt) {
    throw Error(ErrorKind::input, "combat: found " + std::to_string(members.size()) +
                                      " people of an unseen batch to adapt to, expected at least " +
                                      std::to_string(model.params.min_adapt));
  }
  Eigen::MatrixXd x = rows.x(members, Eigen::all);
  if (model.coefficients.rows() > 0) x -= rows.covariates(members, Eigen::all) * model.coefficients;
  const std::vector<int> one(members.size(), id);
  const auto design = cohort::batch_design(one, {}, {});
  const auto moments = cohort::batch_moments(view(x), design, context);
  Estimated estimated =
      estimate(statistics_of(moments, model, 0), members.size(), model.params, context);
  return {std::move(estimated.effect.location), std::move(estimated.effect.scale), false};
}

} // namespace

Model fit(const Inputs& training, const Params& params, const Context& context) {
  check_sizes(training);
  const Known known = known_rows(training);
  const auto design = cohort::batch_design(known.batch, known.covariates, training.covariate_names);
  check_batches(design, training.reference, params);
  const auto moments = cohort::batch_moments(known.x, design, context);
  Model model{.params = params, .reference = training.reference, .batches = design.batches};
  standards(design, moments, model);
  model.coefficients = moments.coefficients;
  const Eigen::Index p = known.x.cols();
  const auto n_batches = static_cast<Eigen::Index>(design.batches.size());
  for (auto* matrix : {&model.gamma_hat, &model.delta_hat, &model.gamma_star, &model.delta_star}) {
    matrix->resize(p, n_batches);
  }
  for (auto* vector : {&model.gamma_bar, &model.tau_squared, &model.shape, &model.rate}) {
    vector->resize(n_batches);
  }
  for (Eigen::Index b = 0; b < n_batches; ++b) {
    const std::size_t n_rows = design.rows[static_cast<std::size_t>(b)].size();
    const Estimated estimated = estimate(statistics_of(moments, model, b), n_rows, params, context);
    model.n_rows.push_back(static_cast<int>(n_rows));
    model.gamma_hat.col(b) = estimated.batch.location;
    model.delta_hat.col(b) = estimated.batch.scale;
    model.gamma_bar[b] = estimated.prior.location_mean;
    model.tau_squared[b] = estimated.prior.location_variance;
    model.shape[b] = estimated.prior.shape;
    model.rate[b] = estimated.prior.rate;
    model.gamma_star.col(b) = estimated.effect.location;
    model.delta_star.col(b) = estimated.effect.scale;
    model.iterations.push_back(estimated.effect.iterations);
    model.converged.push_back(estimated.effect.converged ? 1 : 0);
  }
  return model;
}

Eigen::MatrixXd apply(const Model& model, const Inputs& rows, const Context& context) {
  check_sizes(rows);
  if (rows.x.cols() != model.grand_mean.size() ||
      rows.covariates.cols() != model.coefficients.rows()) {
    throw Error(ErrorKind::input, "combat: found " + std::to_string(rows.x.cols()) +
                                      " columns and " + std::to_string(rows.covariates.cols()) +
                                      " covariates, the model expects " +
                                      std::to_string(model.grand_mean.size()) + " and " +
                                      std::to_string(model.coefficients.rows()));
  }
  if (!rows.covariates.allFinite()) {
    throw Error(ErrorKind::input, "combat: a covariate is missing, expected a value in every row");
  }
  std::vector<Adjustment> adjustments;
  std::vector<int> ids;
  std::vector<int> adjustment;
  for (const int id : rows.batch) {
    const auto found = std::find(ids.begin(), ids.end(), id);
    adjustment.push_back(static_cast<int>(found - ids.begin()));
    if (found != ids.end()) continue;
    ids.push_back(id);
    const Eigen::Index b = position_of(model.batches, id);
    if (b >= 0) {
      adjustments.push_back(
          {model.gamma_star.col(b), model.delta_star.col(b), id == model.reference});
    } else if (model.params.unseen == "unchanged") {
      adjustments.push_back({{}, {}, true});
    } else if (model.params.unseen == "adapt" && id >= 0) {
      adjustments.push_back(adapt(model, rows, id, context));
    } else {
      throw Error(
          ErrorKind::input,
          "combat: found a row of a batch that the training rows had not, expected one of " +
              std::to_string(model.batches.size()) + " batches (option unseen)");
    }
  }
  Eigen::MatrixXd out(rows.x.rows(), rows.x.cols());
  const auto p = static_cast<std::size_t>(rows.x.cols());
  parallel_blocks(context, p, kColumnsPerBlock, [&](std::size_t begin, std::size_t end) {
    for (std::size_t c = begin; c < end; ++c) {
      const auto column = static_cast<Eigen::Index>(c);
      adjust_column(model, rows, adjustment, adjustments, column, out.col(column).data());
    }
  });
  return out;
}

cohort::LearningStep step(const Params& params) {
  const auto inputs_of = [](const cohort::Rows& rows) {
    return Inputs{.x = view(rows.x),
                  .batch = rows.batch,
                  .covariates = rows.covariates,
                  .covariate_names = rows.covariate_names,
                  .is_reference = rows.is_reference};
  };
  return {std::string(kStage.name),
          [params, inputs_of](const cohort::Rows& training) -> cohort::LearningStep::Apply {
            std::set<int> batches(training.batch.begin(), training.batch.end());
            batches.erase(-1);
            if (batches.size() < 2) return [](const cohort::Rows& rows) { return rows; };
            const Model model = fit(inputs_of(training), params, Context{});
            return [model, inputs_of](const cohort::Rows& rows) {
              cohort::Rows out = rows;
              out.x = apply(model, inputs_of(rows), Context{});
              return out;
            };
          }};
}

std::size_t peak_bytes(const Shape& shape, const Params& params) {
  const std::size_t effects = shape.n_columns * (9 * shape.n_batches + 4);
  const std::size_t pairs = params.method == "non_parametric" ? 8 * shape.n_columns : 0;
  return (2 * shape.n_rows * shape.n_columns + effects + pairs) * sizeof(double);
}

} // namespace boldmill::combat
