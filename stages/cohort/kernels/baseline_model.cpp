#include "stages/cohort/kernels/baseline_model.hpp"

#include <cmath>
#include <limits>

#include "stages/core/random.hpp"
#include "stages/core/statistics.hpp"

namespace boldmill::cohort {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr double kBaselineRidge = 1e-3;
constexpr double kStackRidge = 1e-6; // on predictors scaled to SD 1
constexpr Eigen::Index kFewestRows = 4;

// Missing values take the training median; columns are scaled by the training rows.
Eigen::MatrixXd prepared_columns(const Eigen::MatrixXd& x,
                                 const std::vector<Eigen::Index>& training) {
  Eigen::MatrixXd out = x;
  for (Eigen::Index c = 0; c < x.cols(); ++c) {
    const Eigen::VectorXd own = x.col(c)(training);
    const double center = median({own.begin(), own.end()});
    out.col(c) = out.col(c).array().isNaN().select(std::isnan(center) ? 0.0 : center, out.col(c));
    const Eigen::VectorXd filled = out.col(c)(training);
    const std::span<const double> values(filled.data(), static_cast<std::size_t>(filled.size()));
    const double sd = standard_deviation(values);
    out.col(c) = (out.col(c).array() - mean(values)) / (sd > 0.0 ? sd : 1.0);
  }
  return out;
}

// The predictors used (0 baseline, 1 imaging) with weights not below zero, and their fit.
struct Stack {
  std::vector<Eigen::Index> used;
  Eigen::Vector2d scale;
  ElasticNetFit fit;

  [[nodiscard]] Eigen::MatrixXd columns(const Eigen::MatrixXd& z) const {
    return z(Eigen::all, used) * scale(used).cwiseInverse().asDiagonal();
  }
};

Stack fit_stack(Family family, const Eigen::MatrixXd& z, const Eigen::VectorXd& y) {
  Stack stack;
  for (Eigen::Index c = 0; c < 2; ++c) {
    const double sd = std::sqrt((z.col(c).array() - z.col(c).mean()).square().mean());
    stack.scale[c] = sd > 0.0 ? sd : 1.0;
  }
  const ElasticNetSettings settings{.family = family, .alpha = 0.0, .tolerance = 1e-10};
  for (const auto& used : std::vector<std::vector<Eigen::Index>>{{0, 1}, {0}, {1}}) {
    stack.used = used;
    stack.fit = elastic_net_path(stack.columns(z), y, {kStackRidge}, settings)[0];
    if (stack.fit.beta.minCoeff() >= 0.0) break;
  }
  stack.fit.beta = stack.fit.beta.cwiseMax(0.0);
  return stack;
}

} // namespace

Eigen::VectorXd baseline_eta(Family family, const Eigen::VectorXd& y, const Eigen::MatrixXd& x,
                             const Split& split) {
  Eigen::VectorXd out = Eigen::VectorXd::Constant(y.size(), kNaN);
  for (int fold = 0; fold < split.n_folds; ++fold) {
    const FoldRows rows = rows_of(split, fold);
    if (rows.test.empty() || rows.training.empty()) continue;
    const Eigen::MatrixXd columns = prepared_columns(x, rows.training);
    const Eigen::MatrixXd training = columns(rows.training, Eigen::all);
    const ElasticNetSettings settings{.family = family, .alpha = 0.0, .tolerance = 1e-7};
    const auto fit = elastic_net_path(training, y(rows.training), {kBaselineRidge}, settings);
    out(rows.test) = elastic_net_predict(columns(rows.test, Eigen::all), fit[0], Family::gaussian);
  }
  return out;
}

StackedBaseline stacked_baseline(const Learner& learner, const Sample& sample,
                                 const Eigen::MatrixXd& x, const Split& split, std::uint64_t seed) {
  StackedBaseline out{baseline_eta(learner.family, sample.y, x, split), {}};
  for (int fold = 0; fold < split.n_folds; ++fold) {
    const FoldRows rows = rows_of(split, fold);
    const Sample training = sample.select(rows.training);
    const Split inner = inner_split(learner, training, fold_seed(seed, fold));
    out.inner_eta.push_back(
        baseline_eta(learner.family, training.y, x(rows.training, Eigen::all), inner));
  }
  return out;
}

Eigen::VectorXd stacked_prediction(Family family, const Eigen::VectorXd& y, const Split& split,
                                   const StackedBaseline& baseline,
                                   const std::vector<Trained>& models, const Eigen::VectorXd& eta) {
  Eigen::VectorXd out = Eigen::VectorXd::Constant(y.size(), kNaN);
  for (int fold = 0; fold < split.n_folds; ++fold) {
    const auto f = static_cast<std::size_t>(fold);
    const FoldRows rows = rows_of(split, fold);
    Eigen::MatrixXd z(static_cast<Eigen::Index>(rows.training.size()), 2);
    z.col(0) = baseline.inner_eta[f];
    z.col(1) = models[f].inner_eta;
    std::vector<Eigen::Index> known;
    for (Eigen::Index i = 0; i < z.rows(); ++i) {
      if (!z.row(i).array().isNaN().any()) known.push_back(i);
    }
    if (static_cast<Eigen::Index>(known.size()) < kFewestRows) continue;
    const Eigen::VectorXd y_training = y(rows.training);
    const Stack stack = fit_stack(family, z(known, Eigen::all), y_training(known));
    Eigen::MatrixXd test(static_cast<Eigen::Index>(rows.test.size()), 2);
    test.col(0) = baseline.test_eta(rows.test);
    test.col(1) = eta(rows.test);
    out(rows.test) = elastic_net_predict(stack.columns(test), stack.fit, family);
  }
  return out;
}

} // namespace boldmill::cohort
