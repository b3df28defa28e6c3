#include "stages/cohort/kernels/nested_fit.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>
#include <utility>

#include "stages/cohort/kernels/connectome_model.hpp"
#include "stages/cohort/kernels/fold_errors.hpp"
#include "stages/core/random.hpp"

namespace boldmill::cohort {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr double kTolerance = 1e-7;
constexpr double kSmallestSlope = 1e-3; // a decision value is never turned upside down

Eigen::VectorXd row_distance(const Eigen::MatrixXd& x) {
  return (x.rowwise().squaredNorm() / std::max<double>(1.0, static_cast<double>(x.cols())))
      .cwiseSqrt();
}

bool has_two_values(const Eigen::VectorXd& y) {
  return y.size() > 0 && y.minCoeff() < y.maxCoeff();
}

Family fitted_family(const Learner& learner) {
  return learner.model == Model::svm ? Family::squared_hinge : learner.family;
}

// Per mixing the values tried, strongest regularisation first.
struct Grid {
  std::vector<double> mixing;
  std::vector<std::vector<double>> values;
  std::vector<Eigen::MatrixXd> held_out_eta; // per mixing, n x values, NaN where never held out
};

Grid make_grid(const Learner& learner, const Eigen::MatrixXd& x, const Eigen::VectorXd& y) {
  Grid grid;
  grid.mixing = learner.model == Model::elastic_net ? learner.alphas : std::vector<double>{0.0};
  for (const double alpha : grid.mixing) {
    grid.values.push_back(learner.model == Model::connectome
                              ? learner.thresholds
                              : lambda_path(x, y, alpha, learner.n_lambdas, learner.lambda_ratio));
    grid.held_out_eta.push_back(Eigen::MatrixXd::Constant(
        y.size(), static_cast<Eigen::Index>(grid.values.back().size()), kNaN));
  }
  return grid;
}

std::vector<ElasticNetFit> fit_path(const Learner& learner, ElasticNetProblem& problem,
                                    const Eigen::MatrixXd& x, const Eigen::VectorXd& y,
                                    double alpha, const std::vector<double>& values) {
  if (learner.model == Model::connectome) return connectome_path(x, y, values, learner.family);
  return problem.path(values,
                      {.family = fitted_family(learner), .alpha = alpha, .tolerance = kTolerance});
}

// Fills in the rows of one inner fold.
void hold_out(const Learner& learner, const Sample& fitting, const Sample& held_out,
              const std::vector<Eigen::Index>& rows, Grid& grid) {
  FittedRows fitted = fit_apply_steps(*learner.steps, fitting.rows);
  Rows out_rows = apply_steps(fitted.steps, held_out.rows);
  if (learner.recode != nullptr) {
    const LearningStep::Apply recode = learner.recode->fit(fitted.rows);
    fitted.rows = recode(fitted.rows);
    out_rows = recode(out_rows);
  }
  const Eigen::MatrixXd& x = fitted.rows.x;
  const Eigen::MatrixXd& x_out = out_rows.x;
  ElasticNetProblem problem(x, fitting.y, fitted_family(learner));
  for (std::size_t a = 0; a < grid.mixing.size(); ++a) {
    const auto path = fit_path(learner, problem, x, fitting.y, grid.mixing[a], grid.values[a]);
    grid.held_out_eta[a](rows, Eigen::all) = elastic_net_predict_all(x_out, path, Family::gaussian);
  }
}

// Mean loss of the rows that were held out, for each value tried.
double held_out_loss(Family family, const Eigen::VectorXd& y,
                     const Eigen::Ref<const Eigen::VectorXd>& eta) {
  const Eigen::ArrayXd sign = 2.0 * y.array() - 1.0;
  Eigen::ArrayXd loss;
  if (family == Family::gaussian) {
    loss = (y - eta).array().square();
  } else if (family == Family::binomial) {
    const Eigen::ArrayXd wrong = -sign * eta.array();
    loss = wrong.max(0.0) + (1.0 + (-wrong.abs()).exp()).log();
  } else {
    loss = (1.0 - sign * eta.array()).max(0.0).square();
  }
  return eta.array().isNaN().select(0.0, loss).sum();
}

// Makes the linear predictor of a support vector machine a log-odds.
void calibrate(const Eigen::VectorXd& y, Trained& model) {
  std::vector<Eigen::Index> rows;
  for (Eigen::Index i = 0; i < y.size(); ++i) {
    if (!std::isnan(model.inner_eta[i])) rows.push_back(i);
  }
  const Eigen::MatrixXd eta = model.inner_eta(rows);
  if (rows.size() < 4 || !has_two_values(y(rows))) return;
  const auto fit =
      elastic_net_path(eta, y(rows), {1e-6}, {.family = Family::binomial, .alpha = 0.0})[0];
  const double slope = std::max(fit.beta[0], kSmallestSlope);
  const double base = y(rows).mean();
  const double shift = fit.beta[0] > kSmallestSlope ? fit.intercept : std::log(base / (1.0 - base));
  model.fit.beta *= slope;
  model.fit.intercept = slope * model.fit.intercept + shift;
  model.inner_eta = slope * model.inner_eta.array() + shift;
}

} // namespace

Split inner_split(const Learner& learner, const Sample& training, std::uint64_t seed) {
  const auto n = static_cast<std::size_t>(training.y.size());
  std::vector<int> strata;
  if (learner.family == Family::binomial) {
    for (const double y : training.y) strata.push_back(y > 0.5 ? 1 : 0);
  }
  const std::set<int> people(training.person.begin(), training.person.end());
  const std::size_t n_people = people.empty() ? n : people.size();
  const int k = std::min(learner.n_inner_folds, static_cast<int>(n_people));
  return k_fold(n, k, strata, training.person, seed);
}

Sample Sample::select(const std::vector<Eigen::Index>& which) const {
  Sample out{rows.select(which), y(which), {}};
  if (person.empty()) return out;
  for (const Eigen::Index row : which) out.person.push_back(person[static_cast<std::size_t>(row)]);
  return out;
}

Trained train(const Learner& learner, const Sample& training, std::uint64_t seed) {
  Trained model;
  model.family = learner.family;
  model.base = training.y.size() > 0 ? training.y.mean() : 0.0;
  model.inner_eta = Eigen::VectorXd::Constant(training.y.size(), kNaN);
  if (!has_two_values(training.y)) return model;
  FittedRows fitted = fit_apply_steps(*learner.steps, training.rows);
  model.steps = std::move(fitted.steps);
  model.largest_distance = row_distance(fitted.rows.x).maxCoeff();
  if (learner.recode != nullptr) {
    model.recode = learner.recode->fit(fitted.rows);
    fitted.rows = model.recode(fitted.rows);
  }
  const Rows& prepared = fitted.rows;
  if (prepared.x.cols() == 0) return model;
  model.names = prepared.names;

  Grid grid = make_grid(learner, prepared.x, training.y);
  const Split split = inner_split(learner, training, seed);
  for (int fold = 0; fold < split.n_folds; ++fold) {
    std::vector<Eigen::Index> in, out;
    for (std::size_t row = 0; row < split.fold.size(); ++row) {
      (split.fold[row] == fold ? out : in).push_back(static_cast<Eigen::Index>(row));
    }
    const Sample fitting = training.select(in);
    if (out.empty() || !has_two_values(fitting.y)) continue;
    in_fold("inner", fold, split.n_folds, fitting.y.size(),
            [&] { hold_out(learner, fitting, training.select(out), out, grid); });
  }
  std::size_t best_mixing = 0;
  Eigen::Index best_value = 0; // the first of equals: the larger penalty
  double best_loss = std::numeric_limits<double>::infinity();
  for (std::size_t a = 0; a < grid.mixing.size(); ++a) {
    for (Eigen::Index v = 0; v < grid.held_out_eta[a].cols(); ++v) {
      const double loss =
          held_out_loss(fitted_family(learner), training.y, grid.held_out_eta[a].col(v));
      if (!(loss < best_loss)) continue;
      best_loss = loss;
      best_mixing = a;
      best_value = v;
    }
  }
  model.alpha = grid.mixing[best_mixing];
  std::vector<double> values = grid.values[best_mixing];
  model.lambda = values[static_cast<std::size_t>(best_value)];
  model.inner_eta = grid.held_out_eta[best_mixing].col(best_value);
  values.resize(static_cast<std::size_t>(best_value) + 1); // warm starts down to the choice
  if (learner.model == Model::connectome) values = {model.lambda};
  ElasticNetProblem problem(prepared.x, training.y, fitted_family(learner));
  model.fit = fit_path(learner, problem, prepared.x, training.y, model.alpha, values).back();
  if (learner.model == Model::svm) calibrate(training.y, model);
  const Eigen::VectorXd eta = elastic_net_predict(prepared.x, model.fit, Family::gaussian);
  model.center = eta.mean();
  if (!model.fit.beta.isZero(0.0)) {
    model.spread = std::sqrt((eta.array() - model.center).square().mean());
  }
  model.usable = true;
  return model;
}

Predicted predict(const Trained& model, const Rows& rows, bool keep_inputs) {
  Predicted out;
  if (!model.usable) {
    out.value = out.eta = out.distance = Eigen::VectorXd::Constant(rows.x.rows(), kNaN);
    return out;
  }
  Rows prepared = apply_steps(model.steps, rows);
  out.distance = row_distance(prepared.x);
  if (model.recode) prepared = model.recode(prepared);
  out.eta = elastic_net_predict(prepared.x, model.fit, Family::gaussian);
  out.value = out.eta;
  if (model.family == Family::binomial) out.value = 1.0 / (1.0 + (-out.eta.array()).exp());
  if (keep_inputs) out.inputs = std::move(prepared.x);
  return out;
}

} // namespace boldmill::cohort
