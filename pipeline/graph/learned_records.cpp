#include "pipeline/graph/learned_records.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>

#include "pipeline/graph/record_parts.hpp"

namespace boldmill::graph {
using Text = std::vector<std::string>;
using store::GroupRecord;

Coding coding_of(const GroupRecord& record) {
  Coding out;
  if (!record.has("covariate_column")) return out;
  out.column = record.array("covariate_column").text;
  out.level = record.array("covariate_level").text;
  out.other = record.array("covariate_other").text;
  out.centre = record.array("covariate_centre").number;
  const std::size_t q = out.column.size();
  require(out.level.size() == q && out.other.size() == q && out.centre.size() == q, record);
  return out;
}

namespace {

// Models of chained equations one after the other: of all batches, then of each that has its own.
struct FlatChains {
  Text model; // "" of all batches
  std::vector<double> start, intercept, coefficient, predicted, value;
  std::vector<std::int32_t> n_predictors, n_donors, predictor;
  Text seed;
  std::vector<std::int32_t> batch; // -1: all

  void add(const cohort::ChainedModel& one, int id) {
    batch.push_back(id);
    seed.push_back(std::to_string(one.options.seed));
    for (std::size_t c = 0; c < one.columns.size(); ++c) {
      const cohort::ColumnDonors& donors = one.columns[c];
      start.push_back(one.start[static_cast<Eigen::Index>(c)]);
      intercept.push_back(donors.intercept);
      n_predictors.push_back(static_cast<std::int32_t>(donors.predictors.size()));
      n_donors.push_back(static_cast<std::int32_t>(donors.values.size()));
      for (const Eigen::Index p : donors.predictors) {
        predictor.push_back(static_cast<std::int32_t>(p));
      }
      coefficient.insert(coefficient.end(), donors.coefficients.begin(), donors.coefficients.end());
      predicted.insert(predicted.end(), donors.predicted.begin(), donors.predicted.end());
      value.insert(value.end(), donors.values.begin(), donors.values.end());
    }
  }
};

} // namespace

store::NamedArray array_of(const std::string& name, const std::string& what, const Text& axes,
                           const Eigen::MatrixXd& values) {
  store::NamedArray out{.name = name, .what = what, .axes = axes};
  for (Eigen::Index i = 0; i < values.rows(); ++i) {
    for (Eigen::Index j = 0; j < values.cols(); ++j) out.number.push_back(values(i, j));
  }
  return out;
}

store::NamedArray list_of(const std::string& name, const std::string& what, const std::string& axis,
                          const std::vector<double>& values) {
  return {.name = name, .what = what, .axes = {axis}, .number = values};
}

store::NamedArray integers_of(const std::string& name, const std::string& what, const Text& axes,
                              std::vector<std::int32_t> values) {
  return {
      .name = name, .what = what, .axes = axes, .integer = std::move(values), .is_integer = true};
}

store::NamedArray text_of(const std::string& name, const std::string& what, const Text& axes,
                          Text values) {
  return {.name = name, .what = what, .axes = axes, .text = std::move(values), .is_text = true};
}

int integer_of(const GroupRecord& record, double value) {
  if (!(std::abs(value) <= std::numeric_limits<int>::max()) || value != std::floor(value)) {
    throw Error(ErrorKind::input,
                record.path + ": found " + std::to_string(value) + ", expected a whole number");
  }
  return static_cast<int>(value);
}

std::uint64_t whole_of(const GroupRecord& record, const std::string& text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) {
    throw Error(ErrorKind::input,
                record.path + ": found \"" + text.substr(0, 40) + "\", expected a whole number");
  }
  return value;
}

Eigen::MatrixXd matrix_from(const GroupRecord& record, const std::string& name, Eigen::Index rows,
                            Eigen::Index columns) {
  const std::vector<double>& values = record.array(name).number;
  require(static_cast<Eigen::Index>(values.size()) == rows * columns, record);
  using RowMajor = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  return Eigen::Map<const RowMajor>(values.data(), rows, columns);
}

Eigen::VectorXd vector_from(const GroupRecord& record, const std::string& name) {
  const std::vector<double>& values = record.array(name).number;
  return Eigen::Map<const Eigen::VectorXd>(values.data(), static_cast<Eigen::Index>(values.size()));
}

GroupRecord record_of(const Harmonization& learned, const std::string& path) {
  const combat::Model& m = learned.model;
  GroupRecord out{.path = path, .what = "location and scale of batches (ComBat)"};
  Text batch;
  for (const int id : m.batches) batch.push_back(learned.batch[static_cast<std::size_t>(id)]);
  out.settings = {
      stage_setting(combat::kStage), parameters(m.params), {"batch_column", learned.column}};
  out.axes = {{"column", learned.measures.size(), learned.measures, {}},
              {"batch", batch.size(), batch, {}}};
  add_coding(learned.covariates, out);
  const std::vector<std::string> by_batch{"batch", "column"};
  out.arrays.push_back(array_of("n_rows", "people of the batch", {"batch"}, to_eigen(m.n_rows)));
  out.arrays.push_back(array_of("grand_mean", "of all batches", {"column"}, m.grand_mean));
  out.arrays.push_back(
      array_of("pooled_sd", "inside batches; 0: left as it is", {"column"}, m.pooled_sd));
  if (m.coefficients.rows() > 0) {
    out.arrays.push_back(array_of("coefficient", "of covariates, kept in the data",
                                  {"covariate", "column"}, m.coefficients));
  }
  out.arrays.push_back(
      array_of("location", "as applied, in pooled SD", by_batch, m.gamma_star.transpose()));
  out.arrays.push_back(array_of("scale", "variance as applied, in pooled variances", by_batch,
                                m.delta_star.transpose()));
  out.arrays.push_back(
      array_of("location_unshrunk", "as estimated", by_batch, m.gamma_hat.transpose()));
  out.arrays.push_back(
      array_of("scale_unshrunk", "as estimated", by_batch, m.delta_hat.transpose()));
  for (const auto& [name, values] :
       {std::pair{"prior_location_mean", &m.gamma_bar},
        std::pair{"prior_location_variance", &m.tau_squared},
        std::pair{"prior_scale_shape", &m.shape}, std::pair{"prior_scale_rate", &m.rate}}) {
    if (values->size() == m.gamma_bar.size() && values->size() > 0) {
      out.arrays.push_back(array_of(name, "empirical Bayes", {"batch"}, *values));
    }
  }
  return out;
}

Harmonization harmonization_of(const GroupRecord& record) {
  check_version(record, combat::kStage);
  Harmonization out;
  read_parameters(record, out.model.params);
  out.column = record.setting("batch_column");
  out.measures = record.array("column").text;
  out.batch = record.array("batch").text;
  out.covariates = coding_of(record);
  const auto p = static_cast<Eigen::Index>(out.measures.size());
  const auto b = static_cast<Eigen::Index>(out.batch.size());
  const auto q = static_cast<Eigen::Index>(out.covariates.column.size());
  combat::Model& m = out.model;
  for (int id = 0; id < static_cast<int>(b); ++id) m.batches.push_back(id);
  m.n_rows = integers_from(record, "n_rows");
  m.grand_mean = matrix_from(record, "grand_mean", p, 1);
  m.pooled_sd = matrix_from(record, "pooled_sd", p, 1);
  m.coefficients = q > 0 ? matrix_from(record, "coefficient", q, p) : Eigen::MatrixXd(0, p);
  m.gamma_star = matrix_from(record, "location", b, p).transpose();
  m.delta_star = matrix_from(record, "scale", b, p).transpose();
  m.gamma_hat = matrix_from(record, "location_unshrunk", b, p).transpose();
  m.delta_hat = matrix_from(record, "scale_unshrunk", b, p).transpose();
  return out;
}

GroupRecord record_of(const Completion& learned, const std::string& path) {
  const chained_imputation::Model& m = learned.model;
  GroupRecord out{.path = path,
                  .what = "chained equations: donors are values of training people, by measure, "
                          "without who they are"};
  out.settings = {stage_setting(chained_imputation::kStage),
                  parameters(m.params),
                  {"batch_column", learned.column}};
  FlatChains flat;
  const chained_imputation::Chains& chains = m.chains.front();
  flat.add(chains.pooled, -1);
  for (const auto& [id, one] : chains.by_batch) flat.add(one, id);
  const std::size_t p = learned.measures.size();
  const auto add_axis = [&out](const char* name, std::size_t size) {
    out.axes.push_back({name, size, {}, {}});
  };
  out.axes.push_back({"column", p, learned.measures, {}});
  if (!learned.batch.empty()) {
    out.axes.push_back({"batch", learned.batch.size(), learned.batch, {}});
    std::vector<std::int32_t> absent(learned.batch.size() * p, 0);
    for (const auto& [id, columns] : m.absent) {
      for (std::size_t c = 0; c < p && id >= 0; ++c) {
        absent[static_cast<std::size_t>(id) * p + c] = columns[c] != 0 ? 1 : 0;
      }
    }
    out.arrays.push_back(
        integers_of("absent", "1: nobody of the batch has it", {"batch", "column"}, absent));
  }
  add_axis("model", flat.batch.size());
  add_axis("term", flat.predictor.size());
  add_axis("donor", flat.value.size());
  const Text by_column{"model", "column"};
  out.arrays.push_back(
      integers_of("known", "0: nobody has it", {"column"}, {m.known.begin(), m.known.end()}));
  out.arrays.push_back(integers_of("model_batch", "-1: all batches", {"model"}, flat.batch));
  out.arrays.push_back(text_of("seed", "of the draws", {"model"}, flat.seed));
  const auto number = [&out](const char* name, const Text& axes, std::vector<double> values) {
    out.arrays.push_back({.name = name, .what = "", .axes = axes, .number = std::move(values)});
  };
  number("start", by_column, flat.start);
  number("intercept", by_column, flat.intercept);
  out.arrays.push_back(integers_of("n_predictors", "", by_column, flat.n_predictors));
  out.arrays.push_back(integers_of("n_donors", "", by_column, flat.n_donors));
  if (!flat.predictor.empty()) {
    out.arrays.push_back(integers_of("predictor", "column", {"term"}, flat.predictor));
    number("coefficient", {"term"}, flat.coefficient);
  }
  if (!flat.value.empty()) {
    number("predicted", {"donor"}, flat.predicted);
    number("value", {"donor"}, flat.value);
  }
  return out;
}

Completion completion_of(const GroupRecord& record) {
  check_version(record, chained_imputation::kStage);
  Completion out;
  chained_imputation::Model& m = out.model;
  read_parameters(record, m.params);
  out.column = record.setting("batch_column");
  out.measures = record.array("column").text;
  const std::size_t p = out.measures.size();
  for (const int known : integers_from(record, "known")) {
    m.known.push_back(known != 0 ? 1 : 0);
  }
  if (record.has("batch")) {
    out.batch = record.array("batch").text;
    const std::vector<int> absent = integers_from(record, "absent");
    require(absent.size() == out.batch.size() * p, record);
    for (std::size_t b = 0; b < out.batch.size(); ++b) {
      std::vector<std::uint8_t> own;
      for (std::size_t c = 0; c < p; ++c) own.push_back(absent[b * p + c] != 0 ? 1 : 0);
      if (std::find(own.begin(), own.end(), 1) != own.end()) m.absent[static_cast<int>(b)] = own;
    }
  }
  const std::vector<int> batch = integers_from(record, "model_batch");
  const std::vector<int> n_predictors = integers_from(record, "n_predictors");
  const std::vector<int> n_donors = integers_from(record, "n_donors");
  const std::vector<int> predictor =
      record.has("predictor") ? integers_from(record, "predictor") : std::vector<int>{};
  const auto flat = [&record](const char* name) {
    return record.has(name) ? record.array(name).number : std::vector<double>{};
  };
  const auto start = flat("start"), intercept = flat("intercept"),
             coefficient = flat("coefficient");
  const auto predicted = flat("predicted"), value = flat("value");
  const std::size_t cells = batch.size() * p;
  require(m.known.size() == p && start.size() == cells && intercept.size() == cells &&
              n_predictors.size() == cells && n_donors.size() == cells &&
              coefficient.size() == predictor.size() && predicted.size() == value.size() &&
              record.array("seed").text.size() == batch.size() && !batch.empty(),
          record);
  m.chains.resize(1);
  std::size_t term = 0, donor = 0;
  for (std::size_t k = 0; k < batch.size(); ++k) {
    cohort::ChainedModel one;
    one.options = {m.params.donors, m.params.iterations,
                   whole_of(record, record.array("seed").text[k])};
    one.start.resize(static_cast<Eigen::Index>(p));
    for (std::size_t c = 0; c < p; ++c) {
      const std::size_t cell = k * p + c;
      const auto terms = static_cast<std::size_t>(n_predictors[cell]);
      const auto donors = static_cast<std::size_t>(n_donors[cell]);
      require(n_predictors[cell] >= 0 && n_donors[cell] >= 0 && term + terms <= predictor.size() &&
                  donor + donors <= value.size(),
              record);
      one.start[static_cast<Eigen::Index>(c)] = start[cell];
      cohort::ColumnDonors own;
      own.intercept = intercept[cell];
      own.coefficients.resize(static_cast<Eigen::Index>(terms));
      for (std::size_t t = 0; t < terms; ++t, ++term) {
        require(predictor[term] >= 0 && predictor[term] < static_cast<int>(p), record);
        own.predictors.push_back(predictor[term]);
        own.coefficients[static_cast<Eigen::Index>(t)] = coefficient[term];
      }
      for (std::size_t d = 0; d < donors; ++d, ++donor) {
        own.predicted.push_back(predicted[donor]);
        own.values.push_back(value[donor]);
      }
      one.columns.push_back(std::move(own));
    }
    if (batch[k] < 0) {
      m.chains[0].pooled = std::move(one);
    } else {
      m.chains[0].by_batch[batch[k]] = std::move(one);
    }
  }
  return out;
}

} // namespace boldmill::graph
