#include "pipeline/graph/cohort_chain.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

#include "pipeline/graph/prediction.hpp"

namespace boldmill::graph {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
using Text = std::vector<std::string>;

// What must not reach harmonisation or imputation.
Text outcomes_of(const config::Config& config) {
  Text out = config.cohort.targets;
  if (!config.trial.outcome.empty()) out.push_back(config.trial.outcome);
  return out;
}

std::string harmonization_column(const config::Config& config) {
  const auto& cohort = config.cohort;
  return cohort.harmonization_column.empty() ? cohort.site_column : cohort.harmonization_column;
}

std::vector<Eigen::Index> measured_rows(const cohort::Rows& rows) {
  std::vector<Eigen::Index> out;
  for (Eigen::Index row = 0; row < rows.x.rows(); ++row) {
    if (!rows.x.row(row).array().isNaN().all()) out.push_back(row);
  }
  return out;
}

// Why there is nothing to harmonise.
std::string problem_of(const ChainTable& table, const config::Config& config) {
  const config::CohortParams& cohort = config.cohort;
  const Text outcomes = outcomes_of(config);
  if (cohort.harmonization == "none") return "cohort.harmonization is none";
  if (std::find(outcomes.begin(), outcomes.end(), table.column) != outcomes.end()) {
    return "column " + table.column + " is a target: harmonisation would take it out";
  }
  const auto counted =
      cohort.harmonization == "longitudinal" ? measured_rows(table.rows) : table.learners;
  std::map<int, int> n;
  for (const Eigen::Index row : counted) {
    const int id = table.rows.batch.empty() ? -1 : table.rows.batch[static_cast<std::size_t>(row)];
    if (id >= 0) ++n[id];
  }
  if (n.size() < 2) {
    return "found " + std::to_string(n.size()) + " values of column " + table.column +
           " with measures, expected at least 2";
  }
  if (cohort.harmonization == "combat") return "";
  for (const auto& [id, people] : n) {
    if (people >= cohort.harmonization_min_people) continue;
    return table.column + " " + table.batch.names[static_cast<std::size_t>(id)] + " has " +
           std::to_string(people) + " people, expected at least " +
           std::to_string(cohort.harmonization_min_people) + " (cohort.harmonization_min_people)";
  }
  return "";
}

double mean_present(const cohort::Rows& rows, Eigen::Index covariate) {
  double sum = 0.0;
  int n = 0;
  for (const double value : rows.covariates.col(covariate)) {
    if (std::isnan(value)) continue;
    sum += value;
    ++n;
  }
  return n > 0 ? sum / n : 0.0;
}

std::vector<double> centre_of(const cohort::Rows& training) {
  std::vector<double> out;
  for (Eigen::Index q = 0; q < training.covariates.cols(); ++q) {
    out.push_back(mean_present(training, q));
  }
  return out;
}

// People who lack a covariate get the mean of the training rows.
cohort::LearningStep complete_covariates() {
  return {"covariates", [](const cohort::Rows& training) -> cohort::LearningStep::Apply {
            return [centre = centre_of(training)](const cohort::Rows& rows) {
              cohort::Rows out = rows;
              fill_covariates(centre, out);
              return out;
            };
          }};
}

} // namespace

ChainTable chain_table(const store::CohortReader& reader, const Eigen::MatrixXd& measures,
                       const config::Config& config) {
  const store::ParticipantsTable people = reader.participants();
  ChainTable out;
  out.rows.x = measures;
  out.rows.names = reader.header().measure;
  out.rows.is_reference = control_rows(people, config);
  out.learners = one_row_each(people, out.rows.x);
  out.column = harmonization_column(config);
  out.rows.batch.assign(people.participant_id.size(), -1);
  if (const Text* column = column_of(people, out.column)) {
    out.batch = levels_of(*column);
    out.rows.batch = out.batch.number;
  }
  out.why_not = problem_of(out, config);
  const Eigen::VectorXd fd = mean_fd_of_rows(reader);
  Text excluded = outcomes_of(config);
  excluded.push_back(out.column);
  out.covariates =
      coding_of({config.cohort.harmonization_covariates, excluded}, people, fd, out.learners);
  out.rows.covariates = encode(out.covariates, people, fd, true);
  out.rows.covariate_names = out.covariates.names();
  return out;
}

ChainChoice chain_choice(const ChainTable& table, const config::Config& config, int number) {
  const std::string& imputation = config.cohort.imputation;
  return {.filling = imputation == "none"     ? Filling::none
                     : imputation == "median" ? Filling::centre
                                              : Filling::chained,
          .combat = table.why_not.empty(),
          .number = number,
          .column = table.column,
          .batch = table.batch.names,
          .covariates = table.covariates};
}

std::vector<cohort::LearningStep> chain_steps(const ChainChoice& choice,
                                              const config::Config& config) {
  std::vector<cohort::LearningStep> out;
  if (choice.filling == Filling::centre) {
    out.push_back(imputation::step(config.imputation));
  } else if (choice.filling == Filling::chained) {
    chained_imputation::Params params = config.chained_imputation;
    params.random_seed += choice.number;
    out.push_back(chained_imputation::step(params));
  }
  if (choice.combat) out.push_back(combat::step(config.combat));
  return out;
}

PredictionSteps prediction_steps(const ChainTable& table, const store::CohortReader& reader,
                                 const config::Config& config, cohort::Rows& rows) {
  PredictionSteps out;
  out.choice = chain_choice(table, config, 0);
  if (config.cohort.imputation != "chained") out.choice.filling = Filling::centre;
  out.choice.combat = out.choice.combat && config.cohort.harmonization == "combat";
  if (out.choice.combat || out.choice.filling == Filling::chained) rows.batch = table.rows.batch;
  if (out.choice.combat) {
    rows.covariates =
        encode(table.covariates, reader.participants(), mean_fd_of_rows(reader), false);
    rows.covariate_names = table.rows.covariate_names;
    out.steps.push_back(complete_covariates());
  }
  for (auto& step : chain_steps(out.choice, config)) out.steps.push_back(std::move(step));
  out.steps.push_back(standardisation::step(config.standardisation));
  return out;
}

LearnedChain learn_in_fold(const cohort::Rows& training, const ChainChoice& choice,
                           const config::Config& config) {
  if (!choice.combat) return learn_chain(training, choice, config);
  ChainChoice own = choice;
  own.covariates.centre = centre_of(training);
  cohort::Rows rows = training;
  fill_covariates(own.covariates.centre, rows);
  return learn_chain(rows, own, config);
}

} // namespace boldmill::graph
