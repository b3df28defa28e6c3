#include "stages/cohort/kernels/nested_fit.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

#include "stages/cohort/kernels/folds.hpp"
#include "stages/core/random.hpp"

namespace boldmill::cohort {
namespace {

constexpr double kTolerance = 1e-7;

Eigen::VectorXd row_distance(const Eigen::MatrixXd& x) {
  return (x.rowwise().squaredNorm() / std::max<double>(1.0, static_cast<double>(x.cols())))
      .cwiseSqrt();
}

double loss(Family family, double y, double prediction) {
  if (family == Family::gaussian) return (y - prediction) * (y - prediction);
  const double p = std::clamp(prediction, 1e-12, 1.0 - 1e-12);
  return -std::log(y > 0.5 ? p : 1.0 - p);
}

bool has_two_values(const Eigen::VectorXd& y) {
  return y.size() > 0 && y.minCoeff() < y.maxCoeff();
}

struct Grid {
  std::vector<std::vector<double>> lambdas; // per alpha
  std::vector<std::vector<double>> loss;    // the same shape, summed over held-out rows
};

// Adds the losses of one inner fold.
void score_fold(const Learner& learner, const Sample& fitting, const Sample& held_out, Grid& grid) {
  const FittedSteps steps = fit_steps(*learner.steps, fitting.rows);
  const Eigen::MatrixXd x = apply_steps(steps, fitting.rows).x;
  const Eigen::MatrixXd x_out = apply_steps(steps, held_out.rows).x;
  for (std::size_t a = 0; a < learner.alphas.size(); ++a) {
    const ElasticNetSettings settings{
        .family = learner.family, .alpha = learner.alphas[a], .tolerance = kTolerance};
    const auto path = elastic_net_path(x, fitting.y, grid.lambdas[a], settings);
    for (std::size_t l = 0; l < path.size(); ++l) {
      const Eigen::VectorXd p = elastic_net_predict(x_out, path[l], learner.family);
      for (Eigen::Index i = 0; i < p.size(); ++i) {
        grid.loss[a][l] += loss(learner.family, held_out.y[i], p[i]);
      }
    }
  }
}

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

} // namespace

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
  if (!has_two_values(training.y)) return model;
  model.steps = fit_steps(*learner.steps, training.rows);
  const Rows prepared = apply_steps(model.steps, training.rows);
  if (prepared.x.cols() == 0) return model;
  model.names = prepared.names;
  model.largest_distance = row_distance(prepared.x).maxCoeff();

  Grid grid;
  for (const double alpha : learner.alphas) {
    grid.lambdas.push_back(
        lambda_path(prepared.x, training.y, alpha, learner.n_lambdas, learner.lambda_ratio));
    grid.loss.emplace_back(static_cast<std::size_t>(learner.n_lambdas), 0.0);
  }
  const Split split = inner_split(learner, training, seed);
  for (int fold = 0; fold < split.n_folds; ++fold) {
    std::vector<Eigen::Index> in, out;
    for (std::size_t row = 0; row < split.fold.size(); ++row) {
      (split.fold[row] == fold ? out : in).push_back(static_cast<Eigen::Index>(row));
    }
    const Sample fitting = training.select(in);
    if (!out.empty() && has_two_values(fitting.y)) {
      score_fold(learner, fitting, training.select(out), grid);
    }
  }
  std::size_t best_alpha = 0;
  std::size_t best_lambda = 0; // the first of equals: the larger penalty
  for (std::size_t a = 0; a < grid.loss.size(); ++a) {
    for (std::size_t l = 0; l < grid.loss[a].size(); ++l) {
      if (grid.loss[a][l] >= grid.loss[best_alpha][best_lambda]) continue;
      best_alpha = a;
      best_lambda = l;
    }
  }
  model.alpha = learner.alphas[best_alpha];
  model.lambda = grid.lambdas[best_alpha][best_lambda];
  auto lambdas = grid.lambdas[best_alpha];
  lambdas.resize(best_lambda + 1); // warm starts down to the choice
  const ElasticNetSettings settings{
      .family = learner.family, .alpha = model.alpha, .tolerance = kTolerance};
  model.fit = elastic_net_path(prepared.x, training.y, lambdas, settings).back();
  model.usable = true;
  return model;
}

Predicted predict(const Trained& model, const Rows& rows) {
  if (!model.usable) {
    const auto missing =
        Eigen::VectorXd::Constant(rows.x.rows(), std::numeric_limits<double>::quiet_NaN());
    return {missing, missing};
  }
  const Eigen::MatrixXd x = apply_steps(model.steps, rows).x;
  return {elastic_net_predict(x, model.fit, model.family), row_distance(x)};
}

} // namespace boldmill::cohort
