#include "stages/cohort/penalised_regression.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <numeric>
#include <set>

#include "stages/cohort/kernels/conformal.hpp"
#include "stages/cohort/kernels/cross_validation.hpp"
#include "stages/core/parallel.hpp"
#include "stages/core/random.hpp"
#include "stages/core/statistics.hpp"

namespace boldmill::penalised_regression {
namespace {

using cohort::Family;
using cohort::Learner;
using cohort::Sample;
using cohort::Split;
using cohort::Trained;

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

// The rows that enter, and the procedure applied to them.
struct Problem {
  std::vector<Eigen::Index> used; // rows of the input with a target and a measure
  Sample sample;
  Learner learner;
  std::vector<Split> splits; // one per repeat
  std::uint64_t seed = 0;
  bool binary = false;
};

void check_sizes(const Inputs& inputs) {
  const auto n = static_cast<std::size_t>(inputs.rows.x.rows());
  const auto fits = [n](std::size_t size) { return size == 0 || size == n; };
  bool fine = static_cast<std::size_t>(inputs.target.size()) == n && fits(inputs.person.size()) &&
              fits(inputs.rows.batch.size()) && fits(inputs.rows.is_reference.size());
  for (const Baseline& b : inputs.baselines)
    fine = fine && static_cast<std::size_t>(b.x.rows()) == n;
  if (!fine) throw Error(ErrorKind::internal, "penalised_regression: inputs of unequal length");
}

std::vector<double> distinct_targets(const Inputs& inputs) {
  std::set<double> values;
  for (const double y : inputs.target) {
    if (!std::isnan(y)) values.insert(y);
  }
  return {values.begin(), values.end()};
}

std::size_t n_people(const Sample& sample) {
  const std::set<int> people(sample.person.begin(), sample.person.end());
  return people.empty() ? static_cast<std::size_t>(sample.y.size()) : people.size();
}

// People with a row of the class; without person numbers every row is one.
std::size_t people_in_class(const Sample& sample, bool one) {
  std::set<int> people;
  for (Eigen::Index row = 0; row < sample.y.size(); ++row) {
    if ((sample.y[row] > 0.5) != one) continue;
    people.insert(sample.person.empty() ? static_cast<int>(row)
                                        : sample.person[static_cast<std::size_t>(row)]);
  }
  return people.size();
}

// People seen at more than one site: leaving out a site would leave them in the training rows.
std::size_t people_at_several_sites(const Sample& sample) {
  std::map<int, std::set<int>> sites;
  for (std::size_t row = 0; row < sample.person.size(); ++row) {
    sites[sample.person[row]].insert(sample.rows.batch[row]);
  }
  return static_cast<std::size_t>(std::count_if(
      sites.begin(), sites.end(), [](const auto& person) { return person.second.size() > 1; }));
}

// Why the analysis cannot be done, empty when it can.
std::string refusal(const Problem& problem, const Params& params) {
  const auto n = n_people(problem.sample);
  if (n < static_cast<std::size_t>(params.min_people)) {
    return std::to_string(n) + " people with a target and measures, expected at least " +
           std::to_string(params.min_people);
  }
  const Eigen::VectorXd& y = problem.sample.y;
  if (!(y.minCoeff() < y.maxCoeff())) return "the target has one value only";
  if (problem.binary) {
    const std::size_t fewer =
        std::min(people_in_class(problem.sample, false), people_in_class(problem.sample, true));
    if (fewer < static_cast<std::size_t>(params.min_per_class)) {
      return std::to_string(fewer) + " people in the smaller class, expected at least " +
             std::to_string(params.min_per_class);
    }
  }
  if (params.cv == "leave_site_out") {
    const std::set<int> sites(problem.sample.rows.batch.begin(), problem.sample.rows.batch.end());
    if (sites.size() < 2)
      return "leave_site_out needs at least two sites, found " + std::to_string(sites.size());
    const std::size_t travellers = people_at_several_sites(problem.sample);
    if (travellers > 0) {
      return "leave_site_out: " + std::to_string(travellers) +
             " people were seen at several sites and would be trained on and tested";
    }
  }
  return {};
}

std::vector<Split> outer_splits(const Problem& problem, const Params& params) {
  if (params.cv == "leave_site_out") return {cohort::leave_group_out(problem.sample.rows.batch)};
  std::vector<int> strata;
  if (problem.binary) {
    for (const double y : problem.sample.y) strata.push_back(y > 0.5 ? 1 : 0);
  }
  const int k = std::min(params.n_folds, static_cast<int>(n_people(problem.sample)));
  std::vector<Split> splits;
  for (int repeat = 0; repeat < params.n_repeats; ++repeat) {
    splits.push_back(cohort::k_fold(static_cast<std::size_t>(problem.sample.y.size()), k, strata,
                                    problem.sample.person,
                                    stream_seed(problem.seed, "outer", std::to_string(repeat))));
  }
  return splits;
}

Problem make_problem(const Inputs& inputs, const Params& params,
                     const std::vector<cohort::LearningStep>& steps, Outputs& out) {
  Problem problem;
  problem.seed = static_cast<std::uint64_t>(params.random_seed);
  const std::vector<double> values = distinct_targets(inputs);
  problem.binary =
      params.target_kind == "binary" || (params.target_kind == "auto" && values.size() == 2);
  if (problem.binary && values.size() > 2) {
    throw Error(ErrorKind::usage, "target: found " + std::to_string(values.size()) +
                                      " distinct values, expected two for a binary target");
  }
  if (values.empty()) {
    out.not_done = "nobody has a value of the target";
    return problem;
  }
  out.binary = problem.binary;
  out.class_value[0] = values.front();
  out.class_value[1] = values.back();
  out.y = inputs.target;
  if (problem.binary) {
    for (double& y : out.y) y = std::isnan(y) ? kNaN : (y == values.back() ? 1.0 : 0.0);
  }
  Sample all{inputs.rows, out.y, inputs.person};
  if (all.rows.names.empty()) {
    for (Eigen::Index c = 0; c < all.rows.x.cols(); ++c) {
      all.rows.names.push_back("x" + std::to_string(c));
    }
  }
  for (Eigen::Index row = 0; row < all.y.size(); ++row) {
    const bool measured = !all.rows.x.row(row).array().isNaN().all();
    // A row of no known site could come from the site that is left out.
    const bool placed = params.cv != "leave_site_out" || all.rows.batch.empty() ||
                        all.rows.batch[static_cast<std::size_t>(row)] >= 0;
    if (measured && placed && !std::isnan(all.y[row])) problem.used.push_back(row);
  }
  if (problem.used.empty()) {
    out.not_done = "nobody has both a target and a measure";
    return problem;
  }
  problem.sample = all.select(problem.used);
  problem.learner = {.steps = &steps,
                     .family = problem.binary ? Family::binomial : Family::gaussian,
                     .alphas = params.alphas,
                     .n_lambdas = params.n_lambdas,
                     .lambda_ratio = params.lambda_ratio,
                     .n_inner_folds = params.n_inner_folds};
  out.not_done = refusal(problem, params);
  if (out.not_done.empty()) problem.splits = outer_splits(problem, params);
  return problem;
}

// Rows shuffled among themselves: inside their site, or over all.
std::vector<Eigen::Index> shuffled(const Problem& problem, bool within_site, int permutation) {
  const auto n = static_cast<std::size_t>(problem.sample.y.size());
  std::map<int, std::vector<Eigen::Index>> groups;
  for (std::size_t row = 0; row < n; ++row) {
    groups[within_site ? problem.sample.rows.batch[row] : 0].push_back(
        static_cast<Eigen::Index>(row));
  }
  Random random(stream_seed(problem.seed, "permutation", std::to_string(permutation)));
  std::vector<Eigen::Index> out(n);
  for (const auto& [site, rows] : groups) {
    const std::vector<std::size_t> order = random.permutation(rows.size());
    for (std::size_t i = 0; i < rows.size(); ++i) {
      out[static_cast<std::size_t>(rows[i])] = rows[order[i]];
    }
  }
  return out;
}

void permutation_test(const Problem& problem, const Params& params, double observed, Outputs& out,
                      const Context& context) {
  const bool repeated_people = n_people(problem.sample) < problem.used.size();
  out.p_value = kNaN;
  out.permutation_kind = "none";
  if (params.n_permutations == 0 || repeated_people || std::isnan(observed)) return;
  const bool within = params.permute_within_site && !problem.sample.rows.batch.empty();
  out.permutation_kind = within ? "within_site" : "free";
  out.null.assign(static_cast<std::size_t>(params.n_permutations), kNaN);
  parallel_blocks(context, out.null.size(), 1, [&](std::size_t begin, std::size_t end) {
    for (std::size_t b = begin; b < end; ++b) {
      Sample sample = problem.sample;
      sample.rows = problem.sample.rows.select(shuffled(problem, within, static_cast<int>(b)));
      const auto held_out =
          cohort::cross_validate(problem.learner, sample, problem.splits[0], problem.seed, context);
      out.null[b] = cohort::primary_metric(problem.learner.family, sample.y, held_out.prediction);
      context.advance();
    }
  });
  // A permutation without a value counts against the claim.
  const auto reached = std::count_if(out.null.begin(), out.null.end(),
                                     [&](double value) { return !(value < observed); });
  out.p_value = static_cast<double>(1 + reached) / static_cast<double>(1 + out.null.size());
}

// Coefficients of the outer folds in the columns of the final model.
void summarize_coefficients(const std::vector<Trained>& folds, const Trained& final_model,
                            Outputs& out) {
  out.feature_names = final_model.names;
  out.coefficient = final_model.fit.beta;
  out.intercept = final_model.fit.intercept;
  out.alpha = final_model.alpha;
  out.lambda = final_model.lambda;
  const auto n_columns = static_cast<Eigen::Index>(final_model.names.size());
  Eigen::MatrixXd by_fold =
      Eigen::MatrixXd::Constant(static_cast<Eigen::Index>(folds.size()), n_columns, kNaN);
  for (std::size_t f = 0; f < folds.size(); ++f) {
    std::map<std::string, double> beta;
    for (std::size_t c = 0; c < folds[f].names.size() && folds[f].usable; ++c) {
      beta[folds[f].names[c]] = folds[f].fit.beta[static_cast<Eigen::Index>(c)];
    }
    for (Eigen::Index c = 0; c < n_columns; ++c) {
      const auto found = beta.find(final_model.names[static_cast<std::size_t>(c)]);
      if (found != beta.end()) by_fold(static_cast<Eigen::Index>(f), c) = found->second;
    }
  }
  out.coefficient_fold_mean.resize(n_columns);
  out.coefficient_fold_sd.resize(n_columns);
  for (Eigen::Index c = 0; c < n_columns; ++c) {
    const std::span<const double> column(by_fold.col(c).data(), folds.size());
    out.coefficient_fold_mean[c] = mean(column);
    out.coefficient_fold_sd[c] = standard_deviation(column);
  }
}

// Predictions of everyone: out of fold where a target is known, from the final model elsewhere.
void assemble_rows(const Inputs& inputs, const Params& params, const Problem& problem,
                   const cohort::RepeatedPredictions& held_out, const Trained& final_model,
                   Outputs& out) {
  const Eigen::Index n = inputs.target.size();
  cohort::Rows all = inputs.rows;
  if (all.names.empty()) all.names = problem.sample.rows.names;
  const cohort::Predicted everyone = cohort::predict(final_model, all);
  out.prediction = everyone.value;
  out.abstain.assign(static_cast<std::size_t>(n), 0);
  out.fold.setConstant(static_cast<Eigen::Index>(problem.splits.size()), n, -1);
  Eigen::VectorXd excess = everyone.distance.array() / final_model.largest_distance;
  for (std::size_t i = 0; i < problem.used.size(); ++i) {
    const Eigen::Index row = problem.used[i];
    out.prediction[row] = held_out.mean_prediction[static_cast<Eigen::Index>(i)];
    excess[row] = held_out.relative_distance[static_cast<Eigen::Index>(i)];
    for (std::size_t r = 0; r < problem.splits.size(); ++r) {
      out.fold(static_cast<Eigen::Index>(r), row) = problem.splits[r].fold[i];
    }
  }
  for (Eigen::Index row = 0; row < n; ++row) {
    const auto missing = inputs.rows.x.row(row).array().isNaN();
    if (missing.all()) out.prediction[row] = kNaN;
    const double share = static_cast<double>(missing.count()) / static_cast<double>(missing.size());
    const bool strange = !(excess[row] <= 1.0) || share > params.max_missing_share;
    out.abstain[static_cast<std::size_t>(row)] = strange || std::isnan(out.prediction[row]) ? 1 : 0;
  }
  Eigen::VectorXd known = Eigen::VectorXd::Constant(n, kNaN); // y of the rows that calibrate
  for (const Eigen::Index row : problem.used) known[row] = out.y[row];
  if (problem.binary) {
    out.set = cohort::conformal_set(known, out.prediction, params.alpha_interval);
  } else {
    const auto interval = cohort::conformal_interval(known, out.prediction, params.alpha_interval);
    out.lower = interval.lower;
    out.upper = interval.upper;
  }
}

} // namespace

Outputs run(const Inputs& inputs, const Params& params, const Context& context) {
  check_sizes(inputs);
  const std::vector<cohort::LearningStep> steps =
      inputs.steps.empty() ? default_steps() : inputs.steps;
  Outputs out;
  const Problem problem = make_problem(inputs, params, steps, out);
  if (!out.not_done.empty()) {
    Outputs refused;
    refused.not_done = out.not_done;
    return refused;
  }
  out.n_used = static_cast<int>(problem.used.size());
  const auto held_out = cohort::repeated_cross_validation(problem.learner, problem.sample,
                                                          problem.splits, problem.seed, context);
  const Trained final_model =
      cohort::train(problem.learner, problem.sample, stream_seed(problem.seed, "final"));
  if (!final_model.usable) {
    Outputs refused;
    refused.not_done = "no measure is left after imputation";
    return refused;
  }
  std::vector<cohort::NamedBaseline> baselines;
  for (const Baseline& b : inputs.baselines) {
    baselines.push_back({b.name, b.x(problem.used, Eigen::all)});
  }
  const cohort::Evaluation evaluation =
      cohort::evaluate(problem.learner.family, problem.sample, problem.splits, held_out, baselines);
  out.baseline_names = evaluation.baseline_names;
  for (const auto& m : evaluation.metrics) {
    out.metrics.push_back({m.name, m.value, m.lower, m.upper, m.baseline});
  }
  out.interval_method = evaluation.interval_method;
  summarize_coefficients(held_out.models, final_model, out);
  assemble_rows(inputs, params, problem, held_out, final_model, out);
  permutation_test(
      problem, params,
      cohort::primary_metric(problem.learner.family, problem.sample.y, held_out.by_repeat.col(0)),
      out, context);
  return out;
}

std::size_t peak_bytes(const Shape& shape, const Params& params) {
  const std::size_t copy = shape.n_rows * shape.n_columns * sizeof(double);
  const std::size_t gram = std::min<std::size_t>(shape.n_columns, 2000);
  const std::size_t models = static_cast<std::size_t>(params.n_repeats * params.n_folds);
  return 8 * 64 * copy + 64 * gram * gram * sizeof(double) +
         models * shape.n_columns * 4 * sizeof(double);
}

} // namespace boldmill::penalised_regression
