// boldmill stage predict TABLE.tsv... [--people PEOPLE.tsv] --target COLUMN --model elastic_net
// --cv leave_site_out --out DIR
#include <algorithm>
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
#include "pipeline/cli/stages/table_columns.hpp"
#include "stages/cohort/combat.hpp"
#include "stages/cohort/kernels/association.hpp"
#include "stages/cohort/penalised_regression.hpp"

namespace boldmill::cli {
namespace {

namespace prediction = penalised_regression;

struct Options {
  std::vector<std::string> tables;
  std::string people, target, site, person, out;
  std::string model = "elastic_net";
  std::string harmonise = "none";
  std::vector<std::string> features, baseline, harmonise_covariates;
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
  std::set<std::string> other(options.baseline.begin(), options.baseline.end());
  other.insert(options.harmonise_covariates.begin(), options.harmonise_covariates.end());
  other.insert({options.target, options.site, options.person, "participant_id", "session_id"});
  std::vector<std::string> out;
  for (std::size_t c = 0; c < table.n_columns(); ++c) {
    if (table.is_numeric(c) && !other.contains(table.names()[c])) out.push_back(table.names()[c]);
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
  inputs.rows.covariates = std::move(covariates.x);
  inputs.rows.covariate_names = std::move(covariates.names);
  inputs.steps = prediction::default_steps();
  inputs.steps.insert(inputs.steps.begin(),
                      combat::step({.single_member = "location", .unseen = "unchanged"}));
}

void report_site(const Options& options, const prediction::Inputs& inputs) {
  if (options.site.empty()) return;
  const auto found = cohort::group_outcome(inputs.rows.batch, inputs.target);
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
    (void)table.require(options.site);
    const std::vector<std::string> site = table.text(options.site);
    inputs.rows.batch = levels(site);
    for (std::size_t row = 0; row < site.size(); ++row) {
      if (site[row].empty()) inputs.rows.batch[row] = -1;
    }
    inputs.baselines.push_back({"site", baseline_columns(table, {options.site})});
  }
  const std::string person = !options.person.empty()       ? options.person
                             : table.has("participant_id") ? "participant_id"
                                                           : "";
  if (!person.empty()) {
    (void)table.require(person);
    inputs.person = levels(table.text(person));
  }
  if (!options.baseline.empty()) {
    inputs.baselines.push_back({"covariates", baseline_columns(table, options.baseline)});
  }
  add_harmonisation(options, table, inputs);
  report_site(options, inputs);
  return inputs;
}

std::span<const double> view(const Eigen::VectorXd& values) {
  return {values.data(), static_cast<std::size_t>(values.size())};
}

void write_predictions(const std::filesystem::path& file, const bids::Table& table,
                       const prediction::Outputs& out) {
  bids::TableWriter writer;
  if (table.has("participant_id")) writer.text("participant_id", table.text("participant_id"));
  writer.numbers("y", view(out.y))
      .numbers(out.binary ? "probability" : "prediction", view(out.prediction));
  const auto n = static_cast<Eigen::Index>(out.abstain.size());
  if (out.binary) {
    for (int label = 0; label < 2; ++label) {
      std::vector<std::int64_t> inside;
      for (Eigen::Index i = 0; i < n; ++i) inside.push_back(out.set(i, label));
      writer.integers("set_" + std::to_string(label), inside);
    }
  } else {
    writer.numbers("lower", view(out.lower)).numbers("upper", view(out.upper));
  }
  const std::vector<std::int64_t> abstain(out.abstain.begin(), out.abstain.end());
  writer.integers("abstain", abstain);
  for (Eigen::Index r = 0; r < out.fold.rows(); ++r) {
    const Eigen::VectorXi row = out.fold.row(r);
    const std::vector<std::int64_t> fold(row.begin(), row.end());
    writer.integers("fold_" + std::to_string(r), fold);
  }
  writer.write(file);
}

void write_metrics(const std::filesystem::path& file, const prediction::Outputs& out) {
  std::vector<std::string> names, methods, kinds;
  std::vector<double> value, lower, upper, p;
  std::vector<std::vector<double>> baseline(out.baseline_names.size());
  for (const auto& metric : out.metrics) {
    const bool primary = names.empty();
    names.push_back(metric.name);
    value.push_back(metric.value);
    lower.push_back(metric.lower);
    upper.push_back(metric.upper);
    methods.push_back(out.interval_method);
    p.push_back(primary ? out.p_value : std::numeric_limits<double>::quiet_NaN());
    kinds.push_back(primary ? out.permutation_kind : "");
    for (std::size_t b = 0; b < baseline.size(); ++b) baseline[b].push_back(metric.baseline[b]);
  }
  bids::TableWriter writer;
  writer.text("metric", names).numbers("value", value).numbers("lower", lower);
  writer.numbers("upper", upper).numbers("p_permutation", p).text("permutation", kinds);
  for (std::size_t b = 0; b < baseline.size(); ++b) {
    writer.numbers("baseline_" + out.baseline_names[b], baseline[b]);
  }
  writer.text("interval", methods).write(file);
}

void write_coefficients(const std::filesystem::path& file, const prediction::Outputs& out) {
  bids::TableWriter writer;
  writer.text("feature", out.feature_names).numbers("coefficient", view(out.coefficient));
  writer.numbers("fold_mean", view(out.coefficient_fold_mean));
  writer.numbers("fold_sd", view(out.coefficient_fold_sd)).write(file);
}

void run_predict(Options options) {
  const Context context = process_context();
  if (options.model == "ridge") options.params.alphas = {0.0};
  if (options.model == "lasso") options.params.alphas = {1.0};
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
  write_predictions(folder / "predictions.tsv", table, out);
  write_metrics(folder / "metrics.tsv", out);
  write_coefficients(folder / "coefficients.tsv", out);
  if (!out.null.empty()) {
    bids::TableWriter()
        .numbers(out.metrics[0].name, out.null)
        .write(folder / "permutation_null.tsv");
  }
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
  app->add_option("--model", options->model, "elastic_net tries `alphas`; ridge and lasso fix them")
      ->check(CLI::IsMember({"elastic_net", "ridge", "lasso"}))
      ->capture_default_str();
  app->add_option("--features", options->features,
                  "columns to predict from; default: every numeric column not named otherwise");
  app->add_option("--site", options->site, "column of sites");
  app->add_option("--person", options->person,
                  "column whose equal values never share training and test rows [participant_id]");
  app->add_option("--baseline", options->baseline, "columns of the model to beat, e.g. age sex");
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
