#include "stages/cohort/chained_imputation.hpp"

#include <cmath>
#include <string>

#include "stages/core/random.hpp"

namespace boldmill::chained_imputation {
namespace {

// With fewer people a column without values may be chance, not design.
constexpr std::size_t kPeopleToCallAbsent = 5;

std::map<int, std::vector<Eigen::Index>> members_of(const std::vector<int>& batch) {
  std::map<int, std::vector<Eigen::Index>> out;
  for (std::size_t i = 0; i < batch.size(); ++i) {
    if (batch[i] >= 0) out[batch[i]].push_back(static_cast<Eigen::Index>(i));
  }
  return out;
}

void learn_chains(const Eigen::MatrixXd& training, const std::vector<int>& batch, Model& model) {
  const Params& params = model.params;
  const auto members = members_of(batch);
  for (const auto& [id, rows] : members) {
    if (rows.size() < kPeopleToCallAbsent) continue;
    std::vector<std::uint8_t> absent;
    for (Eigen::Index c = 0; c < training.cols(); ++c) {
      absent.push_back(training(rows, c).array().isNaN().all() ? 1 : 0);
    }
    model.absent[id] = std::move(absent);
  }
  const auto seed = static_cast<std::uint64_t>(params.random_seed);
  for (int m = 0; m < params.imputations; ++m) {
    const auto options = [&](const std::string& who) {
      return cohort::ChainOptions{params.donors, params.iterations,
                                  stream_seed(seed, "imputation " + std::to_string(m), who)};
    };
    Chains chains{cohort::fit_chain(training, options("pooled")), {}};
    for (const auto& [id, rows] : members) {
      if (static_cast<int>(rows.size()) < params.min_batch) continue;
      chains.by_batch[id] =
          cohort::fit_chain(training(rows, Eigen::all), options(std::to_string(id)));
    }
    model.chains.push_back(std::move(chains));
  }
}

Eigen::RowVectorXd filled_row(const Model& model, const Eigen::RowVectorXd& row, int batch,
                              int number) {
  const Chains& chains = model.chains[static_cast<std::size_t>(number)];
  const auto own = chains.by_batch.find(batch);
  const auto absent = model.absent.find(batch);
  return cohort::fill_row(own == chains.by_batch.end() ? chains.pooled : own->second, row,
                          absent == model.absent.end() ? std::vector<std::uint8_t>{}
                                                       : absent->second);
}

void check(const Model& model, const Eigen::MatrixXd& rows, const std::vector<int>& batch,
           int number) {
  if (rows.cols() != static_cast<Eigen::Index>(model.known.size())) {
    throw Error(ErrorKind::internal, "chained_imputation: found " + std::to_string(rows.cols()) +
                                         " columns, expected " +
                                         std::to_string(model.known.size()));
  }
  if (!batch.empty() && static_cast<Eigen::Index>(batch.size()) != rows.rows()) {
    throw Error(ErrorKind::internal, "chained_imputation: batch needs one entry for each of the " +
                                         std::to_string(rows.rows()) + " rows");
  }
  if (number < 0 || static_cast<std::size_t>(number) >= model.chains.size()) {
    throw Error(ErrorKind::internal, "chained_imputation: no imputation " + std::to_string(number) +
                                         ", expected 0 to " +
                                         std::to_string(model.chains.size() - 1));
  }
}

} // namespace

Model fit(const Eigen::MatrixXd& training, const std::vector<int>& batch, const Params& params) {
  Model model{params, {}, {}, {}};
  for (Eigen::Index c = 0; c < training.cols(); ++c) {
    model.known.push_back(training.col(c).array().isNaN().all() ? 0 : 1);
  }
  learn_chains(training, batch, model);
  return model;
}

Outputs apply(const Model& model, const Eigen::MatrixXd& rows, const std::vector<int>& batch,
              int number) {
  check(model, rows, batch, number);
  Outputs out;
  for (Eigen::Index c = 0; c < rows.cols(); ++c) {
    if (model.known[static_cast<std::size_t>(c)] != 0) out.columns.push_back(c);
  }
  out.x.resize(rows.rows(), static_cast<Eigen::Index>(out.columns.size()));
  for (Eigen::Index row = 0; row < rows.rows(); ++row) {
    const int id = batch.empty() ? -1 : batch[static_cast<std::size_t>(row)];
    out.x.row(row) = filled_row(model, rows.row(row), id, number)(out.columns);
  }
  out.imputed = rows(Eigen::all, out.columns).array().isNaN() && !out.x.array().isNaN();
  return out;
}

cohort::LearningStep step(const Params& params) {
  return {std::string(kStage.name), [params](const cohort::Rows& training) {
            Params once = params;
            once.imputations = 1;
            const Model model = fit(training.x, training.batch, once);
            std::vector<std::uint8_t> dropped(static_cast<std::size_t>(training.x.cols()), 0);
            for (const auto& [id, absent] : model.absent) {
              for (std::size_t c = 0; c < dropped.size(); ++c) {
                if (absent[c] != 0) dropped[c] = 1;
              }
            }
            return [model, dropped](const cohort::Rows& rows) {
              const Outputs filled = apply(model, rows.x, rows.batch);
              cohort::Rows out = rows;
              out.names.clear();
              std::vector<Eigen::Index> kept;
              for (std::size_t i = 0; i < filled.columns.size(); ++i) {
                const auto c = static_cast<std::size_t>(filled.columns[i]);
                if (dropped[c] != 0) continue;
                kept.push_back(static_cast<Eigen::Index>(i));
                if (!rows.names.empty()) out.names.push_back(rows.names[c]);
              }
              out.x = filled.x(Eigen::all, kept);
              return out;
            };
          }};
}

std::size_t peak_bytes(const Shape& shape, const Params& params) {
  // Each chain is held twice, pooled and by batch: donors and their predictions of every column, in
  // vectors that grow by doubling, and the weights of each column on the others.
  const auto imputations = static_cast<std::size_t>(params.imputations);
  const std::size_t models = 1 + shape.n_rows / static_cast<std::size_t>(params.min_batch);
  const std::size_t weights = imputations * models * shape.n_columns * (shape.n_columns + 4);
  return shape.n_rows * shape.n_columns * ((3 + 8 * imputations) * sizeof(double) + 1) +
         weights * sizeof(double);
}

} // namespace boldmill::chained_imputation
