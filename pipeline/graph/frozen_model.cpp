#include "pipeline/graph/frozen_model.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

#include "pipeline/bids/text.hpp"
#include "pipeline/bids/tsv.hpp"
#include "pipeline/graph/table_columns.hpp"
#include "stages/cohort/kernels/conformal.hpp"
#include "stages/cohort/kernels/prediction_quality.hpp"
#include "stages/core/joined.hpp"

namespace boldmill::graph {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
using Text = std::vector<std::string>;

std::vector<double> to_vector(const Eigen::VectorXd& values) {
  return {values.begin(), values.end()};
}

Eigen::VectorXd to_eigen(const std::vector<double>& values) {
  return Eigen::Map<const Eigen::VectorXd>(values.data(), static_cast<Eigen::Index>(values.size()));
}

Eigen::VectorXd distances(const Eigen::MatrixXd& x) {
  return (x.rowwise().squaredNorm() / std::max<double>(1.0, static_cast<double>(x.cols())))
      .cwiseSqrt();
}

// Rows the model learned from: they have a fold.
std::vector<Eigen::Index> training_rows(const penalised_regression::Outputs& out) {
  std::vector<Eigen::Index> rows;
  for (Eigen::Index row = 0; row < out.y.size(); ++row) {
    if (out.fold.rows() > 0 && out.fold(0, row) >= 0) rows.push_back(row);
  }
  return rows;
}

// What the absolute errors of the calibrating rows allow a new row, as the group stage's own
// intervals: `group` when people of a new site or study are covered, else empty.
double allowed(const std::vector<double>& errors, const std::vector<int>& group, double alpha) {
  if (group.empty()) return cohort::conformal_quantile(errors, alpha);
  const auto n = static_cast<Eigen::Index>(errors.size());
  Eigen::VectorXd y = Eigen::VectorXd::Constant(n + 1, kNaN);
  std::vector<int> site = group;
  site.push_back(std::numeric_limits<int>::max()); // of its own
  for (Eigen::Index i = 0; i < n; ++i) y[i] = errors[static_cast<std::size_t>(i)];
  return cohort::conformal_interval_by_site(y, Eigen::VectorXd::Zero(n + 1), site, alpha).upper[n];
}

void freeze_intervals(const penalised_regression::Outputs& out,
                      const std::vector<Eigen::Index>& rows, double alpha,
                      store::FrozenPrediction& model) {
  model.interval_level = 1.0 - alpha;
  const bool new_site = out.guarantee.starts_with("people of a new site");
  const int n_labels = out.binary ? 2 : 1;
  model.half_width = kNaN;
  for (int label = 0; label < n_labels; ++label) {
    std::vector<double> errors; // binary: 1 - probability of the own label
    std::vector<int> group;     // left out together: a site or a study
    for (const Eigen::Index row : rows) {
      if (out.binary && (out.y[row] > 0.5) != (label == 1)) continue;
      const double target = out.binary ? label : out.y[row];
      errors.push_back(std::abs(target - out.prediction[row]));
      if (new_site) group.push_back(out.fold(0, row));
    }
    const double error = allowed(errors, group, alpha);
    if (out.binary) {
      model.least_probability.push_back(1.0 - error);
    } else {
      model.half_width = error;
    }
  }
}

std::vector<Eigen::Index> measures_of(const store::FrozenPrediction& one, const Text& measure) {
  std::vector<Eigen::Index> out;
  for (std::size_t c = 0; c < measure.size(); ++c) {
    if (std::find(one.column.begin(), one.column.end(), measure[c]) != one.column.end()) {
      out.push_back(static_cast<Eigen::Index>(c));
    }
  }
  return out;
}

// A new person's row of one model.
struct OneScore {
  double value = 0.0; // prediction, or probability of the second class
  std::string why;    // of abstaining, "" when it does not
};

// N x K before standardisation: the steps of the model, or its fill values. NaN: refused.
Eigen::MatrixXd columns_of(const store::FrozenPrediction& one, const LearnedChain& chain,
                           const store::ModelRecord& model, const store::CohortReader& reader,
                           const Eigen::MatrixXd& measures) {
  Text names = model.measure;
  Eigen::MatrixXd all = measures;
  if (one.has_steps) {
    const cohort::Rows rows =
        rows_for(chain, model.measure, measures, reader.participants(), mean_fd_of_rows(reader));
    cohort::Rows done = apply_chain(chain, rows);
    names = std::move(done.names);
    all = std::move(done.x);
  }
  Eigen::MatrixXd out(measures.rows(), static_cast<Eigen::Index>(one.column.size()));
  for (std::size_t k = 0; k < one.column.size(); ++k) {
    const auto at = std::find(names.begin(), names.end(), one.column[k]);
    if (at == names.end()) {
      throw Error(ErrorKind::input,
                  "the model of " + one.target + " has no measure " + bids::display(one.column[k]));
    }
    auto column = out.col(static_cast<Eigen::Index>(k));
    column = all.col(at - names.begin());
    if (one.has_steps) continue;
    for (double& value : column) {
      if (std::isnan(value)) value = one.fill[k];
    }
  }
  return out;
}

// `used`: the measures of the model, N x K as measured.
OneScore score_row(const store::FrozenPrediction& model, const Eigen::MatrixXd& columns,
                   const Eigen::MatrixXd& used, Eigen::Index row) {
  Eigen::VectorXd x(columns.cols());
  for (Eigen::Index k = 0; k < x.size(); ++k) {
    const auto at = static_cast<std::size_t>(k);
    x[k] = model.sd[at] > 0.0 ? (columns(row, k) - model.mean[at]) / model.sd[at] : 0;
  }
  OneScore out;
  const double eta = model.intercept + x.dot(to_eigen(model.coefficient));
  out.value = model.class_name.empty() ? eta : 1.0 / (1.0 + std::exp(-eta));
  const Eigen::Index n_missing = used.row(row).array().isNaN().count();
  if (n_missing < used.cols() && !columns.row(row).allFinite()) {
    out.why = "harmonisation has not learned the site";
  } else {
    out.why = cohort::why_abstain(n_missing, used.cols(), model.max_missing_share,
                                  distances(x.transpose())[0] / model.largest_distance);
  }
  if (n_missing == used.cols() || !columns.row(row).allFinite()) out.value = kNaN;
  return out;
}

// "site x, scanner y" of one person, new to the model; "" when all are known.
std::string new_places_of(const store::ModelRecord& model, const store::ParticipantsTable& people,
                          std::size_t row) {
  Text found;
  for (const auto& [name, levels] : model.known) {
    const auto column = people.columns.find(name);
    if (column == people.columns.end()) {
      found.push_back(name + " unknown");
      continue;
    }
    const std::string& value = column->second[row];
    if (std::find(levels.begin(), levels.end(), value) != levels.end()) continue;
    found.push_back(value.empty() ? name + " unknown" : "new " + name + " " + value);
  }
  return joined(found, ", ");
}

} // namespace

std::string steps_path(std::size_t prediction) {
  return "predictions/" + std::to_string(prediction);
}

std::optional<Frozen> freeze(const std::string& target, const Text& class_name,
                             const penalised_regression::Inputs& inputs,
                             const penalised_regression::Outputs& out, const ChainChoice& choice,
                             const config::Config& config) {
  Frozen frozen;
  store::FrozenPrediction& model = frozen.prediction;
  model.target = target;
  if (out.binary) model.class_name = class_name;
  const auto rows = training_rows(out);
  const cohort::Rows training = inputs.rows.select(rows);
  frozen.chain = learn_in_fold(training, choice, config);
  model.has_steps = frozen.chain.completion || frozen.chain.harmonization;
  const cohort::Rows filled = apply_chain(frozen.chain, training);
  const auto scale = standardisation::fit(filled.x, filled.is_reference, config.standardisation);
  model.column = filled.names;
  if (model.column != out.feature_names) return std::nullopt;
  for (const std::string& name : model.column) {
    const auto at = std::find(training.names.begin(), training.names.end(), name);
    model.fill.push_back(
        frozen.chain.fill.size() > 0 ? frozen.chain.fill[at - training.names.begin()] : kNaN);
  }
  model.mean = to_vector(scale.mean);
  model.sd = to_vector(scale.sd);
  model.coefficient = to_vector(out.coefficient);
  model.intercept = out.intercept;
  model.largest_distance = distances(standardisation::apply(scale, filled.x)).maxCoeff();
  model.max_missing_share = config.prediction.max_missing_share;
  model.n_people = out.n_used;
  freeze_intervals(out, rows, config.prediction.alpha_interval, model);
  return frozen;
}

store::ModelRecord model_of(const store::CohortReader& reader, const config::Config& config,
                            const store::CohortResults& results) {
  const store::CohortHeader& header = reader.header();
  store::ModelRecord model;
  model.created_by = header.created_by;
  model.build = header.build;
  model.config_json = header.config_json;
  model.config_sha256 = header.config_sha256;
  model.taxonomy_sha256 = header.taxonomy_sha256;
  model.measure = header.measure;
  model.feature = header.feature;
  model.score = header.score;
  model.reference = results.reference;
  const store::ParticipantsTable people = reader.participants();
  for (const std::string& name : {config.cohort.site_column, std::string("scanner")}) {
    const auto column = people.columns.find(name);
    if (column == people.columns.end()) continue;
    std::set<std::string> levels(column->second.begin(), column->second.end());
    levels.erase("");
    if (!levels.empty()) model.known[name] = {levels.begin(), levels.end()};
  }
  model.predictions = results.frozen;
  model.learned = results.learned;
  return model;
}

void check_model(const store::ModelRecord& model, const std::string& model_name,
                 const std::string& taxonomy_sha256, const Text& measures) {
  if (model.taxonomy_sha256 != taxonomy_sha256) {
    throw Error(ErrorKind::dataset, bids::display(model_name) + ": made with circuit definition " +
                                        model.taxonomy_sha256.substr(0, 12) + ", this is " +
                                        taxonomy_sha256.substr(0, 12) +
                                        ": scores of different definitions cannot be compared");
  }
  if (model.measure != measures) {
    throw Error(ErrorKind::dataset, bids::display(model_name) + ": found " +
                                        std::to_string(model.measure.size()) +
                                        " measures, expected the " +
                                        std::to_string(measures.size()) + " of this cohort");
  }
}

std::vector<store::TableRecord> apply_model(const store::ModelRecord& model,
                                            const store::CohortReader& reader,
                                            const Eigen::MatrixXd& measures) {
  std::vector<store::TableRecord> tables;
  const store::ParticipantsTable people = reader.participants();
  const std::size_t n = people.participant_id.size();
  for (std::size_t index = 0; index < model.predictions.size(); ++index) {
    const store::FrozenPrediction& one = model.predictions[index];
    const Eigen::MatrixXd inputs =
        columns_of(one, chain_from(model.learned, steps_path(index)), model, reader, measures);
    const Eigen::MatrixXd used = measures(Eigen::all, measures_of(one, model.measure));
    const bool classes = !one.class_name.empty();
    const std::vector<double> unknown(n, kNaN);
    std::vector<store::TableColumn> columns;
    if (classes) {
      for (const std::string& name : one.class_name) {
        columns.push_back(numbers("probability_" + name, "of this class", unknown));
        columns.push_back(numbers("set_" + name, "1: in the conformal set", unknown));
      }
      columns.push_back(numbers("margin", "difference of the probabilities", unknown));
    } else {
      columns.push_back(numbers("prediction", "of " + one.target, unknown));
      columns.push_back(numbers("lower", "conformal interval", unknown));
      columns.push_back(numbers("upper", "conformal interval", unknown));
    }
    columns.push_back(numbers("abstain", "1: the number is not to be used", unknown));
    store::TableColumn why{"abstain_reason", "why", true, Text(n), {}};
    store::TableColumn place{"new_place",
                             "site or scanner that the training cohort lacks: no coverage is "
                             "promised there",
                             true,
                             Text(n),
                             {}};
    for (std::size_t row = 0; row < n; ++row) {
      const OneScore score = score_row(one, inputs, used, static_cast<Eigen::Index>(row));
      const auto put = [&](std::size_t column, double value) {
        columns[column].number[row] = value;
      };
      if (classes) {
        const double p[] = {1.0 - score.value, score.value};
        for (std::size_t c = 0; c < 2; ++c) {
          put(2 * c, p[c]);
          put(2 * c + 1, std::isnan(p[c]) ? kNaN : p[c] >= one.least_probability[c] ? 1.0 : 0.0);
        }
        put(4, std::abs(p[1] - p[0]));
      } else {
        put(0, score.value);
        put(1, score.value - one.half_width);
        put(2, score.value + one.half_width);
      }
      put(columns.size() - 1, score.why.empty() ? 0.0 : 1.0);
      why.text[row] = score.why;
      place.text[row] = new_places_of(model, people, row);
    }
    columns.push_back(std::move(why));
    columns.push_back(std::move(place));
    tables.push_back({"scored/" + one.target, "row", "frozen model of " + one.target,
                      "frozen_model", std::move(columns)});
  }
  return tables;
}

std::vector<std::string> new_places(const store::ModelRecord& model,
                                    const store::ParticipantsTable& people) {
  std::set<std::string> found;
  for (std::size_t row = 0; row < people.participant_id.size(); ++row) {
    const std::string one = new_places_of(model, people, row);
    if (!one.empty()) found.insert(one);
  }
  return {found.begin(), found.end()};
}

} // namespace boldmill::graph
