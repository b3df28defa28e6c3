#include "stages/cohort/kernels/cross_validation.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "stages/cohort/kernels/baseline_model.hpp"
#include "stages/cohort/kernels/cross_validated_auc.hpp"
#include "stages/cohort/kernels/fold_errors.hpp"
#include "stages/cohort/kernels/metrics.hpp"
#include "stages/core/statistics.hpp"

namespace boldmill::cohort {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr int kFewestFolds = 4;        // for an interval
constexpr std::size_t kFewestRows = 4; // of a fold, for its correlation: two rows give -1 or 1

struct MetricKind {
  const char* name;
  double lowest, highest;
};

std::vector<MetricKind> kinds_of(Family family) {
  constexpr double kInf = std::numeric_limits<double>::infinity();
  if (family == Family::gaussian) return {{"r", -1, 1}, {"R2", -kInf, 1}, {"MAE", 0, kInf}};
  return {{"AUC", 0, 1}, {"balanced_accuracy", 0, 1}, {"Brier", 0, 1}};
}

std::array<double, 3> metrics_of(Family family, const Eigen::VectorXd& y, const Eigen::VectorXd& p,
                                 const Eigen::VectorXd& base) {
  if (family == Family::gaussian) {
    return {correlation(y, p), r_squared(y, p, base), mean_absolute_error(y, p)};
  }
  return {auc(y, p), balanced_accuracy(y, p), brier(y, p)};
}

// Student's t at 0.975 by the expansion of Abramowitz & Stegun 26.7.5; 1e-3 at 3 degrees of
// freedom.
double t_quantile_975(double dof) {
  const double z = 1.959963984540054;
  const double z2 = z * z;
  return z + z * (z2 + 1) / (4 * dof) + z * (5 * z2 * z2 + 16 * z2 + 3) / (96 * dof * dof) +
         z * (3 * z2 * z2 * z2 + 19 * z2 * z2 + 17 * z2 - 15) / (384 * dof * dof * dof) +
         z * (79 * z2 * z2 * z2 * z2 + 776 * z2 * z2 * z2 + 1482 * z2 * z2 - 1920 * z2 - 945) /
             (92160 * dof * dof * dof * dof);
}

struct FoldSpread {
  std::array<double, 3> mean, half_width;
};

// Means over the folds of all repeats, and half-widths by Nadeau & Bengio 2003.
FoldSpread spread_over_folds(Family family, const Sample& sample, const std::vector<Split>& splits,
                             const RepeatedPredictions& held_out) {
  std::array<std::vector<double>, 3> by_fold;
  double share = 0.0;
  double n_folds = 0.0;
  for (std::size_t r = 0; r < splits.size(); ++r) {
    const auto column = static_cast<Eigen::Index>(r);
    for (int fold = 0; fold < splits[r].n_folds; ++fold) {
      const FoldRows rows = rows_of(splits[r], fold);
      const Eigen::VectorXd p = held_out.by_repeat.col(column)(rows.test);
      const Eigen::VectorXd base = held_out.base.col(column)(rows.test);
      auto values = metrics_of(family, sample.y(rows.test), p, base);
      if (family == Family::gaussian && rows.test.size() < kFewestRows) values[0] = kNaN;
      for (std::size_t m = 0; m < values.size(); ++m) {
        if (std::isfinite(values[m])) by_fold[m].push_back(values[m]);
      }
      share += static_cast<double>(rows.test.size()) / static_cast<double>(rows.training.size());
      n_folds += 1.0;
    }
  }
  FoldSpread out{{kNaN, kNaN, kNaN}, {kNaN, kNaN, kNaN}};
  for (std::size_t m = 0; m < by_fold.size(); ++m) {
    const auto j = static_cast<double>(by_fold[m].size());
    if (j < kFewestFolds) continue;
    const double sd = standard_deviation(by_fold[m]);
    if (!(sd > 0.0)) continue; // folds that agree to the last bit say nothing of the error
    out.mean[m] = mean(by_fold[m]);
    out.half_width[m] = t_quantile_975(j - 1.0) * sd * std::sqrt(1.0 / j + share / n_folds);
  }
  return out;
}

Eigen::VectorXd baseline_predictions(Family family, const Sample& sample, const Split& split,
                                     const Eigen::MatrixXd& x) {
  const Eigen::VectorXd eta = baseline_eta(family, sample.y, x, split);
  if (family == Family::gaussian) return eta;
  return 1.0 / (1.0 + (-eta.array()).exp());
}

// Models of different penalties on one scale; 0 where the training rows' do not vary.
Eigen::VectorXd standard_score(const Trained& model, const Eigen::VectorXd& eta) {
  const Eigen::ArrayXd about = eta.array() - model.center;
  return about * (model.spread > 0.0 ? 1.0 / model.spread : 0.0);
}

} // namespace

HeldOut cross_validate(const Learner& learner, const Sample& sample, const Split& split,
                       std::uint64_t seed, const Context& context) {
  const Eigen::VectorXd missing = Eigen::VectorXd::Constant(sample.y.size(), kNaN);
  HeldOut out{missing, missing, missing, missing,
              std::vector<Trained>(static_cast<std::size_t>(split.n_folds))};
  each_in_order(context, out.models.size(), [&](std::size_t f) {
    const int fold = static_cast<int>(f);
    const FoldRows rows = rows_of(split, fold);
    const auto n_training = static_cast<Eigen::Index>(rows.training.size());
    in_fold("outer", fold, split.n_folds, n_training, [&] {
      out.models[f] = train(learner, sample.select(rows.training), fold_seed(seed, fold));
      const Predicted predicted = predict(out.models[f], sample.rows.select(rows.test));
      out.prediction(rows.test) = predicted.value;
      out.eta(rows.test) = predicted.eta;
      out.score(rows.test) = standard_score(out.models[f], predicted.eta);
      out.relative_distance(rows.test) = predicted.distance / out.models[f].largest_distance;
    });
  });
  return out;
}

RepeatedPredictions repeated_cross_validation(const Learner& learner, const Sample& sample,
                                              const std::vector<Split>& splits, std::uint64_t seed,
                                              const Context& context) {
  const Eigen::Index n = sample.y.size();
  std::vector<HeldOut> by_repeat(splits.size());
  each_in_order(context, splits.size(), [&](std::size_t r) {
    by_repeat[r] = cross_validate(learner, sample, splits[r], seed, context);
  });
  RepeatedPredictions out;
  const auto n_repeats = static_cast<Eigen::Index>(splits.size());
  out.by_repeat.resize(n, n_repeats);
  out.base.resize(n, n_repeats);
  out.score.resize(n, n_repeats);
  for (std::size_t r = 0; r < splits.size(); ++r) {
    const auto column = static_cast<Eigen::Index>(r);
    out.by_repeat.col(column) = by_repeat[r].prediction;
    out.score.col(column) = by_repeat[r].score;
    for (Eigen::Index row = 0; row < n; ++row) {
      const auto fold = static_cast<std::size_t>(splits[r].fold[static_cast<std::size_t>(row)]);
      out.base(row, column) = by_repeat[r].models[fold].base;
    }
    for (Trained& model : by_repeat[r].models) out.models.push_back(std::move(model));
  }
  out.mean_prediction = out.by_repeat.rowwise().mean();
  out.first_eta = by_repeat[0].eta;
  out.relative_distance = by_repeat[0].relative_distance;
  return out;
}

double primary_metric(Family family, const Eigen::VectorXd& y, const Eigen::VectorXd& prediction) {
  return family == Family::gaussian ? correlation(y, prediction) : auc(y, prediction);
}

Evaluation evaluate(Family family, const Sample& sample, const std::vector<Split>& splits,
                    const RepeatedPredictions& held_out,
                    const std::vector<NamedBaseline>& baselines) {
  Evaluation out;
  out.interval_method = "95 %, corrected repeated cross-validation (Nadeau & Bengio 2003)";
  out.baseline_names = {"mean"};
  for (const NamedBaseline& b : baselines) out.baseline_names.push_back(b.name);
  const auto kinds = kinds_of(family);
  const auto n_repeats = static_cast<double>(splits.size());
  std::array<double, 3> value{};
  std::vector<std::array<double, 3>> baseline_value(out.baseline_names.size());
  for (std::size_t r = 0; r < splits.size(); ++r) {
    const auto column = static_cast<Eigen::Index>(r);
    const Eigen::VectorXd base = held_out.base.col(column);
    const auto add = [&](std::array<double, 3>& sums, const Eigen::VectorXd& prediction) {
      const auto now = metrics_of(family, sample.y, prediction, base);
      for (std::size_t m = 0; m < sums.size(); ++m) sums[m] += now[m] / n_repeats;
    };
    add(value, held_out.by_repeat.col(column));
    add(baseline_value[0], base);
    for (std::size_t b = 0; b < baselines.size(); ++b) {
      add(baseline_value[b + 1], baseline_predictions(family, sample, splits[r], baselines[b].x));
    }
  }
  // Fold means fall when their held-out rows are high: their rank says nothing.
  baseline_value[0][0] = family == Family::gaussian ? kNaN : 0.5;
  const FoldSpread spread = spread_over_folds(family, sample, splits, held_out);
  for (std::size_t m = 0; m < kinds.size(); ++m) {
    EvaluatedMetric metric{.name = kinds[m].name, .value = value[m], .baseline = {}};
    // Pooling folds whose models differ biases r and AUC downwards; means over folds are free of
    // it.
    const double center = m == 0 ? spread.mean[m] : value[m];
    metric.lower = std::max(kinds[m].lowest, center - spread.half_width[m]);
    metric.upper = std::min(kinds[m].highest, center + spread.half_width[m]);
    if (std::isnan(spread.half_width[m])) metric.lower = metric.upper = kNaN;
    for (const auto& values : baseline_value) metric.baseline.push_back(values[m]);
    out.metrics.push_back(std::move(metric));
  }
  if (family == Family::binomial && splits.size() > 1) {
    const CrossValidatedAuc auc =
        cross_validated_auc(sample.y, held_out.score, splits, sample.person);
    out.metrics.front().lower = auc.lower;
    out.metrics.front().upper = auc.upper;
    out.interval_method += "; AUC: placements and instability of repeated k-fold (METHOD.md)";
  }
  return out;
}

} // namespace boldmill::cohort
