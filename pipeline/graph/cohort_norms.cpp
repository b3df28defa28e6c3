#include "pipeline/graph/cohort_norms.hpp"

#include <algorithm>
#include <cmath>

#include "pipeline/graph/prediction.hpp"
#include "stages/cohort/kernels/held_out_norms.hpp"

namespace boldmill::graph {
namespace {

constexpr int kCalibrationFolds = 5;
constexpr std::uint64_t kCalibrationSeed = 1;

normative_model::Inputs inputs_of(const Norms& norms, const store::CohortReader& reader,
                                  const Eigen::MatrixXd& measures) {
  const store::ParticipantsTable people = reader.participants();
  normative_model::Inputs out;
  out.x = measures;
  out.names = reader.header().measure;
  out.covariates = encode(norms.covariates, people, mean_fd_of_rows(reader), false);
  out.covariate_names = norms.covariates.names();
  const auto* column = column_of(people, norms.column);
  if (column != nullptr) out.batch = numbers_among(*column, norms.batch);
  return out;
}

std::vector<std::int32_t> to_integers(const std::vector<std::uint8_t>& values) {
  return {values.begin(), values.end()};
}

void add_outputs(const normative_model::Outputs& out, store::GroupRecord& record) {
  const std::vector<std::string> axes{"row", "measure"};
  record.arrays.push_back(array_of("z",
                                   "deviation from the norm, standard normal among healthy "
                                   "people; those of in_reference helped to make it",
                                   axes, out.z));
  record.arrays.push_back(
      array_of("centile", "share of such healthy people below", axes, out.centile));
  record.arrays.push_back(array_of("z_se",
                                   "standard error of z for what the healthy people leave open, "
                                   "without the error of the measure",
                                   axes, out.z_se));
  record.arrays.push_back(array_of(
      "expected", "median of such healthy people, in units of the measure", axes, out.expected));
  record.arrays.push_back(integers_of("age_outside", "1: outside the ages of the healthy people",
                                      {"row"}, to_integers(out.age_outside)));
  record.arrays.push_back(integers_of("new_site",
                                      "1: a site without healthy people, the norm is "
                                      "wider there",
                                      {"row"}, to_integers(out.new_batch)));
}

// Of the reference people, from norms that they did not help to make.
void add_calibration(const normative_model::Model& model, const normative_model::Inputs& reference,
                     const std::vector<Eigen::Index>& rows, Eigen::Index n_rows,
                     const config::Config& config, store::CohortResults& results,
                     store::GroupRecord& record, const Context& context) {
  Eigen::MatrixXd z = Eigen::MatrixXd::Constant(n_rows, reference.x.cols(), std::nan(""));
  try {
    z(rows, Eigen::all) = cohort::held_out_z(reference, config.normative_model, kCalibrationFolds,
                                             kCalibrationSeed, context);
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::input) throw;
    results.not_done.push_back({"norms/calibration", error.what()});
    return;
  }
  for (std::size_t m = 0; m < model.measures.size(); ++m) { // only norms that there are
    if (model.measures[m].scale == 0.0)
      z.col(static_cast<Eigen::Index>(m)).setConstant(std::nan(""));
  }
  record.settings.emplace_back("calibration_folds", std::to_string(kCalibrationFolds));
  record.settings.emplace_back("calibration_seed", std::to_string(kCalibrationSeed));
  record.arrays.push_back(array_of("z_held_out",
                                   "z of the rows of in_reference from the norm of the people of "
                                   "the other folds: what calibration is judged by",
                                   {"row", "measure"}, z));
}

} // namespace

void add_norms(const store::CohortReader& reader, const ComparableMeasures& comparable,
               const config::Config& config, store::CohortResults& results,
               const Context& context) {
  const auto not_done = [&](const std::string& why) { results.not_done.push_back({"norms", why}); };
  if (config.cohort.norms == "none") return not_done("cohort.norms is none");
  const store::ParticipantsTable people = reader.participants();
  const Eigen::MatrixXd& measures = comparable.measures.table.value;
  const std::vector<std::uint8_t> controls = control_rows(people, config);
  std::vector<Eigen::Index> rows;
  for (const Eigen::Index row : one_row_each(people, measures)) {
    if (controls[static_cast<std::size_t>(row)] != 0) rows.push_back(row);
  }
  const int needed = config.normative_model.min_people;
  if (static_cast<int>(rows.size()) < needed) {
    return not_done("found " + std::to_string(rows.size()) +
                    " healthy controls with measures (column " + config.input.group_column +
                    "), expected at least " + std::to_string(needed) +
                    " (normative_model.min_people)");
  }
  Norms norms;
  norms.covariates =
      coding_of({config.cohort.norm_covariates, {}}, people, mean_fd_of_rows(reader), rows);
  norms.column = config.cohort.site_column;
  if (const auto* column = column_of(people, norms.column)) norms.batch = levels_of(*column).names;
  const normative_model::Inputs all = inputs_of(norms, reader, measures);
  const normative_model::Inputs reference = cohort::rows_among(all, rows);
  try {
    norms.model = normative_model::fit(reference, config.normative_model, context);
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::input) throw;
    return not_done(error.what());
  }
  store::GroupRecord record = record_of(norms, "norms");
  results.learned.push_back(record);
  record.fitted_on = results.fitted_on;
  add_outputs(normative_model::apply(norms.model, all, context), record);
  add_calibration(norms.model, reference, rows, measures.rows(), config, results, record, context);
  std::vector<std::int32_t> in_reference(people.participant_id.size(), 0);
  for (const Eigen::Index row : rows) in_reference[static_cast<std::size_t>(row)] = 1;
  record.arrays.push_back(integers_of("in_reference", "1: the norm was learned from this row",
                                      {"row"}, std::move(in_reference)));
  results.groups.push_back(std::move(record));
}

store::TableRecord scored_norms(const store::GroupRecord& learned,
                                const store::CohortReader& reader,
                                const ComparableMeasures& comparable, const Context& context) {
  Norms norms = norms_of(learned);
  norms.model.names = reader.header().measure;
  const auto out = normative_model::apply(
      norms.model, inputs_of(norms, reader, comparable.measures.table.value), context);
  store::TableRecord table{"scored/norms", "row", "frozen normative model", "frozen_model", {}};
  const auto add = [&](const std::string& name, const char* what, const auto& values) {
    table.columns.push_back(
        {name, what, false, {}, std::vector<double>(values.begin(), values.end())});
  };
  for (std::size_t m = 0; m < norms.model.names.size(); ++m) {
    const auto c = static_cast<Eigen::Index>(m);
    const std::string& name = norms.model.names[m];
    add(name + "_z", "deviation from the norm", out.z.col(c));
    add(name + "_centile", "share of such healthy people below", out.centile.col(c));
    add(name + "_z_se", "standard error of z for what the healthy people leave open",
        out.z_se.col(c));
  }
  add("age_outside", "1: outside the ages of the healthy people", out.age_outside);
  add("new_site", "1: the norm knows no healthy people of this site", out.new_batch);
  return table;
}

} // namespace boldmill::graph
