// Cross-validated prediction of one target from raw measures by a linear model: a continuous target
// by least squares, a binary one by its log-odds. Everything learned is learned inside the fold:
// the ordered `steps` (imputation, standardisation, ...) are refitted on the training rows of every
// outer and inner fold, an inner k-fold picks mixing and penalty. Outputs per person are
// out-of-fold; metrics come with an interval, a permutation null of the whole procedure, baselines
// and what is added to them. Equations, sources and departures: METHOD.md.
//   lower, upper, set: conformal, from the out-of-fold errors of the other rows (of a site left
//     out: of the other sites, which count alike); `guarantee` says for whom they hold.
//   abstain: the root mean square of the row's standardised inputs exceeds every training row's, or
//     more than max_missing_share of the measures that anybody in training has are missing.
// Rows that hold the same measures under different person numbers are treated as one person.
// Cost O(repeats folds inner n p lambdas).
#pragma once

#include <Eigen/Dense>
#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "stages/cohort/kernels/learning_step.hpp"
#include "stages/cohort/kernels/pooled_metric.hpp"
#include "stages/cohort/kernels/prediction_quality.hpp"
#include "stages/core/stage_info.hpp"

namespace boldmill::penalised_regression {

inline constexpr std::array<std::string_view, 7> kReferences{
    "Friedman 2010, Journal of Statistical Software, doi:10.18637/jss.v033.i01",
    "Nadeau 2003, Machine Learning, doi:10.1023/A:1024068626366",
    "DeLong 1988, Biometrics, doi:10.2307/2531595",
    "Vovk 2015, Annals of Mathematics and Artificial Intelligence, doi:10.1007/s10472-013-9368-4",
    "Dunn 2022, Journal of the American Statistical Association, doi:10.1080/01621459.2022.2060112",
    "Shen 2017, Nature Protocols, doi:10.1038/nprot.2016.178",
    "DerSimonian 1986, Controlled Clinical Trials, doi:10.1016/0197-2456(86)90046-2"};
inline constexpr StageInfo kStage{.name = "penalised_regression",
                                  .version = 5,
                                  .summary =
                                      "cross-validated prediction of a target by linear models",
                                  .references = kReferences};

struct Params {
  std::string target_kind = "auto";
  std::string model = "elastic_net";
  std::string cv = "k_fold";
  int n_folds = 10;
  int n_repeats = 5;
  int n_inner_folds = 5;
  std::vector<double> alphas = {0.0, 0.5, 1.0};
  int n_lambdas = 30;
  double lambda_ratio = 1e-3;
  std::vector<double> cpm_thresholds = {0.01};
  int n_biotypes = 6;
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
  auto& [target_kind, model, cv, n_folds, n_repeats, n_inner_folds, alphas, n_lambdas, lambda_ratio,
         cpm_thresholds, n_biotypes, n_permutations, permute_within_site, alpha_interval,
         max_missing_share, min_people, min_per_class, random_seed] = params;
  visit("target_kind", target_kind, "", "auto: two distinct values are binary, more are continuous",
        Limits::one_of({"auto", "continuous", "binary"}));
  visit("model", model, "",
        "elastic_net tries `alphas`, ridge is 0, lasso 1; svm: linear, binary targets; cpm: "
        "connectome-based predictive modelling; biotypes: ridge on the cluster of the row",
        Limits::one_of({"elastic_net", "ridge", "lasso", "svm", "cpm", "biotypes"}));
  visit("cv", cv, "",
        "k_fold: repeated, stratified for a binary target; leave_site_out; leave_study_out",
        Limits::one_of({"k_fold", "leave_site_out", "leave_study_out"}));
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
  visit("cpm_thresholds", cpm_thresholds, "", "p below which cpm takes a column",
        Limits::between(1e-12, 1.0));
  visit("n_biotypes", n_biotypes, "clusters", "of model biotypes", Limits::between(2, 100));
  visit("n_permutations", n_permutations, "",
        "refits of the whole procedure on shuffled rows; 0 is none", Limits::between(0, 1e6));
  visit("permute_within_site", permute_within_site, "", "shuffle rows inside their site only",
        Limits{});
  visit("alpha_interval", alpha_interval, "", "1 - coverage of prediction intervals and sets",
        Limits::between(0.001, 0.5));
  visit("max_missing_share", max_missing_share, "",
        "abstain for rows that lack a larger share of the measures with a value in training",
        Limits::between(0.0, 1.0));
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
// Parts of the cohort that are reported on their own: sites, sexes, age bands.
struct Grouping {
  std::string name;
  std::vector<std::string> level_names;
  std::vector<int> level; // N, -1 missing
};
struct Inputs {
  cohort::Rows rows;      // N raw measures; a column missing for everyone is left out
  Eigen::VectorXd target; // N, NaN missing: predicted when measures are there, never learned from
  std::vector<int> site;  // N, -1 missing: left out by leave_site_out, kept by permutations; empty:
                          // unknown. rows.batch is what harmonisation takes out, whatever that is
  // N, rows of one person share a fold; empty: rows are people. With leave_site_out nobody may have
  // rows at several sites, and rows without a site are predicted, never learned from.
  std::vector<int> person;
  std::vector<int> study;                  // N, -1 missing; for leave_study_out
  std::vector<Baseline> baselines;         // "mean" and, of several, "joint" are always computed
  std::vector<cohort::LearningStep> steps; // empty: those of default_steps()
  std::vector<Grouping> groupings;         // one named "site" is pooled
  std::map<std::string, std::string> feature_group; // column to circuit; empty: no contributions
};

struct Metric {
  std::string name;                // "r", "R2", "MAE" or "AUC", "balanced_accuracy", "Brier"
  double value = 0.0;              // of the pooled out-of-fold predictions, mean over repeats
  double lower = 0.0, upper = 0.0; // 95 %, NaN with fewer than four usable folds; of the AUC over
                                   // repeats: see kernels/cross_validated_auc
  std::vector<double> baseline;    // the same metric of each baseline, in Outputs::baseline_names
};
// What the model adds to all baselines together, in the primary metric of the first repeat.
struct Increment {
  std::string over; // names of the baselines, empty: none were given
  double baseline = 0.0, together = 0.0, difference = 0.0;
  std::vector<double> null; // of the difference, imaging rows permuted, covariates kept
  double p_value = 1.0;     // NaN without permutations
};
struct GroupResult {
  std::string grouping, level; // e.g. "site", "NYU"
  cohort::MetricInGroup metric;
};
struct Outputs {
  std::string not_done; // the reason; everything below is then empty
  bool binary = false;
  double class_value[2] = {0.0, 0.0}; // values of the target that mean 0 and 1
  Eigen::VectorXd y;                  // N, as 0/1 for binary, NaN missing
  Eigen::VectorXd prediction;         // N, mean over repeats; for binary the probability of class 1
  Eigen::VectorXd lower, upper;       // N, continuous only
  Eigen::Array<std::uint8_t, Eigen::Dynamic, 2> set; // N x 2, binary only
  std::string guarantee;                             // for whom lower, upper and set hold
  Eigen::VectorXd distance;          // N, over that of the furthest training row; 1 is the limit
  std::vector<std::uint8_t> abstain; // N
  std::vector<std::string> abstain_reason;     // N, "" where it does not
  std::vector<std::string> contribution_names; // circuits
  Eigen::MatrixXd contribution;           // N x circuits, of b0 + X b; of a binary target log-odds
  Eigen::MatrixXi fold;                   // repeats x N, -1 for rows without a target
  std::vector<std::string> feature_names; // columns left after the steps
  Eigen::VectorXd coefficient;            // of the model refitted on all rows, standardised inputs
  Eigen::VectorXd coefficient_fold_mean, coefficient_fold_sd; // over the outer folds
  double intercept = 0.0, alpha = 0.0, lambda = 0.0;          // of that model
  std::vector<std::string> baseline_names;
  std::vector<Metric> metrics; // the first is the primary one
  std::string interval_method;
  std::string permutation_kind; // "within_site", "any_signal" or "none"
  std::vector<double> null;     // primary metric under permutation
  double p_value = 1.0;         // NaN without permutations
  Increment increment;
  std::vector<GroupResult> groups;
  cohort::PooledMetric pooled_sites;
  cohort::CalibrationLine calibration;
  std::vector<cohort::CalibrationBin> calibration_curve;
  std::vector<cohort::DecisionPoint> decision_curve; // binary only
  int n_used = 0;                                    // rows with a target
  int n_copies = 0; // rows that equal another person's in every measure
};
// Too few people, one class, no target, no site, svm of a continuous target: Outputs::not_done with
// the reason. Throws usage: a target of kind binary with other than two values; internal: sizes
// that differ.
[[nodiscard]] Outputs run(const Inputs& inputs, const Params& params, const Context& context);

// Median imputation, then standardisation against the training rows.
[[nodiscard]] std::vector<cohort::LearningStep> default_steps();

struct Shape {
  std::size_t n_rows = 0, n_columns = 0;
};
[[nodiscard]] std::size_t peak_bytes(const Shape& shape, const Params& params);

} // namespace boldmill::penalised_regression
