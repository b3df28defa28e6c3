#include "stages/cohort/prediction_problem.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <map>
#include <set>

#include "stages/cohort/kernels/biotype_membership.hpp"
#include "stages/core/random.hpp"

namespace boldmill::penalised_regression {
namespace {

using cohort::Family;
using cohort::Sample;
using cohort::Split;

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

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

// People seen in more than one site or study: leaving one out would leave them in the training
// rows.
std::size_t people_in_several(const std::vector<int>& person, const std::vector<int>& group) {
  std::map<int, std::set<int>> sites;
  for (std::size_t row = 0; row < person.size(); ++row) sites[person[row]].insert(group[row]);
  return static_cast<std::size_t>(std::count_if(
      sites.begin(), sites.end(), [](const auto& found) { return found.second.size() > 1; }));
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
  if (params.model == "svm" && !problem.binary) return "svm needs a binary target";
  if (params.cv != "k_fold") {
    const std::string unit = params.cv == "leave_site_out" ? "site" : "study";
    const std::string units = unit == "site" ? "sites" : "studies";
    const std::set<int> found(problem.left_out_by.begin(), problem.left_out_by.end());
    if (found.size() < 2) {
      return params.cv + " needs at least two " + units + ", found " + std::to_string(found.size());
    }
    const std::size_t travellers = people_in_several(problem.sample.person, problem.left_out_by);
    if (travellers > 0) {
      return params.cv + ": " + std::to_string(travellers) + " people were seen at several " +
             units + " and would be trained on and tested";
    }
  }
  return {};
}

std::vector<Split> outer_splits(const Problem& problem, const Params& params) {
  if (params.cv != "k_fold") return {cohort::leave_group_out(problem.left_out_by)};
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

void set_learner(const Params& params, const std::vector<cohort::LearningStep>& steps,
                 Problem& problem) {
  problem.learner = {.steps = &steps,
                     .model = params.model == "svm"   ? cohort::Model::svm
                              : params.model == "cpm" ? cohort::Model::connectome
                                                      : cohort::Model::elastic_net,
                     .family = problem.binary ? Family::binomial : Family::gaussian,
                     .alphas = params.alphas,
                     .n_lambdas = params.n_lambdas,
                     .lambda_ratio = params.lambda_ratio,
                     .thresholds = params.cpm_thresholds,
                     .n_inner_folds = params.n_inner_folds};
  if (params.model == "ridge" || params.model == "biotypes") problem.learner.alphas = {0.0};
  if (params.model == "lasso") problem.learner.alphas = {1.0};
  if (params.model != "biotypes") return;
  problem.recode = cohort::biotype_membership(params.n_biotypes);
  problem.learner.recode = &problem.recode;
}

// Site or study of each input row, empty when unknown.
const std::vector<int>& groups_to_leave_out(const Inputs& inputs, const Params& params) {
  return params.cv == "leave_study_out" ? inputs.study : inputs.site;
}

// Rows with a target and a measure and, where a site or study is left out, one that is known: a row
// without could come from the one left out.
void choose_rows(const Inputs& inputs, const Params& params, const Outputs& out, Problem& problem) {
  const std::vector<int>& group = groups_to_leave_out(inputs, params);
  for (Eigen::Index row = 0; row < out.y.size(); ++row) {
    const bool measured = !inputs.rows.x.row(row).array().isNaN().all();
    const bool placed =
        params.cv == "k_fold" || group.empty() || group[static_cast<std::size_t>(row)] >= 0;
    if (measured && placed && !std::isnan(out.y[row])) problem.used.push_back(row);
  }
}

} // namespace

void check_sizes(const Inputs& inputs) {
  const auto n = static_cast<std::size_t>(inputs.rows.x.rows());
  const auto fits = [n](std::size_t size) { return size == 0 || size == n; };
  bool fine = static_cast<std::size_t>(inputs.target.size()) == n && fits(inputs.person.size()) &&
              fits(inputs.study.size()) && fits(inputs.site.size()) &&
              fits(inputs.rows.batch.size()) && fits(inputs.rows.is_reference.size());
  for (const Baseline& b : inputs.baselines)
    fine = fine && static_cast<std::size_t>(b.x.rows()) == n;
  if (!fine) throw Error(ErrorKind::internal, "penalised_regression: inputs of unequal length");
}

void make_problem(const Inputs& inputs, const Params& params,
                  const std::vector<cohort::LearningStep>& steps, Problem& problem, Outputs& out) {
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
    return;
  }
  out.binary = problem.binary;
  out.class_value[0] = values.front();
  out.class_value[1] = values.back();
  out.y = inputs.target;
  if (problem.binary) {
    for (double& y : out.y) y = std::isnan(y) ? kNaN : (y == values.back() ? 1.0 : 0.0);
  }
  choose_rows(inputs, params, out, problem);
  if (problem.used.empty()) {
    out.not_done = "nobody has both a target and a measure";
    return;
  }
  problem.sample = Sample{inputs.rows, out.y, inputs.person}.select(problem.used);
  if (problem.sample.rows.names.empty()) {
    for (Eigen::Index c = 0; c < problem.sample.rows.x.cols(); ++c) {
      problem.sample.rows.names.push_back("x" + std::to_string(c));
    }
  }
  cohort::People people = cohort::join_copies(problem.sample.rows.x, problem.sample.person);
  problem.sample.person = std::move(people.person);
  out.n_copies = people.n_copies;
  for (const Eigen::Index row : problem.used) {
    const std::vector<int>& group = groups_to_leave_out(inputs, params);
    if (!group.empty()) problem.left_out_by.push_back(group[static_cast<std::size_t>(row)]);
    if (!inputs.site.empty()) problem.site.push_back(inputs.site[static_cast<std::size_t>(row)]);
  }
  set_learner(params, steps, problem);
  out.not_done = refusal(problem, params);
  if (out.not_done.empty()) problem.splits = outer_splits(problem, params);
}

std::vector<Eigen::Index> shuffled(const Problem& problem, bool within_site, int permutation) {
  const auto n = static_cast<std::size_t>(problem.sample.y.size());
  std::map<int, std::vector<Eigen::Index>> rows_of_person;
  for (std::size_t row = 0; row < n; ++row) {
    rows_of_person[problem.sample.person[row]].push_back(static_cast<Eigen::Index>(row));
  }
  // People who may change places: the same sites and batches, visit by visit, or as many visits.
  const std::vector<int>& batch = problem.sample.rows.batch;
  std::map<std::vector<std::array<int, 2>>, std::vector<const std::vector<Eigen::Index>*>> alike;
  for (const auto& [person, rows] : rows_of_person) {
    std::vector<std::array<int, 2>> key;
    for (const Eigen::Index row : rows) {
      const auto at = static_cast<std::size_t>(row);
      key.push_back(
          {within_site ? problem.site[at] : 0, within_site && !batch.empty() ? batch[at] : 0});
    }
    alike[key].push_back(&rows);
  }
  Random random(stream_seed(problem.seed, "permutation", std::to_string(permutation)));
  std::vector<Eigen::Index> out(n);
  for (const auto& [key, people] : alike) {
    const std::vector<std::size_t> order = random.permutation(people.size());
    for (std::size_t i = 0; i < people.size(); ++i) {
      for (std::size_t visit = 0; visit < key.size(); ++visit) {
        out[static_cast<std::size_t>((*people[i])[visit])] = (*people[order[i]])[visit];
      }
    }
  }
  return out;
}

} // namespace boldmill::penalised_regression
