#include "stages/cohort/prediction_report.hpp"

#include <cmath>
#include <limits>
#include <map>
#include <set>

#include "stages/cohort/kernels/conformal.hpp"
#include "stages/core/statistics.hpp"

namespace boldmill::penalised_regression {
namespace {

using cohort::Trained;

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

// Where the sites or studies left out are exchangeable with a new one, and enough of them.
bool holds_at_new_sites(const Params& params, const Problem& problem, std::string& guarantee) {
  if (params.cv == "k_fold") {
    guarantee = "people of the sites seen; a new site: none";
    return false;
  }
  const std::set<int> found(problem.left_out_by.begin(), problem.left_out_by.end());
  const int calibrating = static_cast<int>(found.size()) - 1; // a row's own does not
  const int needed = cohort::sites_needed(params.alpha_interval);
  if (calibrating >= needed) {
    guarantee = "people of a new site or study like those seen";
    return true;
  }
  guarantee = "no guarantee: " + std::to_string(calibrating) +
              " calibrating sites or studies, needed " + std::to_string(needed);
  return false;
}

void set_intervals(const Params& params, const Problem& problem, Outputs& out) {
  const Eigen::Index n = out.y.size();
  Eigen::VectorXd known = Eigen::VectorXd::Constant(n, kNaN); // y of the rows that calibrate
  std::vector<int> site(static_cast<std::size_t>(n), -1);
  for (std::size_t i = 0; i < problem.used.size(); ++i) {
    known[problem.used[i]] = out.y[problem.used[i]];
    if (!problem.left_out_by.empty()) {
      site[static_cast<std::size_t>(problem.used[i])] = problem.left_out_by[i];
    }
  }
  const bool by_site = holds_at_new_sites(params, problem, out.guarantee);
  const double alpha = params.alpha_interval;
  if (problem.binary) {
    out.set = by_site ? cohort::conformal_set_by_site(known, out.prediction, site, alpha)
                      : cohort::conformal_set(known, out.prediction, alpha);
    return;
  }
  const cohort::Interval interval =
      by_site ? cohort::conformal_interval_by_site(known, out.prediction, site, alpha)
              : cohort::conformal_interval(known, out.prediction, alpha);
  out.lower = interval.lower;
  out.upper = interval.upper;
}

// Sum over the columns of a circuit of coefficient times input.
void add_contributions(const std::map<std::string, Eigen::Index>& circuit_of_column,
                       const Trained& model, const Eigen::MatrixXd& inputs,
                       const std::vector<Eigen::Index>& rows, Outputs& out) {
  out.contribution(rows, Eigen::all).setZero();
  for (std::size_t c = 0; c < model.names.size(); ++c) {
    const auto found = circuit_of_column.find(model.names[c]);
    if (found == circuit_of_column.end()) continue;
    const auto column = static_cast<Eigen::Index>(c);
    for (std::size_t i = 0; i < rows.size(); ++i) {
      out.contribution(rows[i], found->second) +=
          model.fit.beta[column] * inputs(static_cast<Eigen::Index>(i), column);
    }
  }
}

void report_contributions(const Inputs& inputs, const cohort::Rows& all, const Problem& problem,
                          const std::vector<Trained>& models, const Trained& final_model,
                          Outputs& out) {
  if (inputs.feature_group.empty()) return;
  std::map<std::string, Eigen::Index> number;
  for (const auto& [column, circuit] : inputs.feature_group) number[circuit] = 0;
  for (auto& [circuit, position] : number) {
    position = static_cast<Eigen::Index>(out.contribution_names.size());
    out.contribution_names.push_back(circuit);
  }
  std::map<std::string, Eigen::Index> circuit_of_column;
  for (const auto& [column, circuit] : inputs.feature_group) {
    circuit_of_column[column] = number.at(circuit);
  }
  const Eigen::Index n = out.y.size();
  out.contribution.setConstant(n, static_cast<Eigen::Index>(number.size()), kNaN);
  const auto add = [&](const Trained& model, const std::vector<Eigen::Index>& rows) {
    if (!model.usable || rows.empty()) return;
    add_contributions(circuit_of_column, model,
                      cohort::predict(model, all.select(rows), true).inputs, rows, out);
  };
  std::vector<std::uint8_t> out_of_fold(static_cast<std::size_t>(n), 0);
  for (int fold = 0; fold < problem.splits[0].n_folds; ++fold) {
    std::vector<Eigen::Index> rows;
    for (const Eigen::Index i : cohort::rows_of(problem.splits[0], fold).test) {
      rows.push_back(problem.used[static_cast<std::size_t>(i)]);
      out_of_fold[static_cast<std::size_t>(rows.back())] = 1;
    }
    add(models[static_cast<std::size_t>(fold)], rows);
  }
  std::vector<Eigen::Index> others;
  for (Eigen::Index row = 0; row < n; ++row) {
    if (out_of_fold[static_cast<std::size_t>(row)] == 0 && !std::isnan(out.prediction[row])) {
      others.push_back(row);
    }
  }
  add(final_model, others);
}

std::vector<Eigen::Index> measures_with_a_value(const Eigen::MatrixXd& x,
                                                const std::vector<Eigen::Index>& training) {
  std::vector<Eigen::Index> out;
  for (Eigen::Index c = 0; c < x.cols(); ++c) {
    if (!x(training, c).array().isNaN().all()) out.push_back(c);
  }
  return out;
}

} // namespace

void report_coefficients(const std::vector<Trained>& folds, const Trained& final_model,
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

void report_people(const Inputs& inputs, const Params& params, const Problem& problem,
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
  const std::vector<Eigen::Index> used = measures_with_a_value(inputs.rows.x, problem.used);
  const auto n_used = static_cast<Eigen::Index>(used.size());
  for (Eigen::Index row = 0; row < n; ++row) {
    const Eigen::Index n_missing = inputs.rows.x(row, used).array().isNaN().count();
    if (n_missing == n_used) out.prediction[row] = kNaN;
    std::string why = cohort::why_abstain(n_missing, n_used, params.max_missing_share, excess[row]);
    if (why.empty() && std::isnan(out.prediction[row])) why = "no prediction could be made";
    out.abstain[static_cast<std::size_t>(row)] = why.empty() ? 0 : 1;
    out.abstain_reason.push_back(std::move(why));
  }
  out.distance = excess;
  set_intervals(params, problem, out);
  report_contributions(inputs, all, problem, held_out.models, final_model, out);
}

void report_groups(const Inputs& inputs, const Problem& problem, Outputs& out) {
  for (const Grouping& grouping : inputs.groupings) {
    std::vector<cohort::MetricInGroup> metrics;
    for (std::size_t level = 0; level < grouping.level_names.size(); ++level) {
      std::vector<Eigen::Index> rows;
      for (const Eigen::Index row : problem.used) {
        if (grouping.level[static_cast<std::size_t>(row)] == static_cast<int>(level)) {
          rows.push_back(row);
        }
      }
      metrics.push_back(cohort::metric_in_group(problem.binary, out.y, out.prediction, rows));
      out.groups.push_back({grouping.name, grouping.level_names[level], metrics.back()});
    }
    if (grouping.name == "site") out.pooled_sites = cohort::pool_groups(problem.binary, metrics);
  }
  const Eigen::VectorXd y = out.y(problem.used);
  const Eigen::VectorXd prediction = out.prediction(problem.used);
  out.calibration = cohort::calibration_line(problem.binary, y, prediction);
  out.calibration_curve = cohort::calibration_curve(y, prediction);
  if (problem.binary) out.decision_curve = cohort::decision_curve(y, prediction);
}

} // namespace boldmill::penalised_regression
