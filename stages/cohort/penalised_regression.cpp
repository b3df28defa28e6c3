#include "stages/cohort/penalised_regression.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "stages/cohort/kernels/baseline_model.hpp"
#include "stages/cohort/kernels/cross_validation.hpp"
#include "stages/cohort/kernels/fold_errors.hpp"
#include "stages/cohort/prediction_problem.hpp"
#include "stages/cohort/prediction_report.hpp"
#include "stages/core/planned_threads.hpp"
#include "stages/core/random.hpp"

namespace boldmill::penalised_regression {
namespace {

using cohort::Trained;

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

// The baselines on the rows used; of several, all their columns together as the last.
std::vector<cohort::NamedBaseline> baselines_of(const Inputs& inputs, const Problem& problem) {
  std::vector<cohort::NamedBaseline> out;
  cohort::NamedBaseline joint{"joint",
                              Eigen::MatrixXd(static_cast<Eigen::Index>(problem.used.size()), 0)};
  for (const Baseline& b : inputs.baselines) {
    out.push_back({b.name, b.x(problem.used, Eigen::all)});
    Eigen::MatrixXd wider(joint.x.rows(), joint.x.cols() + b.x.cols());
    wider << joint.x, out.back().x;
    joint.x = std::move(wider);
  }
  if (out.size() > 1) out.push_back(std::move(joint));
  return out;
}

// Everything that one arrangement of the imaging rows gives.
struct Scores {
  double alone = kNaN;    // the primary metric
  double together = kNaN; // of imaging stacked on the joint baseline
};
Scores scores_of(const Problem& problem, const cohort::StackedBaseline* baseline,
                 const std::vector<Trained>& models, const Eigen::VectorXd& prediction,
                 const Eigen::VectorXd& eta) {
  const auto family = problem.learner.family;
  const Eigen::VectorXd& y = problem.sample.y;
  Scores out;
  out.alone = cohort::primary_metric(family, y, prediction);
  if (baseline != nullptr) {
    out.together = cohort::primary_metric(
        family, y,
        cohort::stacked_prediction(family, y, problem.splits[0], *baseline, models, eta));
  }
  return out;
}

// A permutation without a value counts against the claim.
double p_value(const std::vector<double>& null, double observed) {
  const auto reached =
      std::count_if(null.begin(), null.end(), [&](double value) { return !(value < observed); });
  return static_cast<double>(1 + reached) / static_cast<double>(1 + null.size());
}

// The rows of imaging shuffled, targets, covariates, sites and folds kept; everything refitted.
void permutation_test(const Problem& problem, const Params& params,
                      const cohort::StackedBaseline* baseline, const Scores& observed, Outputs& out,
                      const Context& context) {
  out.p_value = out.increment.p_value = kNaN;
  out.permutation_kind = "none";
  if (params.n_permutations == 0 || std::isnan(observed.alone)) return;
  const bool within = params.permute_within_site && !problem.site.empty();
  out.permutation_kind = within ? "within_site" : "any_signal";
  std::vector<Scores> null(static_cast<std::size_t>(params.n_permutations));
  cohort::each_in_order(context, null.size(), [&](std::size_t b) {
    const auto order = shuffled(problem, within, static_cast<int>(b));
    cohort::Sample sample = problem.sample;
    sample.rows.x = problem.sample.rows.x(order, Eigen::all);
    for (std::size_t i = 0; i < sample.rows.batch.size(); ++i) {
      sample.rows.batch[i] = problem.sample.rows.batch[static_cast<std::size_t>(order[i])];
    }
    const auto held_out =
        cohort::cross_validate(problem.learner, sample, problem.splits[0], problem.seed, context);
    null[b] = scores_of(problem, baseline, held_out.models, held_out.prediction, held_out.eta);
    context.advance();
  });
  for (const Scores& scores : null) out.null.push_back(scores.alone);
  out.p_value = p_value(out.null, observed.alone);
  if (baseline == nullptr) return;
  for (const Scores& scores : null) {
    out.increment.null.push_back(scores.together - out.increment.baseline);
  }
  out.increment.p_value = p_value(out.increment.null, out.increment.difference);
}

void test_signal(const Problem& problem, const Params& params,
                 const std::vector<cohort::NamedBaseline>& baselines,
                 const cohort::RepeatedPredictions& held_out, Outputs& out,
                 const Context& context) {
  cohort::StackedBaseline stacked;
  const cohort::StackedBaseline* baseline = nullptr;
  if (!baselines.empty()) {
    stacked = cohort::stacked_baseline(problem.learner, problem.sample, baselines.back().x,
                                       problem.splits[0], problem.seed);
    baseline = &stacked;
  }
  const Scores observed =
      scores_of(problem, baseline, held_out.models, held_out.by_repeat.col(0), held_out.first_eta);
  if (baseline != nullptr) {
    for (const auto& b : baselines) {
      if (baselines.size() > 1 && &b == &baselines.back()) break;
      out.increment.over += (out.increment.over.empty() ? "" : "+") + b.name;
    }
    out.increment.baseline =
        cohort::primary_metric(problem.learner.family, problem.sample.y, stacked.test_eta);
    out.increment.together = observed.together;
    out.increment.difference = observed.together - out.increment.baseline;
  }
  permutation_test(problem, params, baseline, observed, out, context);
}

Outputs refused(const std::string& reason) {
  Outputs out;
  out.not_done = reason;
  return out;
}

} // namespace

Outputs run(const Inputs& inputs, const Params& params, const Context& context) {
  check_sizes(inputs);
  const std::vector<cohort::LearningStep> steps =
      inputs.steps.empty() ? default_steps() : inputs.steps;
  Outputs out;
  Problem problem;
  make_problem(inputs, params, steps, problem, out);
  if (!out.not_done.empty()) return refused(out.not_done);
  out.n_used = static_cast<int>(problem.used.size());
  const auto held_out = cohort::repeated_cross_validation(problem.learner, problem.sample,
                                                          problem.splits, problem.seed, context);
  const Trained final_model =
      cohort::train(problem.learner, problem.sample, stream_seed(problem.seed, "final"));
  if (!final_model.usable) return refused("no measure is left after imputation");
  const std::vector<cohort::NamedBaseline> baselines = baselines_of(inputs, problem);
  const cohort::Evaluation evaluation =
      cohort::evaluate(problem.learner.family, problem.sample, problem.splits, held_out, baselines);
  out.baseline_names = evaluation.baseline_names;
  for (const auto& m : evaluation.metrics) {
    out.metrics.push_back({m.name, m.value, m.lower, m.upper, m.baseline});
  }
  out.interval_method = evaluation.interval_method;
  report_coefficients(held_out.models, final_model, out);
  report_people(inputs, params, problem, held_out, final_model, out);
  report_groups(inputs, problem, out);
  test_signal(problem, params, baselines, held_out, out, context);
  return out;
}

std::size_t peak_bytes(const Shape& shape, const Params& params) {
  const std::size_t copy = shape.n_rows * shape.n_columns * sizeof(double);
  const std::size_t gram = std::min<std::size_t>(shape.n_columns, 2000);
  const std::size_t models = static_cast<std::size_t>(params.n_repeats * params.n_folds);
  // Of all folds the table, its steps and results; of each fold at work its rows and its products.
  return 4 * copy + kPlannedThreads * (5 * copy + gram * gram * sizeof(double)) +
         models * shape.n_columns * 4 * sizeof(double);
}

} // namespace boldmill::penalised_regression
