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

// Why there is nothing to harmonise.
std::string problem_of(const ChainTable& table, const config::Config& config) {
  const config::CohortParams& cohort = config.cohort;
  const Text outcomes = outcomes_of(config);
  if (cohort.harmonization == "none") return "cohort.harmonization is none";
  if (std::find(outcomes.begin(), outcomes.end(), table.column) != outcomes.end()) {
    return "column " + table.column + " is a target: harmonisation would take it out";
  }
  std::map<int, int> n;
  for (const Eigen::Index row : table.learners) {
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

// Batches of harmonisation travel as the last covariate, for folds are made by site; people who
// lack a covariate get the mean of the training rows.
cohort::LearningStep batches_from_covariates() {
  return {"batches", [](const cohort::Rows& training) -> cohort::LearningStep::Apply {
            const Eigen::Index last = training.covariates.cols() - 1;
            Eigen::VectorXd centre(last);
            for (Eigen::Index q = 0; q < last; ++q) centre[q] = mean_present(training, q);
            return [centre, last](const cohort::Rows& rows) {
              cohort::Rows out = rows;
              out.batch.clear();
              for (const double id : rows.covariates.col(last)) {
                out.batch.push_back(static_cast<int>(id));
              }
              out.covariates = rows.covariates.leftCols(last);
              for (Eigen::Index q = 0; q < last; ++q) {
                for (double& value : out.covariates.col(q)) {
                  if (std::isnan(value)) value = centre[q];
                }
              }
              out.covariate_names.pop_back();
              return out;
            };
          }};
}

// Whether folds need batches and covariates.
bool travels(const ChainChoice& choice) {
  return choice.combat || choice.filling == Filling::chained;
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
  if (travels(out.choice)) {
    const Eigen::MatrixXd own =
        encode(table.covariates, reader.participants(), mean_fd_of_rows(reader), false);
    rows.covariates.resize(own.rows(), own.cols() + 1);
    rows.covariates.leftCols(own.cols()) = own;
    for (Eigen::Index i = 0; i < own.rows(); ++i) {
      rows.covariates(i, own.cols()) = table.rows.batch[static_cast<std::size_t>(i)];
    }
    rows.covariate_names = table.rows.covariate_names;
    rows.covariate_names.emplace_back("batch of harmonisation");
    out.steps.push_back(batches_from_covariates());
  }
  for (auto& step : chain_steps(out.choice, config)) out.steps.push_back(std::move(step));
  out.steps.push_back(standardisation::step(config.standardisation));
  return out;
}

LearnedChain learn_in_fold(const cohort::Rows& training, const ChainChoice& choice,
                           const config::Config& config) {
  if (!travels(choice)) return learn_chain(training, choice, config);
  ChainChoice own = choice;
  for (std::size_t q = 0; q < own.covariates.centre.size(); ++q) {
    own.covariates.centre[q] = mean_present(training, static_cast<Eigen::Index>(q));
  }
  return learn_chain(batches_from_covariates().fit(training)(training), own, config);
}

cohort::Rows apply_in_fold(const LearnedChain& chain, const cohort::Rows& rows,
                           const ChainChoice& choice) {
  return apply_chain(chain, travels(choice) ? batches_from_covariates().fit(rows)(rows) : rows);
}

} // namespace boldmill::graph
