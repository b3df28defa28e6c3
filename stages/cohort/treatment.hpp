// Outcomes of treatments: what the arms of a study did, for whom, and whether a rule that gives
// each person an arm would have done better. A row is one person at the index session; arms are
// compared inside one study only.
//   tables: by arm and biotype, as published (see kernels/treatment_tables)
//   interactions: outcome ~ 1 + baseline + covariates + T + x + T x over the rows of two arms, for
//     each tested x, and for biotypes together; complete cases with classical errors, and weighted
//     by 1 / P(outcome present | baseline, covariates, T) with HC3 errors
//   policies, of randomised studies or with a declared propensity model: cross-fitted AIPW scores
//     G_a = m_a + 1{A = a} R (y - m_a) / (e_a pi_a)  (Robins 1994,
//     doi:10.1080/01621459.1994.10476818; Chernozhukov 2018, doi:10.1111/ectj.12097)
//     m_a: ridge of the outcome on predictors, baseline and covariates among the arm's people of
//     the training folds; pi: logistic, of the training folds; e: share of the arm, or logistic.
//     The rule gives the arm with the better m. value = mean of G of the rule's arm, its error from
//     the SD of G. calibration: G_b - G_a on m_b - m_a, by regression and in groups.
//   by_arm: m_a of everybody, out of fold; the interval is for the arm received (conformal).
// Cost O(folds arms n p min(n, p)).
#pragma once

#include <Eigen/Dense>
#include <array>
#include <cstddef>
#include <string>
#include <vector>

#include "stages/cohort/kernels/learning_step.hpp"
#include "stages/cohort/kernels/policy.hpp"
#include "stages/cohort/kernels/treatment_tables.hpp"
#include "stages/core/stage_info.hpp"

namespace boldmill::treatment {

inline constexpr std::array<std::string_view, 4> kReferences{
    "Robins 1994, Journal of the American Statistical Association, "
    "doi:10.1080/01621459.1994.10476818",
    "Chernozhukov 2018, Econometrics Journal, doi:10.1111/ectj.12097",
    "Athey 2021, Econometrica, doi:10.3982/ECTA15732",
    "Tozzi 2024, Nature Medicine, doi:10.1038/s41591-024-03057-9"};
inline constexpr StageInfo kStage{.name = "treatment",
                                  .version = 2,
                                  .summary = "outcomes by arm and biotype, interactions, and the "
                                             "value of treatment rules",
                                  .references = kReferences};

struct Params {
  std::string better = "lower";
  double response_change = -0.5;
  double remission_at = -1.0;
  std::string propensity = "randomised";
  int n_folds = 5;
  double min_probability = 0.05;
  int n_benefit_groups = 4;
  double confidence = 0.95;
  double alpha_interval = 0.1;
  int min_per_arm = 20;
  int random_seed = 1;
  bool operator==(const Params&) const = default;
};
template <class P, class F>
void for_each_field(P& params, F&& visit) {
  auto& [better, response_change, remission_at, propensity, n_folds, min_probability,
         n_benefit_groups, confidence, alpha_interval, min_per_arm, random_seed] = params;
  visit("better", better, "", "which outcomes are better", Limits::one_of({"lower", "higher"}));
  visit("response_change", response_change, "",
        "response: a relative change from baseline below this", Limits::between(-1.0, 0.0));
  visit("remission_at", remission_at, "units of the outcome",
        "remission: an outcome of at most this; negative: not looked at", Limits::at_least(-1.0));
  visit("propensity", propensity, "",
        "where rules are evaluated: in randomised studies, or everywhere with a logistic model of "
        "the arm, which must hold all that led to it",
        Limits::one_of({"randomised", "model"}));
  visit("n_folds", n_folds, "", "folds of the outcome models", Limits::between(2, 100));
  visit("min_probability", min_probability, "",
        "smaller probabilities of an arm or an outcome are raised to this",
        Limits::between(1e-6, 0.5));
  visit("n_benefit_groups", n_benefit_groups, "", "groups of predicted benefit",
        Limits::between(2, 20));
  visit("confidence", confidence, "", "of the intervals of estimates", Limits::between(0.5, 0.999));
  visit("alpha_interval", alpha_interval, "", "1 - coverage of a person's interval",
        Limits::between(0.001, 0.5));
  visit("min_per_arm", min_per_arm, "people", "arms with fewer outcomes are not modelled",
        Limits::between(5, 1e6));
  visit("random_seed", random_seed, "", "seed of the folds", Limits::between(0, 2e9));
}

struct Inputs {
  cohort::Rows rows;                 // N x p raw predictors, NaN missing; may have no columns
  Eigen::VectorXd outcome, baseline; // N, NaN missing; baseline may be empty
  Eigen::MatrixXd covariates;        // N x q beside the baseline
  std::vector<int> study, arm;       // N, -1 none
  std::vector<std::string> study_name, arm_name;
  std::vector<std::uint8_t> randomised; // of each study
  Eigen::VectorXd day; // N, day of the predictors, 0 the start of treatment; or empty: not checked
  std::vector<int> person;  // N, or empty: rows are people; of a person the first row counts
  std::vector<int> biotype; // N, -1 none; or empty
  std::vector<std::string> biotype_name;
  Eigen::MatrixXd tested; // N x m of interactions
  std::vector<std::string> tested_name;
  // Of rows with baseline and covariates, and of these two alone; refitted in every training fold.
  std::vector<cohort::LearningStep> steps;
  std::vector<std::array<int, 2>> contrasts; // pairs of arms; empty: all pairs inside studies
};

struct Interaction {
  int study = 0, arm_a = 0, arm_b = 0;
  std::string predictor, analysis; // "complete_case" or "weighted"; "biotype" of all clusters
  int n = 0;
  double beta = 0.0, se = 0.0; // of arm_b times a unit of the predictor; NaN for biotype
  cohort::Bounds bounds;
  double f = 0.0, df1 = 0.0, df2 = 0.0, p = 0.0, q = 0.0; // q: over predictors of one analysis
};
struct Missingness {
  int study = 0, arm = 0, n = 0, n_observed = 0;
  double outcome_mean = 0.0, weighted_mean = 0.0; // of complete cases, and weighted
};
struct Policy {
  int study = 0, arm_a = 0, arm_b = 0;
  std::string reason; // why not evaluated, else ""
  std::string propensity;
  cohort::PolicyValue value;
  cohort::BenefitCalibration calibration;
};
struct Outputs {
  std::vector<std::string> left_out; // N, why a row takes no part; "" when it does
  std::vector<cohort::PublishedRow> published;
  std::vector<Missingness> missingness;
  std::vector<Interaction> interactions;
  std::vector<Policy> policies;
  Eigen::MatrixXd by_arm;       // N x arms, NaN: not of the person's study, or not modelled
  Eigen::VectorXd lower, upper; // N, of the outcome under the arm received
  std::vector<int> fold;        // N, of the person's study; -1 without
  std::vector<int> recommended; // N, arm of the rule, -1: no rule (two arms of one study only)
};
// Throws usage: a contrast of arms that no study has both of; internal: sizes that differ.
[[nodiscard]] Outputs run(const Inputs& inputs, const Params& params, const Context& context);

struct Shape {
  std::size_t n_rows = 0, n_columns = 0;
};
[[nodiscard]] std::size_t peak_bytes(const Shape& shape, const Params& params);

} // namespace boldmill::treatment
