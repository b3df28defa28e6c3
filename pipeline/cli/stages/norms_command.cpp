// boldmill stage norms TABLE.tsv --age age --covariates sex,mean_fd --site site
// [--reference COLUMN=VALUE] [--test TEST.tsv] [--save-model M.json | --model M.json] --out DIR
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
#include "pipeline/cli/stage_command.hpp"
#include "pipeline/cli/stages/cohort_columns.hpp"
#include "pipeline/cli/stages/norms_model_file.hpp"
#include "pipeline/cli/stages/people_table.hpp"
#include "pipeline/cli/stages/table_columns.hpp"
#include "stages/cohort/kernels/calibration.hpp"

namespace boldmill::cli {
namespace {

namespace fs = std::filesystem;
namespace norms = normative_model;

const std::vector<double> kCentiles = {0.025, 0.05, 0.25, 0.5, 0.75, 0.95, 0.975};

struct Options {
  std::string table, site, reference, test, model, save_model, out;
  std::vector<std::string> measures, covariates;
  norms::Params params;
};

NormsFile learn(const Options& options, const bids::Table& table, const Context& context) {
  NormsFile file;
  if (table.has(options.params.age)) file.covariate_columns.push_back(options.params.age);
  for (const std::string& name : options.covariates) {
    if (name != options.params.age) file.covariate_columns.push_back(name);
  }
  file.batch_column = options.site;
  std::set<std::string> other(file.covariate_columns.begin(), file.covariate_columns.end());
  other.insert({options.site, options.reference.substr(0, options.reference.find('='))});
  norms::Inputs inputs;
  inputs.names = measure_columns(table, options.measures, other);
  const CovariateColumns covariates = covariate_columns(table, file.covariate_columns);
  file.reference_level.assign(covariates.reference_level.begin(), covariates.reference_level.end());
  inputs.covariate_names = covariates.names;
  const auto flag = rows_where(table, options.reference);
  std::vector<Eigen::Index> rows;
  for (std::size_t i = 0; i < table.n_rows(); ++i) {
    if (flag.empty() || flag[i] != 0) rows.push_back(static_cast<Eigen::Index>(i));
  }
  inputs.x = table.matrix(inputs.names)(rows, Eigen::all);
  inputs.covariates = covariates.x(rows, Eigen::all);
  if (!options.site.empty()) { // ids of the sites that reference people come from
    (void)table.require(options.site);
    const std::vector<std::string> all = table.text(options.site);
    std::vector<std::string> own;
    for (const Eigen::Index row : rows) own.push_back(all[static_cast<std::size_t>(row)]);
    const Levels levels = levels_of(own);
    inputs.batch = levels.id;
    file.batch = levels.names;
  }
  file.model = norms::fit(inputs, options.params, context);
  file.row_digest = row_digests(inputs.x);
  return file;
}

norms::Inputs rows_of(const NormsFile& file, const bids::Table& table) {
  norms::Inputs out;
  out.names = file.model.names;
  out.x = table.matrix(out.names);
  out.covariate_names = file.model.covariate_names;
  out.covariates = covariate_columns(table, out.covariate_names,
                                     {file.reference_level.begin(), file.reference_level.end()});
  if (!file.batch_column.empty()) {
    (void)table.require(file.batch_column);
    out.batch = levels_of(table.text(file.batch_column), file.batch).id;
  }
  return out;
}

void write_matrix(const Options& options, const bids::Table& table, const NormsFile& file,
                  const Eigen::MatrixXd& values, const char* name) {
  bids::TableWriter writer;
  copy_identity(table, writer);
  for (std::size_t c = 0; c < file.model.names.size(); ++c) {
    const Eigen::VectorXd column = values.col(static_cast<Eigen::Index>(c));
    writer.numbers(file.model.names[c], {column.data(), static_cast<std::size_t>(column.size())});
  }
  writer.write(fs::path(options.out) / name);
}

// Of rows that the model was not learned from, unless there are no others.
void write_calibration(const Options& options, const NormsFile& file, const Eigen::MatrixXd& z) {
  bids::TableWriter writer;
  std::vector<std::int64_t> n;
  std::map<std::string, std::vector<double>> columns;
  std::vector<std::string> order;
  const auto add = [&](const std::string& name, double value) {
    if (!columns.contains(name)) order.push_back(name);
    columns[name].push_back(value);
  };
  for (std::size_t m = 0; m < file.model.names.size(); ++m) {
    const auto found = cohort::calibration(z.col(static_cast<Eigen::Index>(m)), kCentiles);
    n.push_back(found.n);
    add("mean", found.mean);
    add("sd", found.sd);
    add("skewness", found.skewness);
    add("excess_kurtosis", found.excess_kurtosis);
    add("ks", found.ks);
    add("p_ks", found.ks_p);
    for (std::size_t c = 0; c < kCentiles.size(); ++c) {
      add("under_" + bids::format_number(kCentiles[c]), found.coverage[c]);
    }
  }
  writer.text("measure", file.model.names).integers("n", n);
  for (const std::string& name : order) writer.numbers(name, columns[name]);
  writer.write(fs::path(options.out) / "calibration.tsv");
}

void score(const Options& options, const NormsFile& file, const bids::Table& table,
           const Context& context) {
  const norms::Inputs rows = rows_of(file, table);
  norms::Outputs out = norms::apply(file.model, rows, context);
  write_matrix(options, table, file, out.z, "z.tsv");
  write_matrix(options, table, file, out.centile, "centile.tsv");
  write_matrix(options, table, file, out.z_se, "z_se.tsv");
  write_matrix(options, table, file, out.expected, "expected.tsv");
  const std::set<std::string> known(file.row_digest.begin(), file.row_digest.end());
  const auto digest = row_digests(rows.x);
  std::vector<std::int64_t> outside(out.age_outside.begin(), out.age_outside.end());
  std::vector<std::int64_t> new_site(out.new_batch.begin(), out.new_batch.end());
  std::vector<std::int64_t> in_reference;
  for (const std::string& one : digest) in_reference.push_back(known.contains(one) ? 1 : 0);
  bids::TableWriter people;
  copy_identity(table, people);
  people.integers("age_outside_reference", outside).integers("new_site", new_site);
  people.integers("in_reference", in_reference).write(fs::path(options.out) / "people.tsv");
  const auto twice = std::count(in_reference.begin(), in_reference.end(), 1);
  const bool out_of_sample = twice < static_cast<std::ptrdiff_t>(in_reference.size());
  for (std::size_t i = 0; i < in_reference.size(); ++i) {
    if (out_of_sample && in_reference[i] != 0) {
      out.z.row(static_cast<Eigen::Index>(i)).setConstant(std::numeric_limits<double>::quiet_NaN());
    }
  }
  write_calibration(options, file, out.z);
  std::cerr << table.n_rows() << " rows scored, " << twice
            << " of them with the measures of a reference row"
            << (out_of_sample ? ": left out of calibration.tsv\n"
                              : ": calibration.tsv is inside the sample\n");
  std::cerr << std::count(new_site.begin(), new_site.end(), 1) << " of a new site, "
            << std::count(outside.begin(), outside.end(), 1)
            << " outside the ages of the reference\n";
}

void run_norms(const Options& options) {
  const Context context = process_context();
  const bids::Table table = read_table(options.table);
  make_folder(options.out);
  const NormsFile file =
      options.model.empty() ? learn(options, table, context) : read_norms(options.model);
  if (options.model.empty()) {
    std::ptrdiff_t without = 0;
    std::ptrdiff_t open = 0;
    for (const auto& measure : file.model.measures) {
      without += measure.scale > 0.0 ? 0 : 1;
      open += measure.scale > 0.0 && !measure.fitted.converged ? 1 : 0;
    }
    std::cerr << file.model.names.size() << " measures of " << file.row_digest.size()
              << " reference people; " << without << " without a norm, " << open
              << " not converged\n";
  }
  if (!options.save_model.empty()) write_norms(options.save_model, file);
  score(options, file, options.test.empty() ? table : read_table(options.test), context);
}

} // namespace

void add_norms(CLI::App& stage_app) {
  const auto options = std::make_shared<Options>();
  CLI::App* app = stage_app.add_subcommand("norms", std::string(norms::kStage.summary));
  app->add_option("table", options->table,
                  "a row per person (TSV); with --model the people to score")
      ->required();
  app->add_option("--covariates", options->covariates,
                  "columns beside age, e.g. sex,mean_fd; text becomes indicators")
      ->delimiter(',');
  app->add_option("--site", options->site, "column of sites, random effects");
  app->add_option("--measures", options->measures,
                  "columns that get norms; default: every numeric column not named otherwise")
      ->delimiter(',');
  app->add_option("--reference", options->reference,
                  "COLUMN=VALUE of the people who are the norm; default: all");
  app->add_option("--test", options->test, "score these people instead of the table's (TSV)");
  auto* save = app->add_option("--save-model", options->save_model, "what was learned (JSON)");
  auto* model = app->add_option("--model", options->model, "apply this model, learn nothing");
  app->add_option("--out", options->out, "folder of z, centiles and their calibration")->required();
  add_params(*app, options->params);
  model->excludes(save)->excludes("--test");
  app->callback([options] { run_norms(*options); });
}

} // namespace boldmill::cli
