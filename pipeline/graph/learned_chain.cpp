#include "pipeline/graph/learned_chain.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

namespace boldmill::graph {
namespace {

using Text = std::vector<std::string>;

cohort::Rows with_columns(const cohort::Rows& rows, const Eigen::MatrixXd& x,
                          const std::vector<Eigen::Index>& columns,
                          const std::vector<std::uint8_t>& dropped) {
  cohort::Rows out = rows;
  out.names.clear();
  std::vector<Eigen::Index> kept;
  for (std::size_t i = 0; i < columns.size(); ++i) {
    const auto c = static_cast<std::size_t>(columns[i]);
    if (!dropped.empty() && dropped[c] != 0) continue;
    kept.push_back(static_cast<Eigen::Index>(i));
    out.names.push_back(rows.names[c]);
  }
  out.x = x(Eigen::all, kept);
  return out;
}

// As chained_imputation::step: what a training batch lacks is dropped.
cohort::Rows completed(const Completion& learned, const cohort::Rows& rows) {
  std::vector<std::uint8_t> dropped(learned.measures.size(), 0);
  for (const auto& [id, absent] : learned.model.absent) {
    for (std::size_t c = 0; c < dropped.size(); ++c) {
      if (absent[c] != 0) dropped[c] = 1;
    }
  }
  const auto filled = chained_imputation::apply(learned.model, rows.x, rows.batch);
  return with_columns(rows, filled.x, filled.columns, dropped);
}

} // namespace

combat::Inputs combat_inputs(const cohort::Rows& rows) {
  return {.x = {rows.x.data(), rows.x.rows(), rows.x.cols()},
          .batch = rows.batch,
          .covariates = rows.covariates,
          .covariate_names = rows.covariate_names,
          .is_reference = rows.is_reference};
}

LearnedChain learn_chain(const cohort::Rows& training, const ChainChoice& choice,
                         const config::Config& config) {
  LearnedChain out;
  cohort::Rows rows = training;
  if (choice.filling == Filling::chained) {
    chained_imputation::Params params = config.chained_imputation;
    params.imputations = 1;
    params.random_seed += choice.number;
    out.completion = Completion{chained_imputation::fit(rows.x, rows.batch, params), rows.names,
                                choice.column, choice.batch};
    rows = completed(*out.completion, rows);
  } else if (choice.filling == Filling::centre) {
    const imputation::Model model = imputation::fit(rows.x, config.imputation);
    out.fill = model.fill;
    const auto filled = imputation::apply(model, rows.x);
    rows = with_columns(rows, filled.x, filled.columns, {});
  }
  std::set<int> batches(rows.batch.begin(), rows.batch.end());
  batches.erase(-1);
  if (choice.combat && batches.size() > 1) {
    out.harmonization = Harmonization{combat::fit(combat_inputs(rows), config.combat, Context{}),
                                      rows.names, choice.column, choice.batch, choice.covariates};
  }
  return out;
}

void fill_covariates(const std::vector<double>& centre, cohort::Rows& rows) {
  for (Eigen::Index q = 0; q < rows.covariates.cols(); ++q) {
    for (double& value : rows.covariates.col(q)) {
      if (std::isnan(value)) value = centre.at(static_cast<std::size_t>(q));
    }
  }
}

cohort::Rows apply_chain(const LearnedChain& chain, const cohort::Rows& rows) {
  cohort::Rows out = rows;
  if (chain.completion) {
    out = completed(*chain.completion, rows);
  } else if (chain.fill.size() > 0) {
    const auto filled = imputation::apply({chain.fill}, rows.x);
    out = with_columns(rows, filled.x, filled.columns, {});
  }
  if (chain.harmonization) {
    combat::Model model = chain.harmonization->model;
    if (chain.completion) { // each knows its batches by its own numbers
      for (int& id : out.batch) {
        const Text name{id < 0 ? "" : chain.completion->batch[static_cast<std::size_t>(id)]};
        id = numbers_among(name, chain.harmonization->batch).front();
      }
    }
    const bool refuse = model.params.unseen == "error";
    model.params.unseen = "unchanged"; // no row sees another, so nothing adapts
    fill_covariates(chain.harmonization->covariates.centre, out);
    out.x = combat::apply(model, combat_inputs(out), Context{});
    for (Eigen::Index row = 0; refuse && row < out.x.rows(); ++row) {
      const auto& known = model.batches;
      const int id = out.batch[static_cast<std::size_t>(row)];
      if (std::find(known.begin(), known.end(), id) == known.end()) {
        out.x.row(row).setConstant(std::numeric_limits<double>::quiet_NaN());
      }
    }
  }
  return out;
}

cohort::Rows rows_for(const LearnedChain& chain, const Text& names, const Eigen::MatrixXd& measures,
                      const store::ParticipantsTable& people, const Eigen::VectorXd& mean_fd) {
  cohort::Rows out;
  out.x = measures;
  out.names = names;
  const bool combat = chain.harmonization.has_value();
  const std::string column = combat             ? chain.harmonization->column
                             : chain.completion ? chain.completion->column
                                                : std::string();
  const Text known = chain.completion ? chain.completion->batch
                     : combat         ? chain.harmonization->batch
                                      : Text{};
  const Text* values = column_of(people, column);
  out.batch = values != nullptr ? numbers_among(*values, known)
                                : std::vector<int>(static_cast<std::size_t>(measures.rows()), -1);
  if (combat) {
    out.covariates = encode(chain.harmonization->covariates, people, mean_fd, true);
    out.covariate_names = chain.harmonization->covariates.names();
  }
  return out;
}

std::vector<store::GroupRecord> records_of(const LearnedChain& chain, const Text& measures,
                                           const std::string& path) {
  std::vector<store::GroupRecord> out;
  if (chain.completion) out.push_back(record_of(*chain.completion, path + "/completion"));
  if (chain.fill.size() > 0) {
    store::GroupRecord fill{.path = path + "/fill", .what = "put in place of what is missing"};
    fill.axes = {{"column", measures.size(), measures, {}}};
    fill.arrays = {array_of("centre", "of the training people; missing: nobody has it", {"column"},
                            chain.fill)};
    out.push_back(std::move(fill));
  }
  if (chain.harmonization) {
    out.push_back(record_of(*chain.harmonization, path + "/harmonization"));
  }
  return out;
}

LearnedChain chain_from(const std::vector<store::GroupRecord>& records, const std::string& path) {
  LearnedChain out;
  if (const auto* found = find_group(records, path + "/completion")) {
    out.completion = completion_of(*found);
  }
  if (const auto* found = find_group(records, path + "/fill")) {
    out.fill = vector_from(*found, "centre");
  }
  if (const auto* found = find_group(records, path + "/harmonization")) {
    out.harmonization = harmonization_of(*found);
  }
  return out;
}

const store::GroupRecord* find_group(const std::vector<store::GroupRecord>& records,
                                     const std::string& path) {
  for (const store::GroupRecord& one : records) {
    if (one.path == path) return &one;
  }
  return nullptr;
}

} // namespace boldmill::graph
