#include "pipeline/graph/cohort_statistics.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

#include "pipeline/graph/cohort_chain.hpp"
#include "pipeline/graph/cohort_people.hpp"
#include "pipeline/graph/cohort_terms.hpp"
#include "pipeline/graph/prediction.hpp"
#include "stages/core/joined.hpp"

namespace boldmill::graph {
namespace {

using Text = std::vector<std::string>;

CovariateMatrix covariates(const store::ParticipantsTable& people, const Text& wanted) {
  Text names;
  std::vector<Text> columns;
  for (const std::string& name : wanted) {
    const Text* column = column_of(people, name);
    if (column == nullptr) continue;
    names.push_back(name);
    columns.push_back(*column);
  }
  return covariates_of(names, columns);
}

Eigen::VectorXd numbers(const Text& text) {
  const auto values = store::as_numbers(text);
  return Eigen::Map<const Eigen::VectorXd>(values.data(), static_cast<Eigen::Index>(values.size()));
}

struct Tested {
  Eigen::MatrixXd y;
  Text names;
};
Tested tested_of(const std::string& what, const store::CohortReader& reader,
                 const ComparableMeasures& comparable, const store::CohortResults& results) {
  if (what == "measures") return {comparable.measures.table.value, reader.header().measure};
  if (what == "features") return {results.features.value, reader.header().feature};
  return {results.scores.value, reader.header().score};
}

// Of the columns that are needed the first that is not there.
std::string absent(const store::ParticipantsTable& people, const Text& needed) {
  for (const std::string& name : needed) {
    if (!name.empty() && column_of(people, name) == nullptr) {
      return "participants.tsv has no column " + name;
    }
  }
  return "";
}

// Why treatment cannot be done, "" when it can.
std::string trial_problem(const config::TrialParams& trial,
                          const store::ParticipantsTable& people) {
  if (trial.outcome.empty() || trial.arm.empty()) {
    return "no outcome and arm are named (trial.outcome, trial.arm)";
  }
  Text needed{trial.outcome, trial.baseline, trial.arm, trial.study, trial.day, trial.biotype};
  needed.insert(needed.end(), trial.covariates.begin(), trial.covariates.end());
  if (std::string why = absent(people, needed); !why.empty()) return why;
  if (trial.day.empty() && trial.index_session.empty()) {
    return "whether scans precede treatment is not known: expected trial.day or "
           "trial.index_session";
  }
  return "";
}

void read_arms(const config::TrialParams& trial, const store::ParticipantsTable& people,
               treatment::Inputs& in) {
  const Levels arm = levels_of(*column_of(people, trial.arm));
  in.arm = arm.number;
  in.arm_name = arm.names;
  const Text* column = column_of(people, trial.study);
  const Levels study = levels_of(column != nullptr ? *column : Text(in.arm.size(), "all"));
  in.study = study.number;
  in.study_name = study.names;
  for (const std::string& name : in.study_name) {
    const auto& list = trial.randomised;
    in.randomised.push_back(std::find(list.begin(), list.end(), name) != list.end() ? 1 : 0);
  }
  // Another session than the index session has no arm here: it is no predictor.
  for (std::size_t row = 0; row < in.arm.size() && !trial.index_session.empty(); ++row) {
    if (people.session_id[row] != trial.index_session) in.arm[row] = -1;
  }
}

// Imputation as in the folds of predictions: chained where that is said, inside batches.
void set_steps(const store::CohortReader& reader, const config::Config& config,
               treatment::Inputs& in) {
  if (config.cohort.imputation == "chained") {
    in.rows.batch = chain_table(reader, in.rows.x, config).rows.batch;
    in.steps = {chained_imputation::step(config.chained_imputation)};
  } else {
    in.steps = {imputation::step(config.imputation)};
  }
  in.steps.push_back(standardisation::step(config.standardisation));
}

} // namespace

void add_group_statistics(const store::CohortReader& reader, const ComparableMeasures& comparable,
                          const config::Config& config, store::CohortResults& results,
                          const Context& context) {
  const store::ParticipantsTable people = reader.participants();
  const config::AssociationParams& asked = config.associations;
  const auto not_done = [&](const std::string& why) {
    results.not_done.push_back({"group_statistics", why});
  };
  group_statistics::Inputs in;
  if (const Text* group = column_of(people, config.input.group_column); group && asked.groups) {
    for (auto& term : group_terms(config.input.group_column, *group, config.input.control_values)) {
      in.terms.push_back(std::move(term));
    }
  }
  Text lacking;
  for (const std::string& name : asked.symptoms) {
    const Text* column = column_of(people, name);
    if (column == nullptr) {
      lacking.push_back(name);
    } else {
      in.terms.push_back({name, false, numbers(*column)});
    }
  }
  if (!lacking.empty()) not_done("participants.tsv has no column " + joined(lacking, ", "));
  if (in.terms.empty()) {
    not_done("no group beside the controls (column " + config.input.group_column +
             ") and no symptom (associations.symptoms)");
    return;
  }
  const Tested tested = tested_of(asked.tested, reader, comparable, results);
  if (tested.y.size() == 0 || tested.y.array().isNaN().all()) {
    not_done("there are no " + asked.tested);
    return;
  }
  in.y = tested.y;
  in.names = tested.names;
  in.covariates = covariates(people, asked.covariates).x;
  in.person = levels_of(people.participant_id).number;
  if (const Text* site = column_of(people, config.cohort.site_column)) {
    in.site = levels_of(*site).number;
  }
  const auto out = group_statistics::run(in, config.group_statistics, context);
  results.tables.push_back({"group_statistics", "test",
                            "associations of " + asked.tested + " with groups and symptoms",
                            results.fitted_on, statistics_columns(out.results)});
}

void add_treatment(const store::CohortReader& reader, const ComparableMeasures& comparable,
                   const config::Config& config, store::CohortResults& results,
                   const Context& context) {
  const store::ParticipantsTable people = reader.participants();
  const config::TrialParams& trial = config.trial;
  if (std::string why = trial_problem(trial, people); !why.empty()) {
    results.not_done.push_back({"treatment", why});
    return;
  }
  treatment::Inputs in;
  read_arms(trial, people, in);
  in.outcome = numbers(*column_of(people, trial.outcome));
  if (const Text* column = column_of(people, trial.baseline)) in.baseline = numbers(*column);
  if (const Text* column = column_of(people, trial.day)) in.day = numbers(*column);
  in.covariates = covariates(people, trial.covariates).x;
  in.person = levels_of(people.participant_id).number;
  if (const Text* column = column_of(people, trial.biotype)) {
    const Levels biotype = levels_of(*column);
    in.biotype = biotype.number;
    in.biotype_name = biotype.names;
  }
  in.rows.x = comparable.measures.table.value;
  in.rows.names = reader.header().measure;
  set_steps(reader, config, in);
  const Tested tested = tested_of(config.associations.tested, reader, comparable, results);
  if (tested.y.size() > 0) {
    in.tested = tested.y;
    in.tested_name = tested.names;
  }
  const auto out = treatment::run(in, config.treatment, context);
  for (auto& table : treatment_tables(in, out)) results.tables.push_back(std::move(table));
}

} // namespace boldmill::graph
