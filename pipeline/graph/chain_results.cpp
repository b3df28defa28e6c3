// What imputation and harmonisation make of a cohort, and of new people by a model file.
#include <algorithm>
#include <cmath>
#include <limits>

#include "pipeline/graph/cohort_chain.hpp"
#include "pipeline/graph/session_harmonisation.hpp"
#include "stages/cohort/kernels/association.hpp"

namespace boldmill::graph {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
using Text = std::vector<std::string>;

// Rows of the model's batches harmonised; of others unchanged, or missing when that is refused.
void apply_to(const combat::Model& model, const std::string& column, const cohort::Rows& rows,
              store::MeasuresTable& measures, const Context& context) {
  combat::Model lenient = model;
  lenient.params.unseen = "unchanged"; // refusal is ours: a row of it, not all of them
  const Eigen::MatrixXd x = combat::apply(lenient, combat_inputs(rows), context);
  for (Eigen::Index row = 0; row < x.rows(); ++row) {
    const int id = rows.batch[static_cast<std::size_t>(row)];
    const auto found = std::find(model.batches.begin(), model.batches.end(), id);
    const bool known = found != model.batches.end();
    for (Eigen::Index c = 0; c < x.cols(); ++c) {
      double& value = measures.table.value(row, c);
      if (!known && model.params.unseen == "error" && !std::isnan(value)) {
        value = kNaN;
        measures.reason[static_cast<std::size_t>(row)][static_cast<std::size_t>(c)] =
            column + " is not among those that harmonisation learned";
        continue;
      }
      if (std::isnan(value)) continue;
      value = x(row, c);
      if (std::isnan(value)) {
        measures.reason[static_cast<std::size_t>(row)][static_cast<std::size_t>(c)] =
            "nobody of this " + column + " had it when harmonisation was learned";
      }
      if (!known || !(model.pooled_sd[c] > 0.0) || measures.table.se.size() == 0) continue;
      measures.table.se(row, c) /=
          std::sqrt(model.delta_star(c, found - model.batches.begin())); // y' is linear in y
    }
  }
}

// How much of every target, group and covariate the site alone explains.
void add_site_association(const store::ParticipantsTable& people, const ChainTable& table,
                          const config::Config& config, store::CohortResults& results) {
  Text names = config.cohort.targets;
  for (const std::string& name : {config.trial.outcome, config.input.group_column,
                                  config.cohort.age_column, config.cohort.sex_column}) {
    if (!name.empty() && std::find(names.begin(), names.end(), name) == names.end()) {
      names.push_back(name);
    }
  }
  store::TableColumn column{"column", "of participants.tsv", true, {}, {}};
  store::TableColumn measure{"measure",
                             "eta_squared: share of the variance between sites; cramers_v of text",
                             true,
                             {},
                             {}};
  store::TableColumn value{"value", "0 none, 1 complete", false, {}, {}};
  store::TableColumn p{"p", "of no association: F test, chi-square", false, {}, {}};
  store::TableColumn n{"n", "people", false, {}, {}};
  std::vector<int> site;
  for (const Eigen::Index row : table.learners) {
    site.push_back(table.rows.batch[static_cast<std::size_t>(row)]);
  }
  for (const std::string& name : names) {
    const Text* values = column_of(people, name);
    if (values == nullptr || name == table.column) continue;
    Text own;
    for (const Eigen::Index row : table.learners) {
      own.push_back((*values)[static_cast<std::size_t>(row)]);
    }
    const std::vector<double> numbers = store::as_numbers(own);
    bool numeric = true;
    for (std::size_t i = 0; i < own.size(); ++i) {
      numeric = numeric && (own[i].empty() || !std::isnan(numbers[i]));
    }
    const cohort::Association found =
        numeric ? cohort::group_outcome(
                      site, Eigen::Map<const Eigen::VectorXd>(
                                numbers.data(), static_cast<Eigen::Index>(numbers.size())))
                : cohort::group_class(site, levels_of(own).number);
    column.text.push_back(name);
    measure.text.push_back(found.measure);
    value.number.push_back(found.value);
    p.number.push_back(found.p_value);
    n.number.push_back(found.n);
  }
  if (column.text.empty()) return;
  results.tables.push_back(
      {"site_association",
       "tested_column",
       "what " + table.column +
           " alone explains: where it is large, harmonisation removes signal "
           "or lets it leak",
       "",
       {std::move(column), std::move(measure), std::move(value), std::move(p), std::move(n)}});
}

std::vector<std::int32_t> known_rows(const combat::Model& model, const std::vector<int>& batch) {
  std::vector<std::int32_t> out;
  for (const int id : batch) {
    out.push_back(
        std::find(model.batches.begin(), model.batches.end(), id) != model.batches.end() ? 1 : 0);
  }
  return out;
}

// Column of a table that is to be found again by its name.
void put_back(const cohort::Rows& done, const Text& names, Eigen::Ref<Eigen::MatrixXd> out) {
  for (std::size_t c = 0; c < done.names.size(); ++c) {
    const auto at = std::find(names.begin(), names.end(), done.names[c]) - names.begin();
    out.col(at) = done.x.col(static_cast<Eigen::Index>(c));
  }
}

// A completed value in place of a measure; its error is not known where it was missing.
void replace(double value, bool filled, Eigen::Index row, Eigen::Index column,
             store::MeasuresTable& measures) {
  measures.table.value(row, column) = value;
  if (filled) {
    measures.reason[static_cast<std::size_t>(row)][static_cast<std::size_t>(column)] = "";
  }
}

void add_completed(const ChainTable& table, const config::Config& config,
                   ComparableMeasures& comparable, store::CohortResults& results) {
  const Eigen::Index n = table.rows.x.rows();
  const bool chained = config.cohort.imputation != "median";
  const int m = chained ? config.chained_imputation.imputations : 1;
  const bool scored = config.cohort.scores_from == "imputed";
  Eigen::MatrixXd all = Eigen::MatrixXd::Constant(n * m, table.rows.x.cols(), kNaN);
  for (int i = 0; i < m; ++i) {
    const LearnedChain chain =
        learn_chain(table.rows.select(table.learners), chain_choice(table, config, i), config);
    put_back(apply_chain(chain, table.rows), table.rows.names, all.middleRows(i * n, n));
    if (i > 0 || !scored) continue;
    for (auto& record : records_of(chain, table.rows.names, "scores")) {
      results.learned.push_back(std::move(record));
    }
  }
  results.imputed = store::FlagMatrix::Zero(n, table.rows.x.cols());
  for (Eigen::Index row = 0; row < n; ++row) {
    if (table.rows.x.row(row).array().isNaN().all()) { // no run at all: nothing is made up
      for (int i = 0; i < m; ++i) all.row(i * n + row).setConstant(kNaN);
      continue;
    }
    for (Eigen::Index c = 0; c < table.rows.x.cols(); ++c) {
      const bool filled = std::isnan(table.rows.x(row, c)) && !std::isnan(all(row, c));
      results.imputed(row, c) = filled ? 1 : 0;
      if (scored) replace(all(row, c), filled, row, c, comparable.measures);
    }
  }
  results.completed = std::move(all);
}

} // namespace

void add_chain(const store::CohortReader& reader, const config::Config& config, ChainTable& table,
               ComparableMeasures& comparable, store::CohortResults& results,
               const Context& context) {
  const store::ParticipantsTable people = reader.participants();
  if (table.batch.names.size() > 1) add_site_association(people, table, config, results);
  if (table.why_not.empty() && config.cohort.harmonization == "longitudinal") {
    add_session_harmonisation(people, table, config, comparable.measures, results, context);
  } else if (table.why_not.empty()) {
    try {
      const Harmonization learned{
          combat::fit(combat_inputs(table.rows.select(table.learners)), config.combat, context),
          table.rows.names, table.column, table.batch.names, table.covariates};
      results.groups.push_back(record_of(learned, "harmonization"));
      if (config.cohort.scores_from == "harmonized") {
        results.learned.push_back(results.groups.back());
        apply_to(learned.model, table.column, table.rows, comparable.measures, context);
      }
      results.groups.back().fitted_on = results.fitted_on;
      results.groups.back().arrays.push_back(
          integers_of("harmonised", "0: the batch of the row is not known, it stays as it was",
                      {"row"}, known_rows(learned.model, table.rows.batch)));
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::input) throw;
      table.why_not = error.what();
    }
  }
  if (!table.why_not.empty()) results.not_done.push_back({"harmonization", table.why_not});
  if (config.cohort.imputation == "none") {
    results.not_done.push_back({"imputation", "cohort.imputation is none"});
    return;
  }
  if (table.learners.empty() || !table.rows.x(table.learners, Eigen::all).array().isNaN().any()) {
    if (!table.why_not.empty()) return; // nothing is missing and nothing changes
  }
  try {
    add_completed(table, config, comparable, results);
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::input) throw;
    results.not_done.push_back({"imputation", error.what()});
  }
}

void harmonise_by(const store::ModelRecord& model, const store::CohortReader& reader,
                  ComparableMeasures& comparable) {
  const store::ParticipantsTable people = reader.participants();
  const Eigen::VectorXd fd = mean_fd_of_rows(reader);
  store::MeasuresTable& measures = comparable.measures;
  LearnedChain chain = chain_from(model.learned, "scores");
  if (chain.completion || chain.fill.size() > 0) {
    const cohort::Rows rows = rows_for(chain, model.measure, measures.table.value, people, fd);
    Eigen::MatrixXd all = Eigen::MatrixXd::Constant(rows.x.rows(), rows.x.cols(), kNaN);
    put_back(apply_chain(chain, rows), model.measure, all);
    for (Eigen::Index row = 0; row < all.rows(); ++row) {
      if (rows.x.row(row).array().isNaN().all()) continue;
      for (Eigen::Index c = 0; c < all.cols(); ++c) {
        const bool filled = std::isnan(rows.x(row, c)) && !std::isnan(all(row, c));
        replace(all(row, c), filled, row, c, measures);
      }
    }
    return;
  }
  if (const auto* sessions = find_group(model.learned, kSessionHarmonisation)) {
    harmonise_sessions_by(*sessions, people, fd, measures);
    return;
  }
  const auto* found = find_group(model.learned, "harmonization");
  if (found == nullptr) return;
  chain = {.completion = {}, .fill = {}, .harmonization = harmonization_of(*found)};
  apply_to(chain.harmonization->model, chain.harmonization->column,
           rows_for(chain, model.measure, measures.table.value, people, fd), measures, {});
}

} // namespace boldmill::graph
