// boldmill stage combat TABLE.tsv --batch COLUMN [--covariates a,b] [--non-parametric] --out
// OUT.tsv
#include <algorithm>
#include <iostream>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "pipeline/bids/text.hpp"
#include "pipeline/bids/tsv.hpp"
#include "pipeline/cli/stage_command.hpp"
#include "pipeline/cli/stages/longitudinal_combat_command.hpp"
#include "pipeline/cli/stages/table_columns.hpp"
#include "pipeline/store/harmonization.hpp"
#include "stages/cohort/combat.hpp"
#include "stages/cohort/kernels/association.hpp"

namespace boldmill::cli {
namespace {

constexpr const char* kReferenceLevel = "reference_level.";

struct Options {
  std::string table, batch, reference, target, out, model, save_model;
  std::vector<std::string> covariates, columns;
  bool non_parametric = false;
  bool longitudinal = false;
  std::string person = "participant_id";
  combat::Params params;
};

std::string to_text(bool value) { return value ? "true" : "false"; }
std::string to_text(int value) { return std::to_string(value); }
std::string to_text(double value) { return bids::format_number(value); }
std::string to_text(const std::string& value) { return value; }

void from_text(const std::string& text, bool& value) { value = text == "true"; }
void from_text(const std::string& text, std::string& value) { value = text; }
template <class Number>
void from_text(const std::string& text, Number& value) {
  value = static_cast<Number>(bids::parse_number(text).value_or(static_cast<double>(value)));
}

std::vector<std::string> columns_of(const Options& options, const bids::Table& table) {
  if (!options.columns.empty()) return options.columns;
  std::set<std::string> other(options.covariates.begin(), options.covariates.end());
  other.insert({options.batch, options.target, "participant_id", "session_id"});
  std::vector<std::string> out;
  for (std::size_t c = 0; c < table.n_columns(); ++c) {
    if (table.is_numeric(c) && !other.contains(table.names()[c])) out.push_back(table.names()[c]);
  }
  if (out.empty()) throw Error(ErrorKind::input, table.source() + ": no numeric column to adjust");
  return out;
}

void report_target(const Options& options, const bids::Table& table, const std::vector<int>& id) {
  if (options.target.empty()) return;
  const std::size_t column = table.require(options.target);
  cohort::Association found;
  if (table.is_numeric(column)) {
    const std::vector<double> y = table.numbers(column);
    found = cohort::group_outcome(
        id, Eigen::Map<const Eigen::VectorXd>(y.data(), static_cast<Eigen::Index>(y.size())));
  } else {
    const Levels level = levels_of(table.text(options.target));
    found = cohort::group_class(id, level.id);
  }
  std::cerr << "association of " << options.batch << " with " << options.target << ": "
            << found.measure << ' ' << found.value << ", p " << found.p_value << ", n " << found.n
            << "\nnote: harmonisation on all rows lets the target of test rows into training rows "
               "when it differs between batches; within cross-validation use `stage predict "
               "--harmonise`\n";
}

// What the model must know of the table it came from, and the model itself.
store::HarmonizationRecord record_of(const combat::Model& model, const Options& options,
                                     const std::vector<std::string>& columns,
                                     const std::vector<std::string>& batch,
                                     const CovariateColumns& covariates) {
  store::HarmonizationRecord out;
  out.stage = combat::kStage.name;
  out.stage_version = combat::kStage.version;
  out.created_by = "boldmill " BOLDMILL_VERSION;
  for_each_field(model.params, [&](std::string_view name, const auto& value, auto&&...) {
    out.parameters.emplace_back(name, to_text(value));
  });
  for (const auto& [column, level] : covariates.reference_level) {
    out.parameters.emplace_back(kReferenceLevel + column, level);
  }
  out.column = columns;
  out.batch_column = options.batch;
  for (const int id : model.batches) out.batch.push_back(batch[static_cast<std::size_t>(id)]);
  out.n_rows.assign(model.n_rows.begin(), model.n_rows.end());
  out.reference = options.reference;
  out.covariate = covariates.names;
  out.grand_mean = model.grand_mean;
  out.pooled_sd = model.pooled_sd;
  out.coefficients = model.coefficients;
  out.location = model.gamma_star.transpose();
  out.scale = model.delta_star.transpose();
  out.location_unshrunk = model.gamma_hat.transpose();
  out.scale_unshrunk = model.delta_hat.transpose();
  out.prior.resize(model.gamma_bar.size(), 4);
  out.prior << model.gamma_bar, model.tau_squared, model.shape, model.rate;
  return out;
}

combat::Model model_of(const store::HarmonizationRecord& record, const std::string& file) {
  if (record.stage != combat::kStage.name || record.stage_version != combat::kStage.version) {
    throw Error(ErrorKind::input, file + ": found a model of " + record.stage + " " +
                                      std::to_string(record.stage_version) + ", expected " +
                                      std::string(combat::kStage.name) + " " +
                                      std::to_string(combat::kStage.version));
  }
  combat::Model out;
  for (const auto& [key, text] : record.parameters) {
    for_each_field(out.params,
                   [&key = key, &text = text](std::string_view name, auto& field, auto&&...) {
                     if (name == key) from_text(text, field);
                   });
  }
  for (std::size_t b = 0; b < record.batch.size(); ++b) {
    out.batches.push_back(static_cast<int>(b));
    if (!record.reference.empty() && record.batch[b] == record.reference) {
      out.reference = static_cast<int>(b);
    }
  }
  out.n_rows.assign(record.n_rows.begin(), record.n_rows.end());
  out.grand_mean = record.grand_mean;
  out.pooled_sd = record.pooled_sd;
  out.coefficients = record.coefficients;
  out.gamma_star = record.location.transpose();
  out.delta_star = record.scale.transpose();
  out.gamma_hat = record.location_unshrunk.transpose();
  out.delta_hat = record.scale_unshrunk.transpose();
  return out;
}

void write_table(const Options& options, const bids::Table& table,
                 const std::vector<std::string>& columns, const Eigen::MatrixXd& adjusted) {
  bids::TableWriter writer;
  for (const std::string& name : table.names()) {
    const auto found = std::find(columns.begin(), columns.end(), name);
    if (found == columns.end()) {
      writer.text(name, table.text(name));
      continue;
    }
    const Eigen::VectorXd values = adjusted.col(found - columns.begin());
    writer.numbers(name, {values.data(), static_cast<std::size_t>(values.size())});
  }
  writer.write(options.out);
}

void learn(const Options& options, const bids::Table& table, const Context& context) {
  const std::vector<std::string> columns = columns_of(options, table);
  const Eigen::MatrixXd x = table.matrix(columns);
  const Levels batch = levels_of(table.text(options.batch));
  const CovariateColumns covariates = covariate_columns(table, options.covariates);
  combat::Inputs inputs{.x = {x.data(), x.rows(), x.cols()},
                        .batch = batch.id,
                        .covariates = covariates.x,
                        .covariate_names = covariates.names,
                        .is_reference = {}};
  if (!options.reference.empty()) {
    const auto found = std::find(batch.names.begin(), batch.names.end(), options.reference);
    if (found == batch.names.end()) {
      throw Error(ErrorKind::input, table.source() + ": column " + options.batch +
                                        " has no value " + options.reference);
    }
    inputs.reference = static_cast<int>(found - batch.names.begin());
  }
  report_target(options, table, batch.id);
  const combat::Model model = combat::fit(inputs, options.params, context);
  const auto unchanged = (model.pooled_sd.array() == 0.0).count();
  std::cerr << columns.size() << " columns of " << table.n_rows() << " rows in "
            << model.batches.size() << " batches adjusted\n";
  if (unchanged > 0)
    std::cerr << unchanged << " of them have no spread inside batches: unchanged\n";
  for (std::size_t b = 0; b < model.batches.size(); ++b) {
    if (model.converged[b] != 0) continue;
    std::cerr << "batch " << bids::display(batch.names[b], 200) << ": not converged after "
              << model.iterations[b] << " iterations\n";
  }
  write_table(options, table, columns, combat::apply(model, inputs, context));
  if (options.save_model.empty()) return;
  store::write_harmonization(options.save_model,
                             record_of(model, options, columns, batch.names, covariates));
}

void apply_saved(const Options& options, const bids::Table& table, bool unseen_given,
                 const Context& context) {
  const auto record = store::read_harmonization(options.model);
  combat::Model model = model_of(record, options.model);
  if (unseen_given) {
    model.params.unseen = options.params.unseen;
    model.params.min_adapt = options.params.min_adapt;
  }
  const std::string& batch_column = options.batch.empty() ? record.batch_column : options.batch;
  const Eigen::MatrixXd x = table.matrix(record.column);
  const Levels batch = levels_of(table.text(batch_column), record.batch);
  if (batch.names.size() > record.batch.size() && model.params.unseen == "error") {
    throw Error(ErrorKind::input, table.source() + ": column " + batch_column + " holds " +
                                      bids::display(batch.names[record.batch.size()], 200) +
                                      ", which the model was not fitted on (option --unseen)");
  }
  std::map<std::string, std::string> reference_level;
  for (const auto& [key, value] : record.parameters) {
    const std::string prefix = kReferenceLevel;
    if (key.starts_with(prefix)) reference_level[key.substr(prefix.size())] = value;
  }
  const Eigen::MatrixXd covariates = covariate_columns(table, record.covariate, reference_level);
  const Eigen::MatrixXd y = combat::apply(model,
                                          {.x = {x.data(), x.rows(), x.cols()},
                                           .batch = batch.id,
                                           .covariates = covariates,
                                           .covariate_names = record.covariate,
                                           .is_reference = {}},
                                          context);
  write_table(options, table, record.column, y);
}

void learn_longitudinal(const Options& options, const bids::Table& table, const Context& context) {
  if (options.params.method != "parametric" || options.params.mean_only ||
      !options.reference.empty() || !options.save_model.empty()) {
    throw Error(ErrorKind::usage, "combat: --longitudinal is parametric, of location and scale, "
                                  "without a reference batch or a saved model");
  }
  Options others = options;
  others.covariates.push_back(options.person);
  const std::vector<std::string> columns = columns_of(others, table);
  report_target(options, table, levels_of(table.text(options.batch)).id);
  write_table(
      options, table, columns,
      longitudinal_combat_of({table, columns, options.batch, options.person, options.covariates,
                              options.params.tolerance, options.params.max_iterations},
                             context));
}

void run_combat(Options options, bool unseen_given) {
  const Context context = process_context();
  if (options.non_parametric) options.params.method = "non_parametric";
  if (options.batch.empty() && options.model.empty()) {
    throw Error(ErrorKind::usage, "combat: expected --batch COLUMN, or --model FILE of a fit");
  }
  if (std::find(options.covariates.begin(), options.covariates.end(), options.target) !=
      options.covariates.end()) {
    throw Error(ErrorKind::usage, "combat: " + options.target +
                                      " is the target, and the target is never a covariate of "
                                      "harmonisation");
  }
  const bids::Table table = bids::read_tsv(options.table);
  if (options.model.empty() && options.longitudinal) {
    learn_longitudinal(options, table, context);
  } else if (options.model.empty()) {
    learn(options, table, context);
  } else {
    apply_saved(options, table, unseen_given, context);
  }
}

} // namespace

void add_combat(CLI::App& stage_app) {
  const auto options = std::make_shared<Options>();
  CLI::App* app = stage_app.add_subcommand("combat", std::string(combat::kStage.summary));
  app->add_option("table", options->table, "a row per person or session (TSV)")->required();
  app->add_option("--batch", options->batch, "column of scanners or sites");
  app->add_option("--covariates", options->covariates,
                  "columns whose effect is kept, e.g. age,sex; text becomes indicators")
      ->delimiter(',');
  app->add_option("--columns", options->columns,
                  "columns to adjust; default: every numeric column not named otherwise")
      ->delimiter(',');
  app->add_flag("--non-parametric", options->non_parametric, "the same as --method non_parametric");
  app->add_flag("--longitudinal", options->longitudinal,
                "several sessions of a person: a random intercept for each");
  app->add_option("--person", options->person, "column of people (--longitudinal)")
      ->capture_default_str();
  app->add_option("--reference-batch", options->reference, "batch that is left as it is");
  app->add_option("--target", options->target,
                  "outcome: left alone, its association with the batch is printed");
  app->add_option("--save-model", options->save_model, "what was learned (HDF5)");
  auto* model = app->add_option("--model", options->model, "apply this model, learn nothing");
  app->add_option("--out", options->out, "the table with adjusted columns (TSV)")->required();
  add_params(*app, options->params);
  for (const char* name :
       {"--save-model", "--covariates", "--columns", "--reference-batch", "--longitudinal"}) {
    model->excludes(name);
  }
  const CLI::Option* unseen = app->get_option("--unseen");
  app->callback([options, unseen] { run_combat(*options, unseen->count() > 0); });
}

} // namespace boldmill::cli
