// Cross-validated elastic net of one target on raw measures: linear for a continuous target,
// logistic for a binary one. Everything learned is learned inside the fold: the ordered `steps`
// (imputation, standardisation, ...) are refitted on the training rows of every outer and inner
// fold, an inner k-fold picks alpha and lambda (smallest mean deviance). Outputs per person are
// out-of-fold; metrics come with an interval, a permutation null of the whole procedure, and
// baselines.
//   interval: corrected repeated cross-validation, value +- t_{J-1} sqrt((1/J + n_test/n_train)
//   s^2)
//     over the J folds' values (Nadeau & Bengio 2003, doi:10.1023/A:1024068626366)
//   permutation: the imaging rows are shuffled against target, site and folds; everything refitted;
//     p = (1 + #{null >= observed}) / (B + 1) for the primary metric (r, AUC). Within sites when
//     sites are given and permute_within_site, otherwise it tests any signal, site included.
//   lower, upper: prediction -+ the (1 - a)(n + 1)-th smallest out-of-fold absolute residual of the
//     other rows (cross-conformal, Vovk 2015, doi:10.1007/s10472-013-9368-4: coverage >= 1 - 2a, in
//     practice 1 - a). Binary: a label enters the set unless 1 - p(label) exceeds that quantile
//     among the other rows of that label.
//   abstain: the root mean square of the row's standardised inputs exceeds every training row's, or
//     more than max_missing_share of its measures are missing.
// Elastic net: Friedman 2010, doi:10.18637/jss.v033.i01. Cost O(repeats folds inner n p lambdas).
#pragma once

#include <Eigen/Dense>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "stages/cohort/kernels/learning_step.hpp"
#include "stages/core/stage_info.hpp"

namespace boldmill::penalised_regression {

inline constexpr std::array<std::string_view, 3> kReferences{
    "Friedman 2010, Journal of Statistical Software, doi:10.18637/jss.v033.i01",
    "Nadeau 2003, Machine Learning, doi:10.1023/A:1024068626366",
    "Vovk 2015, Annals of Mathematics and Artificial Intelligence, doi:10.1007/s10472-013-9368-4"};
inline constexpr StageInfo kStage{.name = "penalised_regression",
                                  .version = 2,
                                  .summary =
                                      "cross-validated prediction of a target by elastic net",
                                  .references = kReferences};

struct Params {
  std::string target_kind = "auto";
  std::string cv = "k_fold";
  int n_folds = 10;
  int n_repeats = 5;
  int n_inner_folds = 5;
  std::vector<double> alphas = {0.0, 0.5, 1.0};
  int n_lambdas = 30;
  double lambda_ratio = 1e-3;
  int n_permutations = 199;
  bool permute_within_site = true;
  double alpha_interval = 0.1;
  double max_missing_share = 0.5;
  int min_people = 20;
  int min_per_class = 8;
  int random_seed = 1;
  bool operator==(const Params&) const = default;
};
template <class P, class F>
void for_each_field(P& params, F&& visit) {
  auto& [target_kind, cv, n_folds, n_repeats, n_inner_folds, alphas, n_lambdas, lambda_ratio,
         n_permutations, permute_within_site, alpha_interval, max_missing_share, min_people,
         min_per_class, random_seed] = params;
  visit("target_kind", target_kind, "", "auto: two distinct values are binary, more are continuous",
        Limits::one_of({"auto", "continuous", "binary"}));
  visit("cv", cv, "", "k_fold: repeated, stratified for a binary target; leave_site_out",
        Limits::one_of({"k_fold", "leave_site_out"}));
  visit("n_folds", n_folds, "", "outer folds of k_fold", Limits::between(2, 1000));
  visit("n_repeats", n_repeats, "", "repetitions of k_fold with other folds",
        Limits::between(1, 1000));
  visit("n_inner_folds", n_inner_folds, "", "inner folds that pick alpha and lambda",
        Limits::between(2, 100));
  visit("alphas", alphas, "", "mixings tried: 0 ridge, 1 lasso", Limits::between(0.0, 1.0));
  visit("n_lambdas", n_lambdas, "", "penalties tried per mixing", Limits::between(2, 1000));
  visit("lambda_ratio", lambda_ratio, "",
        "smallest penalty over the lasso penalty that zeroes everything",
        Limits::between(1e-8, 0.9));
  visit("n_permutations", n_permutations, "",
        "refits of the whole procedure on shuffled rows; 0 is none", Limits::between(0, 1e6));
  visit("permute_within_site", permute_within_site, "", "shuffle rows inside their site only",
        Limits{});
  visit("alpha_interval", alpha_interval, "", "1 - coverage of prediction intervals and sets",
        Limits::between(0.001, 0.5));
  visit("max_missing_share", max_missing_share, "",
        "abstain for rows with a larger share of missing measures", Limits::between(0.0, 1.0));
  visit("min_people", min_people, "people", "not done with fewer people with a target",
        Limits::between(4, 1e6));
  visit("min_per_class", min_per_class, "people", "not done with fewer people in a class",
        Limits::between(2, 1e6));
  visit("random_seed", random_seed, "", "seed of folds and permutations", Limits::between(0, 2e9));
}

// A competitor that sees no imaging: its columns are one-hot or numeric, NaN missing.
struct Baseline {
  std::string name;  // e.g. "age_sex", "site", "mean_fd"
  Eigen::MatrixXd x; // N x q
};
struct Inputs {
  cohort::Rows rows;      // N raw measures; a column missing for everyone is left out
  Eigen::VectorXd target; // N, NaN missing: predicted when measures are there, never learned from
  // N, rows of one person share a fold; empty: rows are people. With leave_site_out nobody may have
  // rows at several sites, and rows without a site are predicted, never learned from.
  std::vector<int> person;
  std::vector<Baseline> baselines;         // "mean" is always computed
  std::vector<cohort::LearningStep> steps; // empty: those of default_steps()
};

struct Metric {
  std::string name;                // "r", "R2", "MAE" or "AUC", "balanced_accuracy", "Brier"
  double value = 0.0;              // of the pooled out-of-fold predictions, mean over repeats
  double lower = 0.0, upper = 0.0; // 95 %, NaN with fewer than two usable folds
  std::vector<double> baseline;    // the same metric of each baseline, in Outputs::baseline_names
};
struct Outputs {
  std::string not_done; // the reason; everything below is then empty
  bool binary = false;
  double class_value[2] = {0.0, 0.0}; // values of the target that mean 0 and 1
  Eigen::VectorXd y;                  // N, as 0/1 for binary, NaN missing
  Eigen::VectorXd prediction;         // N, mean over repeats; for binary the probability of class 1
  Eigen::VectorXd lower, upper;       // N, continuous only
  Eigen::Array<std::uint8_t, Eigen::Dynamic, 2> set; // N x 2, binary only
  std::vector<std::uint8_t> abstain;                 // N
  Eigen::MatrixXi fold;                              // repeats x N, -1 for rows without a target
  std::vector<std::string> feature_names;            // columns left after the steps
  Eigen::VectorXd coefficient; // of the model refitted on all rows, standardised inputs
  Eigen::VectorXd coefficient_fold_mean, coefficient_fold_sd; // over the outer folds
  double intercept = 0.0, alpha = 0.0, lambda = 0.0;          // of that model
  std::vector<std::string> baseline_names;
  std::vector<Metric> metrics; // the first is the primary one
  std::string interval_method;
  std::string permutation_kind; // "within_site", "free" or "none"
  std::vector<double> null;     // primary metric under permutation
  double p_value = 1.0;         // NaN without permutations
  int n_used = 0;               // rows with a target
};
// Too few people, one class, no target, no site: Outputs::not_done with the reason. Throws usage: a
// target of kind binary with other than two values; internal: sizes that differ.
[[nodiscard]] Outputs run(const Inputs& inputs, const Params& params, const Context& context);

// Median imputation, then standardisation against the training rows.
[[nodiscard]] std::vector<cohort::LearningStep> default_steps();

struct Shape {
  std::size_t n_rows = 0, n_columns = 0;
};
[[nodiscard]] std::size_t peak_bytes(const Shape& shape, const Params& params);

} // namespace boldmill::penalised_regression
