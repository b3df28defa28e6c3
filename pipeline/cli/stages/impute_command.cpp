// boldmill stage impute TABLE.tsv --batch COLUMN [--method pmm] [--imputations M] --out OUT.tsv
#include <algorithm>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "pipeline/bids/tsv.hpp"
#include "pipeline/cli/stage_command.hpp"
#include "pipeline/cli/stages/cohort_columns.hpp"
#include "stages/cohort/chained_imputation.hpp"
#include "stages/cohort/imputation.hpp"

namespace boldmill::cli {
namespace {

struct Options {
  std::string table, batch, train_on, target, out, mask;
  std::vector<std::string> columns;
  bool complete_case = false;
  std::string method = "pmm";
  chained_imputation::Params params;
};

std::vector<Eigen::Index> training_rows(const Options& options, const bids::Table& table) {
  const auto flag = rows_where(table, options.train_on);
  std::vector<Eigen::Index> out;
  for (std::size_t i = 0; i < table.n_rows(); ++i) {
    if (flag.empty() || flag[i] != 0) out.push_back(static_cast<Eigen::Index>(i));
  }
  return out;
}

// The table with `columns` replaced, one copy after the other, with a column `imputation` when
// there are several.
void write_completed(const Options& options, const bids::Table& table,
                     const std::vector<std::string>& columns,
                     const std::vector<Eigen::MatrixXd>& tables,
                     const std::vector<std::size_t>& rows) {
  bids::TableWriter writer;
  if (tables.size() > 1) {
    std::vector<std::int64_t> number;
    for (std::size_t m = 0; m < tables.size(); ++m) {
      number.insert(number.end(), rows.size(), static_cast<std::int64_t>(m + 1));
    }
    writer.integers("imputation", number);
  }
  for (const std::string& name : table.names()) {
    const auto found = std::find(columns.begin(), columns.end(), name);
    if (found == columns.end()) {
      const std::vector<std::string> all = table.text(name);
      std::vector<std::string> text;
      for (std::size_t m = 0; m < tables.size(); ++m) {
        for (const std::size_t row : rows) text.push_back(all[row]);
      }
      writer.text(name, text);
      continue;
    }
    std::vector<double> values;
    for (const Eigen::MatrixXd& x : tables) {
      for (const std::size_t row : rows) {
        values.push_back(x(static_cast<Eigen::Index>(row), found - columns.begin()));
      }
    }
    writer.numbers(name, values);
  }
  writer.write(options.out);
}

void write_mask(const Options& options, const bids::Table& table,
                const std::vector<std::string>& columns, const chained_imputation::Mask& imputed) {
  if (options.mask.empty()) return;
  bids::TableWriter writer;
  copy_identity(table, writer);
  for (Eigen::Index c = 0; c < imputed.cols(); ++c) {
    std::vector<std::int64_t> flag;
    for (const bool value : imputed.col(c)) flag.push_back(value ? 1 : 0);
    writer.integers(columns[static_cast<std::size_t>(c)], flag);
  }
  writer.write(options.mask);
}

void keep_complete(const Options& options, const bids::Table& table,
                   const std::vector<std::string>& columns, const Eigen::MatrixXd& x) {
  std::vector<std::size_t> rows;
  for (Eigen::Index i = 0; i < x.rows(); ++i) {
    if (!x.row(i).array().isNaN().any()) rows.push_back(static_cast<std::size_t>(i));
  }
  std::cerr << rows.size() << " of " << table.n_rows() << " rows are complete\n";
  write_completed(options, table, columns, {x}, rows);
}

void run_impute(const Options& options) {
  const bids::Table table = bids::read_tsv(options.table);
  const std::string condition = options.train_on.substr(0, options.train_on.find('='));
  const auto columns =
      measure_columns(table, options.columns, {options.batch, options.target, condition});
  if (std::find(columns.begin(), columns.end(), options.target) != columns.end()) {
    throw Error(ErrorKind::usage, "impute: " + options.target +
                                      " is the target, and the target is never part of imputation");
  }
  const Eigen::MatrixXd x = table.matrix(columns);
  if (options.complete_case) return keep_complete(options, table, columns, x);
  const std::vector<int> batch = batch_ids(table, options.batch);
  const auto rows = training_rows(options, table);
  std::vector<int> training_batch;
  for (const Eigen::Index row : rows) {
    if (!batch.empty()) training_batch.push_back(batch[static_cast<std::size_t>(row)]);
  }
  std::vector<Eigen::MatrixXd> tables;
  chained_imputation::Mask imputed = chained_imputation::Mask::Constant(x.rows(), x.cols(), false);
  const auto keep = [&](const auto& out) { // a column nobody has stays as it is
    tables.push_back(x);
    tables.back()(Eigen::all, out.columns) = out.x;
    for (std::size_t c = 0; c < out.columns.size(); ++c) {
      imputed.col(out.columns[c]) = out.imputed.col(static_cast<Eigen::Index>(c));
    }
  };
  if (options.method == "pmm") {
    const auto model = chained_imputation::fit(x(rows, Eigen::all), training_batch, options.params);
    for (int m = 0; m < options.params.imputations; ++m) {
      keep(chained_imputation::apply(model, x, batch, m));
    }
  } else {
    const auto model = imputation::fit(x(rows, Eigen::all), {.method = options.method});
    keep(imputation::apply(model, x));
  }
  const auto missing = x.array().isNaN().count();
  const auto left = tables.front().array().isNaN().count();
  std::cerr << missing - left << " of " << x.size() << " values filled, " << left
            << " stay missing (nobody of the batch has the measure)\n";
  std::vector<std::size_t> all(table.n_rows());
  for (std::size_t i = 0; i < all.size(); ++i) all[i] = i;
  write_completed(options, table, columns, tables, all);
  write_mask(options, table, columns, imputed);
}

} // namespace

void add_impute(CLI::App& stage_app) {
  const auto options = std::make_shared<Options>();
  CLI::App* app =
      stage_app.add_subcommand("impute", std::string(chained_imputation::kStage.summary));
  app->add_option("table", options->table, "a row per person (TSV)")->required();
  app->add_option("--batch", options->batch, "column of sites: donors are people of the same");
  app->add_option("--method", options->method, "pmm: a near person's value; or the centre")
      ->check(CLI::IsMember({"pmm", "median", "mean"}))
      ->capture_default_str();
  app->add_option("--columns", options->columns,
                  "measures; default: every numeric column not named otherwise")
      ->delimiter(',');
  app->add_option("--target", options->target, "outcome: left alone");
  app->add_option("--train-on", options->train_on,
                  "rows that are learned from, COLUMN=VALUE; default: all");
  app->add_flag("--complete-case", options->complete_case,
                "fill nothing: keep the rows that have every measure");
  app->add_option("--mask", options->mask, "1 where a value was filled (TSV)");
  app->add_option("--out", options->out, "the table without holes (TSV)")->required();
  add_params(*app, options->params);
  app->callback([options] { run_impute(*options); });
}

} // namespace boldmill::cli
