#include "stages/cohort/treatment.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <set>

#include "stages/cohort/kernels/conformal.hpp"
#include "stages/cohort/treatment_parts.hpp"

namespace boldmill::treatment {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
using Index = Eigen::Index;

void check_sizes(const Inputs& in) {
  const Index n = in.outcome.size();
  const auto fits = [n](auto size, bool may_lack) {
    return (may_lack && size == 0) || static_cast<Index>(size) == n;
  };
  const bool fine =
      fits(in.rows.x.rows(), in.rows.x.cols() == 0) && fits(in.baseline.size(), true) &&
      fits(in.covariates.rows(), in.covariates.cols() == 0) && fits(in.study.size(), false) &&
      fits(in.arm.size(), false) && fits(in.day.size(), true) && fits(in.person.size(), true) &&
      fits(in.biotype.size(), true) && fits(in.tested.rows(), in.tested_name.empty()) &&
      in.randomised.size() == in.study_name.size();
  if (!fine) throw Error(ErrorKind::internal, "treatment: inputs that do not fit");
}

std::vector<std::string> reasons(const Inputs& in) {
  std::vector<std::string> out;
  std::set<int> seen;
  for (Index row = 0; row < in.outcome.size(); ++row) {
    const auto r = static_cast<std::size_t>(row);
    std::string why;
    if (in.study[r] < 0 || in.arm[r] < 0) {
      why = "no study or arm";
    } else if (in.day.size() > 0 && std::isnan(in.day[row])) {
      why = "the day of the predictors is not known";
    } else if (in.day.size() > 0 && in.day[row] > 0.0) {
      why = "predictors of day " + std::to_string(static_cast<int>(std::ceil(in.day[row]))) +
            ", after the start of treatment";
    } else if (in.baseline.size() > 0 && std::isnan(in.baseline[row])) {
      why = "no baseline";
    } else if (!in.person.empty() && !seen.insert(in.person[r]).second) {
      why = "another row of the person counts";
    }
    out.push_back(why);
  }
  return out;
}

// Only arms that one study has both of are compared.
std::vector<std::array<int, 2>> contrasts_of(const Inputs& in,
                                             const std::map<int, std::set<int>>& arms) {
  for (const auto& [a, b] : in.contrasts) {
    const bool shared = std::any_of(arms.begin(), arms.end(), [a = a, b = b](const auto& study) {
      return study.second.contains(a) && study.second.contains(b);
    });
    if (shared) continue;
    throw Error(ErrorKind::usage, "treatment: arms " + in.arm_name[static_cast<std::size_t>(a)] +
                                      " and " + in.arm_name[static_cast<std::size_t>(b)] +
                                      ": no study has both, and arms are compared inside one "
                                      "study only");
  }
  if (!in.contrasts.empty()) return in.contrasts;
  std::set<std::array<int, 2>> all;
  for (const auto& [study, own] : arms) {
    for (const int a : own) {
      for (const int b : own) {
        if (a < b) all.insert({a, b});
      }
    }
  }
  return {all.begin(), all.end()};
}

void add_missingness(const Inputs& in, const StudyFit& fit, const Params& params, Outputs& out) {
  std::map<int, Missingness> arms;
  std::map<int, std::array<double, 3>> sums; // of outcomes, weighted, weights
  for (std::size_t i = 0; i < fit.rows.size(); ++i) {
    const int arm = in.arm[static_cast<std::size_t>(fit.rows[i])];
    Missingness& m = arms[arm];
    m.study = fit.study;
    m.arm = arm;
    ++m.n;
    const double y = in.outcome[fit.rows[i]];
    if (std::isnan(y)) continue;
    ++m.n_observed;
    const double weight =
        1.0 / std::max(params.min_probability, fit.present[static_cast<Index>(i)]);
    sums[arm][0] += y;
    sums[arm][1] += weight * y;
    sums[arm][2] += weight;
  }
  for (auto& [arm, m] : arms) {
    m.outcome_mean = m.n_observed > 0 ? sums[arm][0] / m.n_observed : kNaN;
    m.weighted_mean = sums[arm][1] / sums[arm][2];
    out.missingness.push_back(m);
  }
}

// Predictions of everybody under every arm of the study, intervals under the own arm.
void add_people(const Inputs& in, const StudyFit& fit, const Params& params, Outputs& out) {
  for (std::size_t i = 0; i < fit.fold.size(); ++i) {
    out.fold[static_cast<std::size_t>(fit.rows[i])] = fit.fold[i];
  }
  for (std::size_t a = 0; a < fit.arms.size(); ++a) {
    std::vector<Index> places;
    for (std::size_t i = 0; i < fit.rows.size(); ++i) {
      const Index row = fit.rows[i];
      const auto place = static_cast<Index>(i);
      out.by_arm(row, fit.arms[a]) = fit.predicted(place, static_cast<Index>(a));
      if (in.arm[static_cast<std::size_t>(row)] == fit.arms[a]) places.push_back(place);
    }
    std::vector<Index> rows;
    for (const Index place : places) rows.push_back(fit.rows[static_cast<std::size_t>(place)]);
    const Eigen::VectorXd m = fit.predicted.col(static_cast<Index>(a))(places);
    const auto interval = cohort::conformal_interval(in.outcome(rows), m, params.alpha_interval);
    out.lower(rows) = interval.lower;
    out.upper(rows) = interval.upper;
  }
}

Policy evaluate(const Inputs& in, const Pair& pair, const Params& params, Outputs& out) {
  Policy policy{pair.fit->study, pair.arm_a, pair.arm_b, "", "", {}, {}};
  const std::string& study = in.study_name[static_cast<std::size_t>(policy.study)];
  const bool randomised = in.randomised[static_cast<std::size_t>(policy.study)] != 0;
  const auto& arms = pair.fit->arms;
  std::array<Index, 2> column{};
  for (int side = 0; side < 2; ++side) {
    const int arm = side == 0 ? pair.arm_a : pair.arm_b;
    const auto at = std::find(arms.begin(), arms.end(), arm);
    column[static_cast<std::size_t>(side)] = at - arms.begin();
    if (at == arms.end() && policy.reason.empty()) {
      policy.reason = "arm " + in.arm_name[static_cast<std::size_t>(arm)] + ": fewer than " +
                      std::to_string(params.min_per_arm) + " outcomes";
    }
  }
  if (policy.reason.empty() && !randomised && params.propensity != "model") {
    policy.reason = "study " + study + " is not declared randomised, and no propensity model is";
  }
  if (!policy.reason.empty()) return policy;
  policy.propensity = randomised ? "share of the arm" : "logistic model";
  const Eigen::MatrixXd predicted = pair.fit->predicted(pair.places, column);
  const Eigen::MatrixXd share = pair.fit->share(pair.places, column);
  const Eigen::VectorXd e_b =
      randomised ? Eigen::VectorXd(share.col(1).cwiseQuotient(share.rowwise().sum()))
                 : modelled_assignment(in, pair);
  if (e_b.size() == 0) {
    policy.reason = "the propensity model does not converge: the arms do not overlap";
  } else if (predicted.array().isNaN().any()) {
    policy.reason = "a fold lacks outcomes of an arm";
  }
  if (!policy.reason.empty()) return policy;
  const double sign = params.better == "lower" ? -1.0 : 1.0;
  const Eigen::VectorXd present = pair.fit->present(pair.places);
  const auto scores = cohort::arm_scores(in.outcome(pair.rows), pair.in_b, predicted, e_b, present,
                                         params.min_probability);
  policy.value = cohort::policy_value(scores, sign, params.confidence);
  policy.calibration =
      cohort::benefit_calibration(scores, sign, params.n_benefit_groups, params.confidence);
  if (arms.size() == 2) {
    for (std::size_t i = 0; i < pair.rows.size(); ++i) {
      const auto place = static_cast<Index>(i);
      const bool b = sign * (predicted(place, 1) - predicted(place, 0)) > 0.0;
      out.recommended[static_cast<std::size_t>(pair.rows[i])] = b ? pair.arm_b : pair.arm_a;
    }
  }
  return policy;
}

void add_tables(const Inputs& in, const Params& params, Outputs& out) {
  cohort::PublishedInputs tables{in.outcome, in.baseline, in.study, in.arm, in.biotype};
  tables.response_change = params.response_change;
  tables.remission_at = params.remission_at;
  tables.confidence = params.confidence;
  for (std::size_t row = 0; row < out.left_out.size(); ++row) {
    if (!out.left_out[row].empty()) tables.arm[row] = -1;
  }
  out.published = cohort::published_tables(tables);
}

} // namespace

Outputs run(const Inputs& in, const Params& params, const Context& context) {
  check_sizes(in);
  const Index n = in.outcome.size();
  Outputs out;
  out.left_out = reasons(in);
  out.by_arm = Eigen::MatrixXd::Constant(n, static_cast<Index>(in.arm_name.size()), kNaN);
  out.lower = out.upper = Eigen::VectorXd::Constant(n, kNaN);
  out.recommended.assign(static_cast<std::size_t>(n), -1);
  out.fold.assign(static_cast<std::size_t>(n), -1);
  add_tables(in, params, out);
  std::map<int, std::vector<Index>> studies;
  std::map<int, std::set<int>> arms;
  for (Index row = 0; row < n; ++row) {
    const auto r = static_cast<std::size_t>(row);
    if (!out.left_out[r].empty()) continue;
    studies[in.study[r]].push_back(row);
    arms[in.study[r]].insert(in.arm[r]);
  }
  const auto contrasts = contrasts_of(in, arms);
  for (const auto& [study, rows] : studies) {
    const StudyFit fit = fit_study(in, rows, params, context);
    add_missingness(in, fit, params, out);
    add_people(in, fit, params, out);
    for (const auto& [a, b] : contrasts) {
      if (!arms[study].contains(a) || !arms[study].contains(b)) continue;
      const Pair pair = pair_of(in, fit, a, b);
      add_interactions(in, pair, params, out.interactions);
      out.policies.push_back(evaluate(in, pair, params, out));
    }
  }
  return out;
}

std::size_t peak_bytes(const Shape& shape, const Params& params) {
  const std::size_t copy = shape.n_rows * (shape.n_columns + 8) * sizeof(double);
  return copy * static_cast<std::size_t>(4 * params.n_folds + 8);
}

} // namespace boldmill::treatment
