// boldmill stage treatment TABLE.tsv --outcome fu --baseline bl --arm arm --study study
// --randomised STUDY --day day --predictors a,b --out DIR
#include <chrono>
#include <cmath>
#include <filesystem>
#include <iostream>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "pipeline/bids/text.hpp"
#include "pipeline/bids/tsv.hpp"
#include "pipeline/cli/stage_command.hpp"
#include "pipeline/cli/stages/people_table.hpp"
#include "pipeline/cli/stages/table_columns.hpp"
#include "pipeline/graph/cohort_terms.hpp"
#include "stages/cohort/imputation.hpp"
#include "stages/cohort/standardisation.hpp"
#include "stages/cohort/treatment.hpp"

namespace boldmill::cli {
namespace {

struct Options {
  std::vector<std::string> tables;
  std::string people, outcome, baseline, arm, study, day, scan_date, start_date, index_session,
      biotype, out;
  std::vector<std::string> randomised, covariates, predictors, tested, contrasts;
  treatment::Params params;
};

Eigen::VectorXd numbers(const bids::Table& table, const std::string& name) {
  const std::vector<double> values = table.numbers(name);
  return Eigen::Map<const Eigen::VectorXd>(values.data(), static_cast<Eigen::Index>(values.size()));
}

// Days since 1970 of YYYY-MM-DD (a time of day may follow); NaN when missing.
double day_number(const bids::Table& table, const std::string& column, std::size_t row) {
  const std::string text(table.cell(row, table.require(column)));
  if (text.empty() || text == "n/a") return std::numeric_limits<double>::quiet_NaN();
  const auto part = [&](std::size_t at, std::size_t n) {
    return bids::parse_number(text.size() >= 10 ? text.substr(at, n) : "");
  };
  const auto year = part(0, 4), month = part(5, 2), day = part(8, 2);
  if (year && month && day) {
    const std::chrono::year_month_day date{std::chrono::year(static_cast<int>(*year)),
                                           std::chrono::month(static_cast<unsigned>(*month)),
                                           std::chrono::day(static_cast<unsigned>(*day))};
    if (date.ok()) {
      return static_cast<double>(std::chrono::sys_days(date).time_since_epoch().count());
    }
  }
  throw Error(ErrorKind::input, table.source() + ", line " + std::to_string(table.line(row)) +
                                    ": " + column + ": found " + bids::display(text, 40) +
                                    ", expected YYYY-MM-DD");
}

// Day of the predictors, 0 the start of treatment.
Eigen::VectorXd days_of(const Options& options, const bids::Table& table) {
  if (!options.day.empty()) return numbers(table, options.day);
  if (options.scan_date.empty() != options.start_date.empty()) {
    throw Error(ErrorKind::usage, "treatment: --scan-date and --start-date go together");
  }
  if (options.scan_date.empty() && options.index_session.empty()) {
    throw Error(ErrorKind::usage,
                "treatment: whether predictors precede treatment is not known: expected --day, "
                "--scan-date with --start-date, or --index-session");
  }
  if (options.scan_date.empty()) return {};
  Eigen::VectorXd out(static_cast<Eigen::Index>(table.n_rows()));
  for (std::size_t row = 0; row < table.n_rows(); ++row) {
    out[static_cast<Eigen::Index>(row)] =
        day_number(table, options.scan_date, row) - day_number(table, options.start_date, row);
  }
  return out;
}

int level_of(const Levels& levels, const std::string& name, const std::string& what) {
  for (std::size_t i = 0; i < levels.names.size(); ++i) {
    if (levels.names[i] == name) return static_cast<int>(i);
  }
  throw Error(ErrorKind::usage, what + ": the table has no " + bids::display(name));
}

void read_arms(const Options& options, const bids::Table& table, treatment::Inputs& in) {
  const Levels arm = levels_of(table.text(options.arm));
  in.arm = arm.id;
  in.arm_name = arm.names;
  const Levels study = options.study.empty() ? Levels{std::vector<int>(table.n_rows(), 0), {"all"}}
                                             : levels_of(table.text(options.study));
  in.study = study.id;
  in.study_name = study.names;
  in.randomised.assign(study.names.size(), 0);
  for (const std::string& name : options.randomised) {
    in.randomised[static_cast<std::size_t>(level_of(study, name, "--randomised"))] = 1;
  }
  for (const std::string& pair : options.contrasts) {
    const std::size_t colon = pair.find(':');
    if (colon == std::string::npos) {
      throw Error(ErrorKind::usage,
                  "--contrast: found " + bids::display(pair) + ", expected ARM_A:ARM_B");
    }
    in.contrasts.push_back({level_of(arm, pair.substr(0, colon), "--contrast"),
                            level_of(arm, pair.substr(colon + 1), "--contrast")});
  }
  if (options.index_session.empty()) return;
  const std::vector<std::string> session = table.text("session_id");
  for (std::size_t row = 0; row < session.size(); ++row) {
    if (session[row] != options.index_session) in.arm[row] = -1;
  }
}

treatment::Inputs read_inputs(const Options& options, const bids::Table& table) {
  treatment::Inputs in;
  in.outcome = numbers(table, options.outcome);
  if (!options.baseline.empty()) in.baseline = numbers(table, options.baseline);
  in.day = days_of(options, table);
  (void)table.require(options.arm);
  if (!options.study.empty()) (void)table.require(options.study);
  if (!options.index_session.empty()) (void)table.require("session_id");
  read_arms(options, table, in);
  in.covariates = covariate_columns(table, options.covariates).x;
  if (!options.predictors.empty()) in.rows.x = table.matrix(options.predictors);
  in.rows.names = options.predictors;
  in.tested_name = options.tested.empty() ? options.predictors : options.tested;
  if (!in.tested_name.empty()) in.tested = table.matrix(in.tested_name);
  if (!options.biotype.empty()) {
    (void)table.require(options.biotype);
    const Levels biotype = levels_of(table.text(options.biotype));
    in.biotype = biotype.id;
    in.biotype_name = biotype.names;
  }
  if (table.has("participant_id")) in.person = levels_of(table.text("participant_id")).id;
  in.steps = {imputation::step({}), standardisation::step({})};
  return in;
}

void run_treatment(const Options& options) {
  const bids::Table table = read_people_table(options.tables, options.people);
  const treatment::Inputs in = read_inputs(options, table);
  const auto out = treatment::run(in, options.params, process_context());
  const std::filesystem::path folder(options.out);
  std::error_code failed;
  std::filesystem::create_directories(folder, failed);
  if (failed) throw Error(ErrorKind::disk, options.out + ": " + failed.message());
  for (const auto& record : graph::treatment_tables(in, out)) {
    bids::TableWriter writer;
    if (record.axis == "row" && table.has("participant_id")) {
      writer.text("participant_id", table.text("participant_id"));
    }
    for (const auto& column : record.columns) {
      if (column.is_text) {
        writer.text(column.name, column.text);
      } else {
        writer.numbers(column.name, std::span<const double>(column.number));
      }
    }
    writer.write(folder / (record.path.substr(record.path.find('/') + 1) + ".tsv"));
  }
  std::size_t taken = 0;
  for (const std::string& why : out.left_out) taken += why.empty() ? 1 : 0;
  std::cerr << taken << " of " << table.n_rows() << " rows take part (people.tsv: left_out)\n";
  for (const auto& policy : out.policies) {
    if (!policy.reason.empty()) std::cerr << "no rule: " << policy.reason << '\n';
  }
  std::cerr << "research use only: rules are not for decisions about a person\n";
}

} // namespace

void add_treatment(CLI::App& stage_app) {
  const auto options = std::make_shared<Options>();
  Options& o = *options;
  CLI::App* app = stage_app.add_subcommand(std::string(treatment::kStage.name),
                                           std::string(treatment::kStage.summary));
  app->add_option("tables", o.tables, "a row per person at the index session (TSV)")->required();
  app->add_option("--people", o.people, "a table joined by participant_id");
  app->add_option("--outcome", o.outcome, "severity at follow-up, missing allowed")->required();
  app->add_option("--baseline", o.baseline, "severity before treatment");
  app->add_option("--arm", o.arm, "treatment received")->required();
  app->add_option("--study", o.study, "study; without it all people are of study \"all\"");
  app->add_option("--randomised", o.randomised, "studies that drew the arm by lot")->delimiter(',');
  app->add_option("--day", o.day, "day of the predictors, 0 the start of treatment");
  app->add_option("--scan-date", o.scan_date, "YYYY-MM-DD, in place of --day");
  app->add_option("--start-date", o.start_date, "YYYY-MM-DD of the start of treatment");
  app->add_option("--index-session", o.index_session, "session_id that precedes treatment");
  app->add_option("--biotype", o.biotype, "column of biotypes");
  app->add_option("--covariates", o.covariates, "numbers, or text as indicators")->delimiter(',');
  app->add_option("--predictors", o.predictors, "raw measures that rules may use")->delimiter(',');
  app->add_option("--tested", o.tested, "columns of interactions; default: the predictors")
      ->delimiter(',');
  app->add_option("--contrast", o.contrasts,
                  "ARM_A:ARM_B, repeatable; default: all pairs of a study");
  app->add_option("--out", o.out, "folder of the tables")->required();
  add_params(*app, o.params);
  app->callback([options] { run_treatment(*options); });
}

} // namespace boldmill::cli
