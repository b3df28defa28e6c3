// What the cohort stages added, and connectivity.
#include <algorithm>
#include <array>
#include <string_view>

#include "pipeline/store/cohort_reader_state.hpp"
#include "pipeline/store/read.hpp"
#include "pipeline/store/reasons.hpp"
#include "pipeline/store/shard.hpp"

namespace boldmill::store {
namespace {

std::string connectivity_path(const ConnectivityName& name) {
  return "/connectivity/" + safe_name(name.source) + "/" + safe_name(name.atlas) + "/" +
         safe_name(name.kind);
}

std::optional<ScoreTable> read_score_table(const File& file, const std::string& name,
                                           std::size_t rows, std::size_t columns) {
  const std::string path = "/circuits/" + name;
  if (!exists(file, path)) return std::nullopt;
  const auto read = [&](const std::string& ending) -> Eigen::MatrixXd {
    if (!exists(file, path + ending)) return {};
    return read_table(file, path + ending, rows, columns);
  };
  ScoreTable table;
  table.value = read("");
  table.se = read("_se");
  table.coverage = read("_coverage");
  table.se_run = read("_se_run");
  table.reason = read_reasons(file, "/circuits", name + "_", rows, columns);
  return table;
}

// Fills `value` by `read` when the dataset is there.
template <class T, class Read>
void optional(const File& file, const std::string& path, T& value, Read read) {
  if (exists(file, path)) value = read(file, path);
}

std::vector<MetricRecord> read_metrics(const File& file, const std::string& base) {
  const std::vector<std::string> name = read_strings(file, base + "metric");
  const std::vector<double> value = read_doubles(file, base + "metric_value");
  const std::vector<double> lower = read_doubles(file, base + "metric_lower");
  const std::vector<double> upper = read_doubles(file, base + "metric_upper");
  const std::vector<double> p = read_doubles(file, base + "metric_p_permutation");
  std::vector<MetricRecord> metrics;
  for (std::size_t i = 0; i < name.size(); ++i) {
    metrics.push_back({name[i], value.at(i), lower.at(i), upper.at(i), p.at(i)});
  }
  return metrics;
}

PredictionRecord read_prediction(const File& file, const std::string& path) {
  PredictionRecord record;
  const std::string base = path + "/";
  record.target = text_attribute(file, path, "target");
  record.model = text_attribute(file, path, "model");
  record.cv = text_attribute(file, path, "cv");
  record.interval_level = number_attribute(file, path, "interval_level");
  optional(file, base + "y", record.y, read_doubles);
  optional(file, base + "prediction", record.prediction, read_doubles);
  optional(file, base + "class", record.class_name, read_strings);
  optional(file, base + "probability", record.probability, read_matrix);
  optional(file, base + "lower", record.lower, read_doubles);
  optional(file, base + "upper", record.upper, read_doubles);
  optional(file, base + "set", record.set, read_flag_matrix);
  optional(file, base + "arm", record.arm, read_strings);
  optional(file, base + "by_arm", record.by_arm, read_matrix);
  optional(file, base + "circuit", record.contribution_name, read_strings);
  optional(file, base + "contribution", record.contribution, read_matrix);
  optional(file, base + "abstain", record.abstain, read_uint8);
  optional(file, base + "abstain_reason", record.abstain_reason, read_strings);
  optional(file, base + "fold", record.fold, read_int_matrix);
  optional(file, base + "term", record.coefficient_name, read_strings);
  optional(file, base + "coefficient", record.coefficient, read_doubles);
  optional(file, base + "fold_coefficient", record.fold_coefficient, read_matrix);
  if (exists(file, base + "metric")) record.metrics = read_metrics(file, base);
  if (exists(file, base + "permutation_null")) {
    record.permutation_null = read_doubles(file, base + "permutation_null");
    record.null_metric = text_attribute(file, base + "permutation_null", "metric");
  }
  optional(file, base + "model_card", record.model_card, read_scalar_text);
  return record;
}

} // namespace

std::optional<ScoreTable> CohortReader::features() const {
  const Hdf5Lock lock;
  return read_score_table(state_->file, "features", n_rows(), state_->header.feature.size());
}

std::optional<ScoreTable> CohortReader::scores() const {
  const Hdf5Lock lock;
  return read_score_table(state_->file, "scores", n_rows(), state_->header.score.size());
}

std::optional<ReferenceRecord> CohortReader::reference() const {
  const Hdf5Lock lock;
  const File& file = state_->file;
  const std::string path = "/circuits/reference";
  if (!exists(file, path)) return std::nullopt;
  ReferenceRecord record{text_attribute(file, path, "axis"),
                         read_doubles(file, path + "/mean"),
                         read_doubles(file, path + "/sd"),
                         read_int32(file, path + "/n"),
                         {},
                         {}};
  if (has_attribute(file, path, "task_free_source")) {
    record.source = text_attribute(file, path, "task_free_source");
  }
  return record;
}

std::vector<PredictionRecord> CohortReader::predictions() const {
  const Hdf5Lock lock;
  const File& file = state_->file;
  std::vector<PredictionRecord> records;
  const std::string base = "/cohort/predictions";
  for (const std::string& target : subgroups(file, base)) {
    for (const std::string& model : subgroups(file, base + "/" + target)) {
      const std::string folder = base + "/" + target + "/" + model;
      for (const std::string& cv : subgroups(file, folder)) {
        records.push_back(read_prediction(file, folder + "/" + cv));
      }
    }
  }
  return records;
}

std::vector<NotDone> CohortReader::not_done() const {
  const Hdf5Lock lock;
  const File& file = state_->file;
  std::vector<NotDone> out;
  if (!exists(file, "/cohort/not_done")) return out;
  const std::vector<std::string> analysis = read_strings(file, "/cohort/not_done/analysis");
  const std::vector<std::string> reason = read_strings(file, "/cohort/not_done/reason");
  for (std::size_t i = 0; i < analysis.size(); ++i) out.push_back({analysis[i], reason.at(i)});
  return out;
}

std::vector<ConnectivityName> CohortReader::connectivity_names() const {
  constexpr std::array<std::string_view, 4> kNotEdges{"edge", "edge_a", "edge_b", "n_volumes"};
  const Hdf5Lock lock;
  const File& file = state_->file;
  std::vector<ConnectivityName> names;
  for (const std::string& source : subgroups(file, "/connectivity")) {
    const std::string folder = "/connectivity/" + source;
    for (const std::string& atlas : subgroups(file, folder)) {
      const std::string group = folder + "/" + atlas;
      for (const std::string& kind : children(file, group)) {
        if (std::find(kNotEdges.begin(), kNotEdges.end(), kind) != kNotEdges.end()) continue;
        const std::string path = group + "/" + kind;
        if (shape_of(file, path).size() != 2) continue;
        names.push_back(
            {original_name(file, folder), original_name(file, group), original_name(file, path)});
      }
    }
  }
  return names;
}

Eigen::MatrixXd CohortReader::connectivity(const ConnectivityName& name) const {
  const Hdf5Lock lock;
  return read_matrix(state_->file, connectivity_path(name));
}

Eigen::VectorXd CohortReader::connectivity_row(const ConnectivityName& name,
                                               std::size_t row) const {
  return connectivity_rows(name, row, 1).transpose();
}

Eigen::MatrixXd CohortReader::connectivity_rows(const ConnectivityName& name, std::size_t first,
                                                std::size_t n) const {
  const Hdf5Lock lock;
  const std::vector<double> values = read_rows(state_->file, connectivity_path(name), first, n);
  using RowMajor = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  const auto rows = static_cast<Eigen::Index>(n);
  return Eigen::Map<const RowMajor>(
      values.data(), rows, rows == 0 ? 0 : static_cast<Eigen::Index>(values.size()) / rows);
}

std::vector<std::int32_t> CohortReader::connectivity_n_volumes(const ConnectivityName& name) const {
  const Hdf5Lock lock;
  const std::string path = connectivity_path(name);
  const std::string counts = path.substr(0, path.rfind('/')) + "/n_volumes";
  std::vector<std::int32_t> n_volumes = read_int32(state_->file, counts);
  expect_rows(state_->file, counts, n_volumes.size(), n_rows());
  return n_volumes;
}

} // namespace boldmill::store
