// A randomised study with a known interaction, for the test and the benchmark of treatment.
//   y = 8 + 0.4 baseline - T (1 + 5 effect x_1) + 5 e,  x_1..x_5, e standard normal, T by lot
// so `effect` is the interaction in residual SD per SD of x_1; lower is better. About a fifth of
// the outcomes are missing, more often at a high baseline.
#pragma once

#include <Eigen/Dense>
#include <cmath>
#include <limits>
#include <numbers>
#include <string>

#include "stages/cohort/kernels/distributions.hpp"
#include "stages/cohort/kernels/regression.hpp"
#include "stages/cohort/treatment.hpp"
#include "stages/core/random.hpp"

namespace boldmill::treatment {

inline Inputs simulated_study(int n, double effect, std::uint64_t seed) {
  Random random(stream_seed(seed, "treatment simulation"));
  Inputs in;
  in.rows.x.resize(n, 5);
  in.baseline.resize(n);
  in.outcome.resize(n);
  in.covariates.resize(n, 0);
  in.study_name = {"trial"};
  in.arm_name = {"a", "b"};
  in.randomised = {1};
  in.study.assign(static_cast<std::size_t>(n), 0);
  for (int i = 0; i < n; ++i) {
    for (int c = 0; c < 5; ++c) in.rows.x(i, c) = random.normal();
    in.baseline[i] = 20.0 + 5.0 * random.normal();
    const bool b = random.uniform() < 0.5;
    in.arm.push_back(b ? 1 : 0);
    in.outcome[i] = 8.0 + 0.4 * in.baseline[i] - (b ? 1.0 + 5.0 * effect * in.rows.x(i, 0) : 0.0) +
                    5.0 * random.normal();
    const double missing = 1.0 / (1.0 + std::exp(1.5 - 0.08 * (in.baseline[i] - 20.0)));
    if (random.uniform() < missing) in.outcome[i] = std::numeric_limits<double>::quiet_NaN();
  }
  in.rows.names = {"x1", "x2", "x3", "x4", "x5"};
  in.tested = in.rows.x;
  in.tested_name = in.rows.names;
  return in;
}

// Mean outcome of the population under the rules of the folds: each is linear in x and baseline, so
// it is found exactly from its own people, and its value in closed form.
inline double true_rule_value(const Inputs& in, const Outputs& out, double effect) {
  double sum = 0.0;
  double people = 0.0;
  for (int fold = 0; fold < 5; ++fold) {
    std::vector<Eigen::Index> rows;
    for (std::size_t i = 0; i < out.fold.size(); ++i) {
      if (out.fold[i] == fold) rows.push_back(static_cast<Eigen::Index>(i));
    }
    Eigen::MatrixXd design(static_cast<Eigen::Index>(rows.size()), 7);
    design.col(0).setOnes();
    design.middleCols(1, 5) = in.rows.x(rows, Eigen::all);
    design.col(6) = (in.baseline(rows).array() - 20.0) / 5.0;
    const Eigen::VectorXd benefit = out.by_arm.col(0)(rows) - out.by_arm.col(1)(rows);
    const auto fit = cohort::linear_fit(design, benefit, {}, cohort::Errors::classical);
    const double sd = fit.beta.tail(6).norm();
    const double at = fit.beta[0] / sd;
    const double density = std::exp(-0.5 * at * at) / std::sqrt(2.0 * std::numbers::pi);
    const double gain = cohort::normal_tail(-at) + 5.0 * effect * fit.beta[1] / sd * density;
    sum += static_cast<double>(rows.size()) * (16.0 - gain);
    people += static_cast<double>(rows.size());
  }
  return sum / people;
}

struct SimulationSummary {
  double power = 0.0;           // of the complete-case interaction with x_1 at 5 %
  double false_positives = 0.0; // of those with x_2..x_5
  double covered_rule = 0.0;    // by the interval of the rule's value
  double covered_effect = 0.0;  // of b against a, true value 1
  double covered_all_b = 0.0;   // true value 15
};
inline SimulationSummary simulate_studies(int n_cohorts, int n, double effect,
                                          const Context& context) {
  SimulationSummary sum;
  const auto inside = [](const cohort::Bounds& bounds, double truth) {
    return bounds.lower <= truth && truth <= bounds.upper ? 1.0 : 0.0;
  };
  for (int cohort = 0; cohort < n_cohorts; ++cohort) {
    const Inputs in = simulated_study(n, effect, static_cast<std::uint64_t>(cohort) + 1);
    const Outputs out = run(in, {.min_per_arm = 10}, context);
    for (const Interaction& one : out.interactions) {
      if (one.analysis != "complete_case") continue;
      const double found = one.p <= 0.05 ? 1.0 : 0.0;
      (one.predictor == "x1" ? sum.power : sum.false_positives) +=
          one.predictor == "x1" ? found : found / 4.0;
    }
    const cohort::PolicyValue& value = out.policies.front().value;
    sum.covered_rule += inside(value.rule.bounds, true_rule_value(in, out, effect));
    sum.covered_effect += inside(value.effect_b.bounds, 1.0);
    sum.covered_all_b += inside(value.all_b.bounds, 15.0);
  }
  for (double* share : {&sum.power, &sum.false_positives, &sum.covered_rule, &sum.covered_effect,
                        &sum.covered_all_b}) {
    *share /= n_cohorts;
  }
  return sum;
}

} // namespace boldmill::treatment
