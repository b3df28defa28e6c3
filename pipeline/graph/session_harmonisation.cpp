#include "pipeline/graph/session_harmonisation.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "pipeline/graph/record_parts.hpp"
#include "stages/cohort/longitudinal_combat.hpp"

namespace boldmill::graph {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
using Text = std::vector<std::string>;
using Rows = std::vector<Eigen::Index>;

struct Learned {
  longitudinal_combat::Model model; // batch ids are positions in `batch`
  Text measures;
  std::string column;
  Text batch;
  Coding covariates;
};

store::GroupRecord record_of(const Learned& learned) {
  const longitudinal_combat::Model& m = learned.model;
  store::GroupRecord out{.path = kSessionHarmonisation,
                         .what =
                             "location and scale of batches beside an intercept of each person"};
  Text batch;
  for (const int id : m.batches) batch.push_back(learned.batch[static_cast<std::size_t>(id)]);
  out.settings = {stage_setting(longitudinal_combat::kStage),
                  parameters(m.params),
                  {"batch_column", learned.column}};
  out.axes = {{"column", learned.measures.size(), learned.measures, {}},
              {"batch", batch.size(), batch, {}}};
  add_coding(learned.covariates, out);
  const Text by_batch{"batch", "column"};
  out.arrays.push_back(array_of("n_rows", "sessions of the batch", {"batch"}, to_eigen(m.n_rows)));
  out.arrays.push_back(array_of("intercept", "missing: left as it is", {"column"}, m.intercept));
  out.arrays.push_back(array_of("residual_sd", "inside people", {"column"}, m.residual_sd));
  out.arrays.push_back(
      array_of("between_people", "variance over that inside them", {"column"}, m.ratio));
  if (m.coefficients.rows() > 0) {
    out.arrays.push_back(array_of("coefficient", "of covariates, kept in the data",
                                  {"covariate", "column"}, m.coefficients));
  }
  out.arrays.push_back(
      array_of("batch_effect", "least squares", by_batch, m.batch_effect.transpose()));
  out.arrays.push_back(
      array_of("location", "as applied, in residual SD", by_batch, m.location.transpose()));
  out.arrays.push_back(array_of("scale", "variance as applied, in residual variances", by_batch,
                                m.scale.transpose()));
  return out;
}

Learned learned_from(const store::GroupRecord& record) {
  check_version(record, longitudinal_combat::kStage);
  Learned out;
  longitudinal_combat::Model& m = out.model;
  read_parameters(record, m.params);
  out.column = record.setting("batch_column");
  out.measures = record.array("column").text;
  out.batch = record.array("batch").text;
  out.covariates = coding_of(record);
  const auto p = static_cast<Eigen::Index>(out.measures.size());
  const auto b = static_cast<Eigen::Index>(out.batch.size());
  const auto q = static_cast<Eigen::Index>(out.covariates.column.size());
  for (int id = 0; id < static_cast<int>(b); ++id) m.batches.push_back(id);
  m.n_rows = integers_from(record, "n_rows");
  m.intercept = matrix_from(record, "intercept", p, 1);
  m.residual_sd = matrix_from(record, "residual_sd", p, 1);
  m.ratio = matrix_from(record, "between_people", p, 1);
  m.coefficients = q > 0 ? matrix_from(record, "coefficient", q, p) : Eigen::MatrixXd(0, p);
  m.batch_effect = matrix_from(record, "batch_effect", b, p).transpose();
  m.location = matrix_from(record, "location", b, p).transpose();
  m.scale = matrix_from(record, "scale", b, p).transpose();
  return out;
}

// Sessions as the stage takes them; `rows` of the file, batches numbered as in Learned::batch.
longitudinal_combat::Inputs inputs_of(const Rows& rows, const Eigen::MatrixXd& x,
                                      const std::vector<int>& batch,
                                      const Eigen::MatrixXd& covariates,
                                      const store::ParticipantsTable& people) {
  const std::vector<int> person = levels_of(people.participant_id).number;
  longitudinal_combat::Inputs out;
  out.x = x(rows, Eigen::all);
  out.covariates = covariates(rows, Eigen::all);
  for (const Eigen::Index row : rows) {
    out.batch.push_back(batch[static_cast<std::size_t>(row)]);
    out.person.push_back(person[static_cast<std::size_t>(row)]);
  }
  return out;
}

// Rows with a measure whose batch is among `known`.
Rows usable_rows(const Eigen::MatrixXd& x, const std::vector<int>& batch) {
  Rows out;
  for (Eigen::Index row = 0; row < x.rows(); ++row) {
    const bool measured = !x.row(row).array().isNaN().all();
    if (measured && batch[static_cast<std::size_t>(row)] >= 0) out.push_back(row);
  }
  return out;
}

void apply_to(const Learned& learned, const Rows& rows, const longitudinal_combat::Inputs& in,
              const std::vector<int>& batch, store::MeasuresTable& measures) {
  const Eigen::MatrixXd x = longitudinal_combat::apply(learned.model, in);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const auto at = static_cast<Eigen::Index>(i);
    for (Eigen::Index c = 0; c < x.cols(); ++c) {
      measures.table.value(rows[i], c) = x(at, c);
      if (std::isnan(learned.model.intercept[c]) || measures.table.se.size() == 0) continue;
      measures.table.se(rows[i], c) /= std::sqrt(learned.model.scale(c, in.batch[i]));
    }
  }
  for (Eigen::Index row = 0; row < measures.table.value.rows(); ++row) {
    if (batch[static_cast<std::size_t>(row)] >= 0) continue;
    for (Eigen::Index c = 0; c < x.cols(); ++c) {
      double& value = measures.table.value(row, c);
      if (std::isnan(value)) continue;
      value = kNaN;
      measures.reason[static_cast<std::size_t>(row)][static_cast<std::size_t>(c)] =
          learned.column + " is not among those that harmonisation learned";
    }
  }
}

} // namespace

void add_session_harmonisation(const store::ParticipantsTable& people, const ChainTable& table,
                               const config::Config& config, store::MeasuresTable& measures,
                               store::CohortResults& results, const Context& context) {
  try {
    const Rows rows = usable_rows(table.rows.x, table.rows.batch);
    const auto in = inputs_of(rows, table.rows.x, table.rows.batch, table.rows.covariates, people);
    // The batches that these sessions have, numbered anew: as a model file has them.
    Learned learned{{}, table.rows.names, table.column, {}, table.covariates};
    std::vector<int> number(table.batch.names.size(), -1);
    longitudinal_combat::Inputs own = in;
    for (std::size_t b = 0; b < number.size(); ++b) {
      if (std::find(in.batch.begin(), in.batch.end(), static_cast<int>(b)) == in.batch.end()) {
        continue;
      }
      number[b] = static_cast<int>(learned.batch.size());
      learned.batch.push_back(table.batch.names[b]);
    }
    for (int& id : own.batch) id = number[static_cast<std::size_t>(id)];
    std::vector<int> batch = table.rows.batch;
    for (int& id : batch) id = id < 0 ? -1 : number[static_cast<std::size_t>(id)];
    learned.model = longitudinal_combat::fit(own, {}, context);
    results.groups.push_back(record_of(learned));
    if (config.cohort.scores_from == "harmonized") {
      results.learned.push_back(results.groups.back());
      apply_to(learned, rows, own, batch, measures);
    }
    results.groups.back().fitted_on = results.fitted_on;
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::input) throw;
    results.not_done.push_back({kSessionHarmonisation, error.what()});
  }
}

void harmonise_sessions_by(const store::GroupRecord& record, const store::ParticipantsTable& people,
                           const Eigen::VectorXd& mean_fd, store::MeasuresTable& measures) {
  const Learned learned = learned_from(record);
  const Eigen::MatrixXd& x = measures.table.value;
  const Text* column = column_of(people, learned.column);
  const std::vector<int> batch = column != nullptr
                                     ? numbers_among(*column, learned.batch)
                                     : std::vector<int>(static_cast<std::size_t>(x.rows()), -1);
  const Rows rows = usable_rows(x, batch);
  apply_to(learned, rows,
           inputs_of(rows, x, batch, encode(learned.covariates, people, mean_fd, true), people),
           batch, measures);
}

} // namespace boldmill::graph
