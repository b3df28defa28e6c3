// What a rule that gives everyone one of two arms is worth, from doubly robust scores.
#pragma once

#include <Eigen/Dense>
#include <vector>

#include "stages/cohort/kernels/effect_sizes.hpp"

namespace boldmill::cohort {

// Of n people in arms 0 and 1; out-of-fold predictions and probabilities.
struct ArmScores {
  Eigen::MatrixXd predicted; // n x 2, m_a
  Eigen::MatrixXd score;     // n x 2, G_a
};
// `y`: NaN where missing; `in_b`: 1 for arm 1; `e_b`: probability of arm 1; `present`: of an
// outcome given the arm received. Probabilities are raised to `least`.
[[nodiscard]] ArmScores arm_scores(const Eigen::VectorXd& y, const Eigen::VectorXd& in_b,
                                   const Eigen::MatrixXd& predicted, const Eigen::VectorXd& e_b,
                                   const Eigen::VectorXd& present, double least);

struct Estimate {
  double value = 0.0, se = 0.0;
  Bounds bounds;
};
// Mean with its normal interval.
[[nodiscard]] Estimate mean_estimate(const Eigen::VectorXd& values, double confidence);

struct PolicyValue {
  int n = 0;
  double share_b = 0.0;                                  // of people whom the rule gives arm b
  Estimate rule, all_a, all_b, gain_over_a, gain_over_b; // gains: positive is better
  Estimate effect_b;                                     // of b against a, positive is better
};
// `sign`: -1 when lower outcomes are better. The rule gives b where its prediction is better.
[[nodiscard]] PolicyValue policy_value(const ArmScores& scores, double sign, double confidence);

struct BenefitGroup {
  int n = 0;
  double predicted = 0.0; // mean benefit of b over a
  Estimate observed;
};
struct BenefitCalibration {
  Estimate intercept, slope;        // of observed on predicted benefit: 0 and 1 when calibrated
  std::vector<BenefitGroup> groups; // by predicted benefit, least first
};
[[nodiscard]] BenefitCalibration benefit_calibration(const ArmScores& scores, double sign,
                                                     int n_groups, double confidence);

} // namespace boldmill::cohort
