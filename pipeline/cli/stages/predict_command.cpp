// boldmill stage predict TABLE.tsv... [--people PEOPLE.tsv] --target COLUMN --model elastic_net
// --cv leave_site_out --out DIR
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <iostream>
#include <limits>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "pipeline/bids/text.hpp"
#include "pipeline/bids/tsv.hpp"
#include "pipeline/cli/stage_command.hpp"
#include "pipeline/cli/stages/people_table.hpp"
#include "pipeline/cli/stages/predict_tables.hpp"
#include "pipeline/cli/stages/table_columns.hpp"
#include "stages/cohort/combat.hpp"
#include "stages/cohort/kernels/association.hpp"
#include "stages/cohort/penalised_regression.hpp"
#include "stages/core/statistics.hpp"

namespace boldmill::cli {
namespace {

namespace prediction = penalised_regression;

struct Options {
  std::vector<std::string> tables;
  std::string people, target, site, study, person, circuits, out;
  std::string harmonise = "none";
  std::vector<std::string> features, baseline, groups, harmonise_covariates;
  prediction::Params params;
};

// 0, 1, ... in order of first appearance; a missing value is a level of its own.
std::vector<int> levels(const std::vector<std::string>& values) {
  std::map<std::string, int> level;
  std::vector<int> out;
  for (const std::string& value : values) {
    out.push_back(level.try_emplace(value, static_cast<int>(level.size())).first->second);
  }
  return out;
}

// Two texts become 0 and 1 in bytewise order; numbers stay.
Eigen::VectorXd target_of(const bids::Table& table, const std::string& name) {
  const std::size_t column = table.require(name);
  std::vector<double> values;
  if (table.is_numeric(column)) {
    values = table.numbers(column);
  } else {
    const std::vector<std::string> text = table.text(name);
    std::set<std::string> names(text.begin(), text.end());
    names.erase("");
    if (names.size() > 2) {
      throw Error(ErrorKind::input, table.source() + ": column " + name + " holds " +
                                        std::to_string(names.size()) +
                                        " different texts, expected numbers or two classes");
    }
    for (const std::string& value : text) {
      values.push_back(value.empty() ? std::numeric_limits<double>::quiet_NaN()
                                     : (value == *names.begin() ? 0.0 : 1.0));
    }
    int code = 0;
    for (const std::string& value : names) {
      std::cerr << "class " << code++ << " is " << bids::display(value, 200) << '\n';
    }
  }
  return Eigen::Map<const Eigen::VectorXd>(values.data(), static_cast<Eigen::Index>(values.size()));
}

using ColumnSets = std::vector<std::pair<std::string, std::vector<std::string>>>;

// NAME=COLUMN,COLUMN in the order given, then `covariates`.
ColumnSets baseline_sets(const Options& options) {
  ColumnSets sets;
  std::vector<std::string> unnamed;
  for (const std::string& word : options.baseline) {
    const std::size_t equals = word.find('=');
    if (equals == std::string::npos) {
      unnamed.push_back(word);
      continue;
    }
    std::vector<std::string> columns;
    for (std::size_t begin = equals + 1; begin <= word.size();) {
      const std::size_t end = std::min(word.find(',', begin), word.size());
      columns.push_back(word.substr(begin, end - begin));
      begin = end + 1;
    }
    sets.emplace_back(word.substr(0, equals), columns);
  }
  if (!unnamed.empty()) sets.emplace_back("covariates", unnamed);
  for (const auto& [name, columns] : sets) {
    if (std::find(columns.begin(), columns.end(), options.target) == columns.end()) continue;
    throw Error(ErrorKind::usage,
                "--baseline " + name + ": " + options.target + " is the target itself");
  }
  return sets;
}

std::vector<std::string> feature_columns(const Options& options, const bids::Table& table) {
  if (!options.features.empty()) return options.features;
  if (!options.people.empty()) { // what describes the people is not taken unasked
    std::vector<std::string> own;
    const bids::Table first = read_table(options.tables.front());
    for (const std::string& name : first.names()) {
      const std::size_t c = table.require(name);
      const bool key = name == "participant_id" || name == "session_id" || name == options.person;
      if (!key && name != options.target && name != options.site && table.is_numeric(c)) {
        own.push_back(name);
      }
    }
    return own;
  }
  std::set<std::string> other(options.groups.begin(), options.groups.end());
  for (const auto& [name, columns] : baseline_sets(options)) {
    other.insert(columns.begin(), columns.end());
  }
  other.insert(options.harmonise_covariates.begin(), options.harmonise_covariates.end());
  other.insert({options.target, options.site, options.study, options.person, "participant_id",
                "session_id"});
  std::vector<std::string> out;
  for (std::size_t c = 0; c < table.n_columns(); ++c) {
    if (table.is_numeric(c) && !other.contains(table.names()[c])) out.push_back(table.names()[c]);
  }
  return out;
}

// Levels of a text column by name; numbers in two halves at the median.
prediction::Grouping grouping_of(const bids::Table& table, const std::string& name, bool as_text) {
  prediction::Grouping out{name, {}, {}};
  const std::size_t column = table.require(name);
  if (!as_text && table.is_numeric(column)) {
    const std::vector<double> values = table.numbers(column);
    const double middle = median(values);
    out.level_names = {"up to the median", "above the median"};
    for (const double v : values) out.level.push_back(std::isnan(v) ? -1 : v > middle ? 1 : 0);
    return out;
  }
  const std::vector<std::string> text = table.text(name);
  std::set<std::string> names(text.begin(), text.end());
  names.erase("");
  out.level_names.assign(names.begin(), names.end());
  for (const std::string& value : text) {
    const auto at = names.find(value);
    out.level.push_back(at == names.end() ? -1
                                          : static_cast<int>(std::distance(names.begin(), at)));
  }
  return out;
}

std::vector<int> known_levels(const bids::Table& table, const std::string& name) {
  (void)table.require(name);
  const std::vector<std::string> text = table.text(name);
  std::vector<int> out = levels(text);
  for (std::size_t row = 0; row < text.size(); ++row) {
    if (text[row].empty()) out[row] = -1;
  }
  return out;
}

// One column per level but the first; numbers stay.
Eigen::MatrixXd baseline_columns(const bids::Table& table, const std::vector<std::string>& names) {
  std::vector<Eigen::VectorXd> columns;
  for (const std::string& name : names) {
    const std::size_t position = table.require(name);
    if (table.is_numeric(position)) {
      const std::vector<double> values = table.numbers(position);
      columns.emplace_back(Eigen::Map<const Eigen::VectorXd>(
          values.data(), static_cast<Eigen::Index>(values.size())));
      continue;
    }
    const std::vector<int> level = levels(table.text(name));
    const int n_levels = level.empty() ? 0 : *std::max_element(level.begin(), level.end()) + 1;
    for (int l = 1; l < n_levels; ++l) {
      Eigen::VectorXd indicator(static_cast<Eigen::Index>(level.size()));
      for (std::size_t row = 0; row < level.size(); ++row) {
        indicator[static_cast<Eigen::Index>(row)] = level[row] == l ? 1.0 : 0.0;
      }
      columns.push_back(indicator);
    }
  }
  Eigen::MatrixXd out(static_cast<Eigen::Index>(table.n_rows()),
                      static_cast<Eigen::Index>(columns.size()));
  for (std::size_t c = 0; c < columns.size(); ++c) {
    out.col(static_cast<Eigen::Index>(c)) = columns[c];
  }
  return out;
}

// ComBat in front of the default steps, fitted in every fold. A held-out site passes unchanged: no
// adaptation to it.
void add_harmonisation(const Options& options, const bids::Table& table,
                       prediction::Inputs& inputs) {
  if (options.harmonise == "none") return;
  if (options.site.empty()) {
    throw Error(ErrorKind::usage, "--harmonise: expected --site COLUMN as well");
  }
  for (const std::string& name : options.harmonise_covariates) {
    if (name != options.target) continue;
    throw Error(ErrorKind::usage, "--harmonise-covariates: " + name +
                                      " is the target, and the target is never a covariate of "
                                      "harmonisation");
  }
  CovariateColumns covariates = covariate_columns(table, options.harmonise_covariates);
  inputs.rows.batch = inputs.site;
  inputs.rows.covariates = std::move(covariates.x);
  inputs.rows.covariate_names = std::move(covariates.names);
  inputs.steps = prediction::default_steps();
  inputs.steps.insert(inputs.steps.begin(),
                      combat::step({.single_member = "location", .unseen = "unchanged"}));
}

void report_site(const Options& options, const prediction::Inputs& inputs) {
  if (options.site.empty()) return;
  const auto found = cohort::group_outcome(inputs.site, inputs.target);
  std::cerr << "association of " << options.site << " with " << options.target
            << ": share of variance between sites " << found.value << ", p " << found.p_value
            << ", n " << found.n << '\n';
}

prediction::Inputs read_inputs(const Options& options, const bids::Table& table) {
  prediction::Inputs inputs;
  inputs.rows.names = feature_columns(options, table);
  if (inputs.rows.names.empty()) {
    throw Error(ErrorKind::input, table.source() + ": no numeric column to predict from");
  }
  inputs.rows.x = table.matrix(inputs.rows.names);
  inputs.target = target_of(table, options.target);
  if (!options.site.empty()) {
    inputs.site = known_levels(table, options.site);
    inputs.groupings.push_back(grouping_of(table, options.site, true));
    inputs.groupings.back().name = "site";
    inputs.baselines.push_back({"site", baseline_columns(table, {options.site})});
  }
  const std::string person = !options.person.empty()       ? options.person
                             : table.has("participant_id") ? "participant_id"
                                                           : "";
  if (!person.empty()) {
    (void)table.require(person);
    inputs.person = levels(table.text(person));
  }
  if (!options.study.empty()) inputs.study = known_levels(table, options.study);
  for (const auto& [name, columns] : baseline_sets(options)) {
    inputs.baselines.push_back({name, baseline_columns(table, columns)});
  }
  for (const std::string& name : options.groups) {
    inputs.groupings.push_back(grouping_of(table, name, false));
  }
  if (!options.circuits.empty()) {
    const bids::Table circuits = read_table(options.circuits);
    const std::vector<std::string> feature = circuits.text("feature");
    const std::vector<std::string> circuit = circuits.text("circuit");
    for (std::size_t i = 0; i < feature.size(); ++i) inputs.feature_group[feature[i]] = circuit[i];
  }
  add_harmonisation(options, table, inputs);
  report_site(options, inputs);
  return inputs;
}

void run_predict(const Options& options) {
  const Context context = process_context();
  const bids::Table table = read_people_table(options.tables, options.people);
  const prediction::Inputs inputs = read_inputs(options, table);
  std::cerr << "note: a table does not tell whether its columns were standardised, harmonised or "
               "imputed on all rows; if they were, what follows is optimistic\n";
  const prediction::Outputs out = prediction::run(inputs, options.params, context);
  if (!out.not_done.empty()) throw Error(ErrorKind::gate, "not done: " + out.not_done);
  const std::filesystem::path folder(options.out);
  std::error_code failed;
  std::filesystem::create_directories(folder, failed);
  if (failed) throw Error(ErrorKind::disk, options.out + ": " + failed.message());
  write_prediction_tables(folder, table, out);
}

} // namespace

void add_predict(CLI::App& stage_app) {
  const auto options = std::make_shared<Options>();
  CLI::App* app = stage_app.add_subcommand("predict", std::string(prediction::kStage.summary));
  app->add_option("table", options->tables,
                  "a row per person or session (.tsv, .tsv.gz); of several files with the same "
                  "columns the rows of all")
      ->required();
  app->add_option("--people", options->people,
                  "more columns, joined by participant_id (and session_id): participants.tsv");
  app->add_option("--target", options->target, "column to predict: numbers, or two classes")
      ->required();
  app->add_option("--features", options->features,
                  "columns to predict from; default: every numeric column not named otherwise");
  app->add_option("--site", options->site, "column of sites");
  app->add_option("--person", options->person,
                  "column whose equal values never share training and test rows [participant_id]");
  app->add_option("--study", options->study, "column of studies, for leave_study_out");
  app->add_option("--baseline", options->baseline,
                  "what the model has to beat: NAME=COLUMN,COLUMN, e.g. age_sex=age,sex "
                  "motion=mean_fd severity=hdrs; columns without a name are `covariates`");
  app->add_option("--groups", options->groups,
                  "columns to report apart, e.g. sex age; numbers are cut at the median");
  app->add_option("--circuits", options->circuits,
                  "table of feature and circuit: contributions of each circuit per person");
  app->add_option("--harmonise", options->harmonise, "take sites out of the features in every fold")
      ->check(CLI::IsMember({"none", "combat"}))
      ->capture_default_str();
  app->add_option("--harmonise-covariates", options->harmonise_covariates,
                  "columns whose effect harmonisation keeps; never the target")
      ->delimiter(',');
  app->add_option("--out", options->out, "folder of predictions, metrics and coefficients (TSV)")
      ->required();
  add_params(*app, options->params);
  app->callback([options] { run_predict(*options); });
}

} // namespace boldmill::cli
