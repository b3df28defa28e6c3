// boldmill stage group_statistics TABLE.tsv --group COLUMN --reference LEVEL --symptoms a,b
// --covariates age,sex --site COLUMN --out OUT.tsv
#include <algorithm>
#include <iostream>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "pipeline/bids/text.hpp"
#include "pipeline/bids/tsv.hpp"
#include "pipeline/cli/stage_command.hpp"
#include "pipeline/cli/stages/people_table.hpp"
#include "pipeline/cli/stages/table_columns.hpp"
#include "pipeline/graph/cohort_terms.hpp"
#include "stages/cohort/group_statistics.hpp"

namespace boldmill::cli {
namespace {

struct Options {
  std::vector<std::string> tables;
  std::string people, group, reference, site, person = "participant_id", out;
  std::vector<std::string> symptoms, covariates, measures;
  group_statistics::Params params;
};

std::vector<std::string> measure_columns(const Options& options, const bids::Table& table) {
  if (!options.measures.empty()) return options.measures;
  std::set<std::string> other(options.covariates.begin(), options.covariates.end());
  other.insert(options.symptoms.begin(), options.symptoms.end());
  other.insert({options.group, options.site, options.person, "participant_id", "session_id"});
  std::vector<std::string> out;
  for (std::size_t c = 0; c < table.n_columns(); ++c) {
    if (table.is_numeric(c) && !other.contains(table.names()[c])) out.push_back(table.names()[c]);
  }
  return out;
}

group_statistics::Inputs read_inputs(const Options& options, const bids::Table& table) {
  group_statistics::Inputs in;
  in.names = measure_columns(options, table);
  if (in.names.empty()) {
    throw Error(ErrorKind::input, table.source() + ": no numeric column is left to test, name "
                                                   "some with --measures");
  }
  in.y = table.matrix(in.names);
  in.covariates = covariate_columns(table, options.covariates).x;
  if (!options.group.empty()) {
    (void)table.require(options.group);
    const auto terms =
        graph::group_terms(options.group, table.text(options.group), {options.reference});
    in.terms.insert(in.terms.end(), terms.begin(), terms.end());
  }
  for (const std::string& name : options.symptoms) {
    const std::vector<double> values = table.numbers(name);
    in.terms.push_back({name, false,
                        Eigen::Map<const Eigen::VectorXd>(
                            values.data(), static_cast<Eigen::Index>(values.size()))});
  }
  if (in.terms.empty()) {
    throw Error(ErrorKind::usage, "group_statistics: expected --group or --symptoms");
  }
  if (!options.site.empty()) {
    (void)table.require(options.site);
    in.site = levels_of(table.text(options.site)).id;
  }
  if (table.has(options.person)) in.person = levels_of(table.text(options.person)).id;
  return in;
}

void run_group_statistics(const Options& options) {
  const bids::Table table = read_people_table(options.tables, options.people);
  const group_statistics::Inputs in = read_inputs(options, table);
  const auto out = group_statistics::run(in, options.params, process_context());
  const auto columns = graph::statistics_columns(out.results);
  bids::TableWriter writer;
  for (const auto& column : columns) {
    if (column.is_text) {
      writer.text(column.name, column.text);
    } else {
      writer.numbers(column.name, std::span<const double>(column.number));
    }
  }
  writer.write(options.out);
  const auto untested = std::count_if(out.results.begin(), out.results.end(),
                                      [](const auto& r) { return !r.reason.empty(); });
  std::cerr << in.terms.size() << " terms x " << in.names.size() << " columns, " << untested
            << " not tested (column reason)\n";
}

} // namespace

void add_group_statistics(CLI::App& stage_app) {
  const auto options = std::make_shared<Options>();
  CLI::App* app = stage_app.add_subcommand(std::string(group_statistics::kStage.name),
                                           std::string(group_statistics::kStage.summary));
  app->add_option("tables", options->tables,
                  "a row per person (TSV, may be gzipped); several files have the same columns")
      ->required();
  app->add_option("--people", options->people, "a table joined by participant_id");
  app->add_option("--group", options->group, "column of groups: each against the reference");
  app->add_option("--reference", options->reference,
                  "value of the reference group; default: the first in bytewise order");
  app->add_option("--symptoms", options->symptoms, "numeric columns that measures may go with")
      ->delimiter(',');
  app->add_option("--covariates", options->covariates, "numbers, or text as indicators")
      ->delimiter(',');
  app->add_option("--measures", options->measures,
                  "columns to test; default: every numeric column that is not named otherwise")
      ->delimiter(',');
  app->add_option("--site", options->site, "column of sites: residuals are exchanged inside them");
  app->add_option("--person", options->person, "column that tells people apart: each counts once")
      ->capture_default_str();
  app->add_option("--out", options->out, "a row per term and column (TSV)")->required();
  add_params(*app, options->params);
  app->callback([options] { run_group_statistics(*options); });
}

} // namespace boldmill::cli
