#include "stages/cohort/kernels/cross_validation.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "stages/cohort/kernels/metrics.hpp"
#include "stages/core/parallel.hpp"
#include "stages/core/random.hpp"
#include "stages/core/statistics.hpp"

namespace boldmill::cohort {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr double kBaselineRidge = 1e-3;
constexpr int kFewestFolds = 4;        // for an interval
constexpr std::size_t kFewestRows = 4; // of a fold, for its correlation: two rows give -1 or 1

struct FoldRows {
  std::vector<Eigen::Index> training, test;
};

FoldRows rows_of(const Split& split, int fold) {
  FoldRows out;
  for (std::size_t row = 0; row < split.fold.size(); ++row) {
    (split.fold[row] == fold ? out.test : out.training).push_back(static_cast<Eigen::Index>(row));
  }
  return out;
}

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

// Half-widths by Nadeau & Bengio 2003 over the folds of all repeats.
std::array<double, 3> half_widths(Family family, const Sample& sample,
                                  const std::vector<Split>& splits,
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
  std::array<double, 3> out{kNaN, kNaN, kNaN};
  for (std::size_t m = 0; m < out.size(); ++m) {
    const auto j = static_cast<double>(by_fold[m].size());
    if (j < kFewestFolds) continue;
    const double sd = standard_deviation(by_fold[m]);
    if (!(sd > 0.0)) continue; // folds that agree to the last bit say nothing of the error
    out[m] = t_quantile_975(j - 1.0) * sd * std::sqrt(1.0 / j + share / n_folds);
  }
  return out;
}

// Missing values take the training median; columns are scaled by the training rows.
Eigen::MatrixXd baseline_columns(const Eigen::MatrixXd& x,
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

Eigen::VectorXd baseline_predictions(Family family, const Sample& sample, const Split& split,
                                     const Eigen::MatrixXd& x) {
  Eigen::VectorXd out = Eigen::VectorXd::Constant(sample.y.size(), kNaN);
  for (int fold = 0; fold < split.n_folds; ++fold) {
    const FoldRows rows = rows_of(split, fold);
    if (rows.test.empty() || rows.training.empty()) continue;
    const Eigen::MatrixXd columns = baseline_columns(x, rows.training);
    const ElasticNetSettings settings{.family = family, .alpha = 0.0, .tolerance = 1e-7};
    const auto fit = elastic_net_path(columns(rows.training, Eigen::all), sample.y(rows.training),
                                      {kBaselineRidge}, settings);
    out(rows.test) = elastic_net_predict(columns(rows.test, Eigen::all), fit[0], family);
  }
  return out;
}

} // namespace

HeldOut cross_validate(const Learner& learner, const Sample& sample, const Split& split,
                       std::uint64_t seed, const Context& context) {
  const Eigen::Index n = sample.y.size();
  HeldOut out{Eigen::VectorXd::Constant(n, kNaN), Eigen::VectorXd::Constant(n, kNaN), {}};
  for (int fold = 0; fold < split.n_folds; ++fold) {
    context.check_stop();
    const FoldRows rows = rows_of(split, fold);
    Trained model = train(learner, sample.select(rows.training),
                          stream_seed(seed, "inner", std::to_string(fold)));
    const Predicted predicted = predict(model, sample.rows.select(rows.test));
    out.prediction(rows.test) = predicted.value;
    out.relative_distance(rows.test) = predicted.distance / model.largest_distance;
    out.models.push_back(std::move(model));
  }
  return out;
}

RepeatedPredictions repeated_cross_validation(const Learner& learner, const Sample& sample,
                                              const std::vector<Split>& splits, std::uint64_t seed,
                                              const Context& context) {
  const Eigen::Index n = sample.y.size();
  std::vector<HeldOut> by_repeat(splits.size());
  parallel_blocks(context, splits.size(), 1, [&](std::size_t begin, std::size_t end) {
    for (std::size_t r = begin; r < end; ++r) {
      by_repeat[r] = cross_validate(learner, sample, splits[r], seed, context);
    }
  });
  RepeatedPredictions out;
  const auto n_repeats = static_cast<Eigen::Index>(splits.size());
  out.by_repeat.resize(n, n_repeats);
  out.base.resize(n, n_repeats);
  for (std::size_t r = 0; r < splits.size(); ++r) {
    const auto column = static_cast<Eigen::Index>(r);
    out.by_repeat.col(column) = by_repeat[r].prediction;
    for (Eigen::Index row = 0; row < n; ++row) {
      const auto fold = static_cast<std::size_t>(splits[r].fold[static_cast<std::size_t>(row)]);
      out.base(row, column) = by_repeat[r].models[fold].base;
    }
    for (Trained& model : by_repeat[r].models) out.models.push_back(std::move(model));
  }
  out.mean_prediction = out.by_repeat.rowwise().mean();
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
  const auto width = half_widths(family, sample, splits, held_out);
  for (std::size_t m = 0; m < kinds.size(); ++m) {
    EvaluatedMetric metric{.name = kinds[m].name, .value = value[m], .baseline = {}};
    metric.lower = std::max(kinds[m].lowest, value[m] - width[m]);
    metric.upper = std::min(kinds[m].highest, value[m] + width[m]);
    if (std::isnan(width[m])) metric.lower = metric.upper = kNaN;
    for (const auto& values : baseline_value) metric.baseline.push_back(values[m]);
    out.metrics.push_back(std::move(metric));
  }
  return out;
}

} // namespace boldmill::cohort
