#include "pipeline/graph/model_card.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <set>

#include "stages/cohort/kernels/effect_sizes.hpp"
#include "stages/cohort/kernels/metrics.hpp"
#include "stages/cohort/kernels/regression.hpp"
#include "stages/core/statistics.hpp"

namespace boldmill::graph {
namespace {

using config::Json;
using Rows = std::vector<Eigen::Index>;
constexpr std::size_t kLeastOfAGroup = 10;

// JSON has no NaN.
Json number(double value) { return std::isfinite(value) ? Json(value) : Json(nullptr); }

// Rows the model was evaluated on.
Rows evaluated(const penalised_regression::Outputs& out) {
  Rows rows;
  for (Eigen::Index row = 0; row < out.y.size(); ++row) {
    if (out.fold.rows() > 0 && out.fold(0, row) >= 0) rows.push_back(row);
  }
  return rows;
}

Json data_of(const CardInputs& card, const Rows& rows) {
  std::set<std::string> people, sites;
  const auto site = card.people.columns.find(card.config.cohort.site_column);
  for (const Eigen::Index row : rows) {
    const auto r = static_cast<std::size_t>(row);
    people.insert(card.people.participant_id[r]);
    if (site != card.people.columns.end() && !site->second[r].empty()) {
      sites.insert(site->second[r]);
    }
  }
  Json out;
  out["rows_in_the_cohort"] = card.people.participant_id.size();
  out["rows_used"] = rows.size();
  out["people_used"] = people.size();
  out["rows_without_the_outcome"] =
      card.people.participant_id.size() - static_cast<std::size_t>(card.out.n_used);
  out["sites"] = sites.size();
  out["repeated_sessions"] = people.size() < rows.size();
  const auto age = card.people.columns.find(card.config.cohort.age_column);
  if (age != card.people.columns.end()) {
    const auto years = store::as_numbers(age->second);
    std::vector<double> own;
    for (const Eigen::Index row : rows) own.push_back(years[static_cast<std::size_t>(row)]);
    out["age_mean"] = number(mean(own));
    out["age_sd"] = number(standard_deviation(own));
  }
  return out;
}

Json exclusions_of(const CardInputs& card) {
  std::map<std::string, int> status;
  int reviewed = 0;
  for (const store::RunRecord& run : card.runs.run) {
    ++status[run.status];
    reviewed += run.qc_decision.empty() ? 0 : 1;
  }
  Json out;
  out["runs"] = card.runs.run.size();
  for (const auto& [name, n] : status) out["runs_" + name] = n;
  out["runs_reviewed_by_a_person"] = reviewed;
  out["reasons"] = "tables/runs.tsv";
  return out;
}

Json missingness_of(const CardInputs& card, const Rows& rows) {
  const Eigen::MatrixXd x = card.inputs.rows.x(rows, Eigen::all);
  const Eigen::VectorXd by_column =
      x.array().isNaN().cast<double>().colwise().mean().transpose().matrix();
  Json out;
  out["share_of_values"] = number(x.array().isNaN().cast<double>().mean());
  out["largest_share_of_a_measure"] = number(by_column.size() > 0 ? by_column.maxCoeff() : 0.0);
  out["rows_complete"] = (x.array().isNaN().rowwise().any() == false).count();
  const auto& steps = card.inputs.steps;
  const bool chained = std::any_of(steps.begin(), steps.end(), [](const auto& step) {
    return step.name == "chained_imputation";
  });
  out["handling"] = (chained ? std::string("chained equations of the training people")
                             : "training " + card.config.imputation.method) +
                    " inside the fold; a measure nobody has is left out";
  out["outcome"] = "rows without it are predicted, never learned from";
  return out;
}

Json outcome_of(const CardInputs& card, const Rows& rows) {
  const Eigen::VectorXd y = card.out.y(rows);
  Json out;
  out["column"] = card.target;
  out["kind"] = card.out.binary ? "binary" : "continuous";
  out["mean"] = number(y.mean());
  if (!card.out.binary) {
    out["sd"] = number(standard_deviation({y.data(), static_cast<std::size_t>(y.size())}));
  }
  out["definition_timing_and_blinding"] = "not known to the program: to be added by a person";
  return out;
}

Json performance_of(const CardInputs& card) {
  Json metrics = Json::array();
  for (const auto& metric : card.out.metrics) {
    Json one{{"name", metric.name},
             {"value", number(metric.value)},
             {"lower", number(metric.lower)},
             {"upper", number(metric.upper)}};
    for (std::size_t b = 0; b < metric.baseline.size(); ++b) {
      one["baseline_" + card.out.baseline_names[b]] = number(metric.baseline[b]);
    }
    metrics.push_back(one);
  }
  Json out;
  out["cross_validation"] = card.config.prediction.cv;
  out["metrics"] = metrics;
  out["interval_method"] = card.out.interval_method;
  out["permutation"] = card.out.permutation_kind;
  out["p_permutation"] = number(card.out.p_value);
  out["increment_over_all_baselines"] = {{"baselines", card.out.increment.over},
                                         {"difference", number(card.out.increment.difference)},
                                         {"p_permutation", number(card.out.increment.p_value)}};
  out["interval_of_a_person_holds_for"] = card.out.guarantee;
  const auto abstained = std::count(card.out.abstain.begin(), card.out.abstain.end(), 1);
  out["share_abstained"] =
      number(static_cast<double>(abstained) /
             static_cast<double>(std::max<std::size_t>(1, card.out.abstain.size())));
  return out;
}

// Outcome on out-of-fold prediction: linear, or logistic on the logit of the probability.
Json calibration_of(const CardInputs& card, const Rows& all) {
  Rows rows;
  for (const Eigen::Index row : all) {
    if (!std::isnan(card.out.prediction[row])) rows.push_back(row);
  }
  Json out{{"slope", nullptr},
           {"slope_lower", nullptr},
           {"slope_upper", nullptr},
           {"intercept", nullptr}};
  if (rows.size() < kLeastOfAGroup) return out;
  const Eigen::VectorXd y = card.out.y(rows);
  Eigen::MatrixXd x(y.size(), 2);
  x.col(0).setOnes();
  x.col(1) = card.out.prediction(rows);
  double slope = 0.0, se = 0.0, intercept = 0.0;
  if (card.out.binary) {
    const Eigen::ArrayXd p = x.col(1).array().max(1e-6).min(1.0 - 1e-6);
    x.col(1) = (p / (1.0 - p)).log();
    const auto fit = cohort::logistic_fit(x, y);
    if (!fit.converged) return out;
    slope = fit.beta[1];
    se = std::sqrt(fit.covariance(1, 1));
    intercept = fit.beta[0];
  } else {
    const auto fit = cohort::linear_fit(x, y, {}, cohort::Errors::hc3);
    slope = fit.beta[1];
    se = std::sqrt(fit.covariance(1, 1));
    intercept = fit.beta[0];
  }
  const double half = cohort::normal_quantile(0.975) * se;
  out["slope"] = number(slope);
  out["slope_lower"] = number(slope - half);
  out["slope_upper"] = number(slope + half);
  out["intercept"] = number(intercept);
  out["note"] =
      "1 and 0 when calibrated; the interval takes out-of-fold predictions as independent";
  return out;
}

// Values of a column as groups; ages below and above their median.
std::vector<std::string> groups_of(const CardInputs& card, const std::string& name,
                                   const Rows& rows) {
  const auto column = card.people.columns.find(name);
  if (column == card.people.columns.end()) return {};
  if (name != card.config.cohort.age_column) return column->second;
  const auto years = store::as_numbers(column->second);
  std::vector<double> own;
  for (const Eigen::Index row : rows) own.push_back(years[static_cast<std::size_t>(row)]);
  const double middle = median(own);
  std::vector<std::string> out;
  for (const double value : years) {
    out.emplace_back(std::isnan(value) ? "" : value < middle ? "younger half" : "older half");
  }
  return out;
}

Json subgroups_of(const CardInputs& card, const Rows& rows) {
  Json out = Json::array();
  const auto& cohort = card.config.cohort;
  for (const std::string& name : {cohort.site_column, cohort.sex_column, cohort.age_column}) {
    const auto groups = groups_of(card, name, rows);
    std::map<std::string, Rows> members;
    for (const Eigen::Index row : rows) {
      if (groups.empty()) break;
      members[groups[static_cast<std::size_t>(row)]].push_back(row);
    }
    for (const auto& [group, own] : members) {
      if (group.empty() || own.size() < kLeastOfAGroup) continue;
      const Eigen::VectorXd y = card.out.y(own);
      const Eigen::VectorXd p = card.out.prediction(own);
      Json one{{"column", name}, {"group", group}, {"rows", own.size()}};
      if (card.out.binary) {
        one["AUC"] = number(cohort::auc(y, p));
        one["Brier"] = number(cohort::brier(y, p));
      } else {
        one["r"] = number(cohort::correlation(y, p));
        one["MAE"] = number(cohort::mean_absolute_error(y, p));
      }
      out.push_back(one);
    }
  }
  return out;
}

Json model_of(const CardInputs& card) {
  const auto& prediction = card.config.prediction;
  Json out;
  out["algorithm"] = prediction.model + (card.out.binary ? ", logistic" : ", linear");
  out["predictors"] = card.out.feature_names;
  out["learning_steps"] = Json::array();
  for (const auto& step : card.inputs.steps) {
    if (step.name != "covariates") out["learning_steps"].push_back(step.name);
  }
  out["learning_steps"].push_back(prediction.model);
  out["fitted_inside_folds"] = true;
  out["tuning"] = "mixing and penalty by an inner k-fold";
  out["alpha"] = number(card.out.alpha);
  out["lambda"] = number(card.out.lambda);
  out["random_seed"] = prediction.random_seed;
  out["created_by"] = card.header.created_by;
  out["config_sha256"] = card.header.config_sha256;
  out["taxonomy_sha256"] = card.header.taxonomy_sha256;
  return out;
}

} // namespace

std::string model_card(const CardInputs& card) {
  const Rows rows = evaluated(card.out);
  Json out;
  out["reporting_guideline"] = "TRIPOD+AI, doi:10.1136/bmj-2023-078378";
  out["target"] = card.target;
  out["intended_use"] = "research use only; not a medical device";
  out["not_for"] =
      "decisions about a person; people of other ages, scanners or diagnoses than those "
      "of the training cohort";
  out["data"] = data_of(card, rows);
  out["exclusions"] = exclusions_of(card);
  out["missingness"] = missingness_of(card, rows);
  out["outcome"] = outcome_of(card, rows);
  out["model"] = model_of(card);
  out["performance"] = performance_of(card);
  out["calibration"] = calibration_of(card, rows);
  out["subgroups"] = subgroups_of(card, rows);
  out["limits"] = {"no external validation", "conformal coverage assumes exchangeable people",
                   "a new site or scanner has no guarantee",
                   "subgroups are small: differences between them are not tested"};
  out["a_human_must_check"] = {
      "that the outcome was measured after the scan and without knowledge of it",
      "image quality: tables/runs.tsv and the reports of the people scored",
      "that the metrics beat every baseline, motion and site above all",
      "calibration and metrics in the subgroup a person belongs to",
      "abstain and new_place before any number is read"};
  return out.dump(-1, ' ', false, Json::error_handler_t::replace);
}

} // namespace boldmill::graph
