#include "pipeline/store/reader.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "pipeline/store/cohort_reader_state.hpp"
#include "pipeline/store/netcdf.hpp"
#include "pipeline/store/numbers.hpp"
#include "pipeline/store/read.hpp"
#include "pipeline/store/reasons.hpp"
#include "pipeline/store/run_fields.hpp"
#include "pipeline/store/shard.hpp"

namespace boldmill::store {
namespace {

std::vector<std::string> texts(const File& file, const std::string& path, std::size_t n) {
  std::vector<std::string> values = read_strings(file, path);
  expect_rows(file, path, values.size(), n);
  return values;
}

std::vector<double> doubles(const File& file, const std::string& path, std::size_t n) {
  std::vector<double> values = read_doubles(file, path);
  expect_rows(file, path, values.size(), n);
  return values;
}

std::vector<std::int32_t> integers(const File& file, const std::string& path, std::size_t n) {
  std::vector<std::int32_t> values = read_int32(file, path);
  expect_rows(file, path, values.size(), n);
  return values;
}

AtlasRecord read_atlas(const File& file, const std::string& path) {
  AtlasRecord atlas;
  atlas.name = original_name(file, path);
  atlas.space = text_attribute(file, path, "space");
  atlas.description = text_attribute(file, path, "description");
  atlas.label = read_strings(file, path + "/label");
  const std::size_t n = atlas.label.size();
  atlas.index = integers(file, path + "/index", n);
  atlas.x_mm = doubles(file, path + "/x", n);
  atlas.y_mm = doubles(file, path + "/y", n);
  atlas.z_mm = doubles(file, path + "/z", n);
  atlas.n_voxels = integers(file, path + "/n_voxels", n);
  return atlas;
}

CohortHeader read_file_header(const File& file) {
  const auto root = [&](const char* name) { return text_attribute(file, "/", name); };
  if (!has_attribute(file, "/", "format") || root("format") != "boldmill") {
    file.fail("/@format", "not a boldmill file");
  }
  const double version = number_attribute(file, "/", "format_version");
  if (version != 1.0) {
    file.fail("/@format_version", "found " + as_text({version}).front() + ", expected 1");
  }
  CohortHeader header;
  header.created_by = root("created_by");
  header.config_sha256 = root("config_sha256");
  header.taxonomy_sha256 = root("taxonomy_sha256");
  header.cohort_id = root("cohort_id");
  header.build = read_scalar_text(file, "/provenance/versions/build");
  header.cpu_level = read_scalar_text(file, "/provenance/versions/cpu_level");
  header.config_json = read_scalar_text(file, "/provenance/config");
  header.command = read_scalar_text(file, "/provenance/command");
  header.measure = read_strings(file, "/measure");
  header.feature = read_strings(file, "/feature");
  header.score = read_strings(file, "/score");
  for (const std::string& name : children(file, "/participants")) {
    if (name == "participant_id" || name == "session_id") continue;
    header.participant_columns.push_back(original_name(file, "/participants/" + name));
  }
  for (const std::string& name : subgroups(file, "/atlases")) {
    header.atlases.push_back(read_atlas(file, "/atlases/" + name));
  }
  return header;
}

} // namespace

CohortReader::CohortReader(const std::filesystem::path& path) {
  const Hdf5Lock lock;
  state_ = std::make_unique<State>(path);
  state_->header = read_file_header(state_->file);
  state_->n_rows = count_values(shape_of(state_->file, "/row"));
}

CohortReader::~CohortReader() {
  const Hdf5Lock lock;
  state_.reset();
}

const CohortHeader& CohortReader::header() const { return state_->header; }
std::size_t CohortReader::n_rows() const { return state_->n_rows; }

std::vector<InputRecord> CohortReader::inputs() const {
  const Hdf5Lock lock;
  const File& file = state_->file;
  const std::vector<std::string> path = read_strings(file, "/provenance/inputs/path");
  const std::vector<std::int64_t> bytes = read_int64(file, "/provenance/inputs/bytes");
  const auto sha256 = texts(file, "/provenance/inputs/sha256", path.size());
  expect_rows(file, "/provenance/inputs/bytes", bytes.size(), path.size());
  std::vector<InputRecord> inputs;
  for (std::size_t i = 0; i < path.size(); ++i) {
    inputs.push_back({path[i], static_cast<std::uint64_t>(bytes[i]), sha256[i]});
  }
  return inputs;
}

std::vector<StageRecord> CohortReader::stages() const {
  const Hdf5Lock lock;
  const File& file = state_->file;
  const std::vector<std::string> name = read_strings(file, "/provenance/stages/name");
  const auto version = integers(file, "/provenance/stages/version", name.size());
  const auto key = texts(file, "/provenance/stages/key", name.size());
  std::vector<StageRecord> stages;
  for (std::size_t i = 0; i < name.size(); ++i) stages.push_back({name[i], version[i], key[i]});
  return stages;
}

std::vector<ResourceRecord> CohortReader::resources() const {
  const Hdf5Lock lock;
  const File& file = state_->file;
  const std::string base = "/provenance/resources/";
  const std::vector<std::string> stage = read_strings(file, base + "stage");
  const std::size_t n = stage.size();
  const auto item = texts(file, base + "item", n);
  const auto wall_s = doubles(file, base + "wall_s", n);
  const auto cpu_s = doubles(file, base + "cpu_s", n);
  const auto peak_bytes = doubles(file, base + "peak_bytes", n);
  const std::vector<double> unknown(n, std::nan("")); // older files
  const auto start_s =
      exists(file, base + "start_s") ? doubles(file, base + "start_s", n) : unknown;
  const auto cores = exists(file, base + "cores") ? doubles(file, base + "cores", n) : unknown;
  std::vector<ResourceRecord> out;
  for (std::size_t i = 0; i < n; ++i) {
    out.push_back({stage[i], item[i], wall_s[i], cpu_s[i], peak_bytes[i], start_s[i], cores[i]});
  }
  return out;
}

ParticipantsTable CohortReader::participants() const {
  const Hdf5Lock lock;
  const File& file = state_->file;
  ParticipantsTable table;
  table.participant_id = texts(file, "/participants/participant_id", n_rows());
  table.session_id = texts(file, "/participants/session_id", n_rows());
  table.column_names = state_->header.participant_columns;
  for (const std::string& name : table.column_names) {
    const std::string path = "/participants/" + safe_name(name);
    if (is_text(file, path)) {
      table.columns[name] = texts(file, path, n_rows());
    } else {
      table.columns[name] = as_text(doubles(file, path, n_rows()));
    }
  }
  return table;
}

RunTable CohortReader::runs() const {
  const Hdf5Lock lock;
  const File& file = state_->file;
  RunTable table;
  const std::vector<std::string> run_id = read_strings(file, "/runs/run_id");
  const std::size_t n = run_id.size();
  table.row = integers(file, "/runs/row", n);
  for (const std::int32_t row : table.row) {
    if (row < 0 || static_cast<std::size_t>(row) >= n_rows()) {
      file.fail("/runs/row", "found row " + std::to_string(row) + ", expected one of " +
                                 std::to_string(n_rows()));
    }
  }
  table.run.resize(n);
  for (std::size_t r = 0; r < n; ++r) table.run[r].run_id = run_id[r];
  for_each_run_field([&](const char* name, auto field, const char*, const char*) {
    using Field = std::remove_cvref_t<decltype(RunRecord{}.*field)>;
    const std::string path = std::string("/runs/") + name;
    const auto values = [&] {
      if constexpr (std::is_same_v<Field, std::string>) {
        return texts(file, path, n);
      } else if constexpr (std::is_same_v<Field, double>) {
        return doubles(file, path, n);
      } else {
        return integers(file, path, n);
      }
    }();
    for (std::size_t r = 0; r < n; ++r) table.run[r].*field = values[r];
  });
  if (exists(file, "/quality")) {
    for (const auto& [name, values] : read_columns(file, "/quality")) {
      expect_rows(file, "/quality/" + name, values.size(), n);
      for (std::size_t r = 0; r < n; ++r) table.run[r].quality[name] = values[r];
    }
  }
  return table;
}

MeasuresTable CohortReader::measures() const {
  const Hdf5Lock lock;
  const File& file = state_->file;
  MeasuresTable out;
  const std::size_t n_measures = state_->header.measure.size();
  const auto table = [&](const char* name) {
    return read_table(file, std::string("/circuits/") + name, n_rows(), n_measures);
  };
  out.table = {table("measures"), table("measures_se"), table("measures_coverage")};
  if (exists(file, "/circuits/measures_dof")) {
    out.dof = table("measures_dof");
    out.half_difference = table("measures_half_difference");
  }
  out.source = texts(file, "/circuits/source", n_rows());
  out.reason = read_reasons(file, "/circuits", "", n_rows(), n_measures);
  if (out.reason.size() != n_rows()) file.fail("/circuits/missing_reason", "dataset is missing");
  return out;
}

Eigen::MatrixXf CohortReader::error_correlation(std::size_t row) const {
  const Hdf5Lock lock;
  const std::string path = "/circuits/measures_error_correlation";
  if (!exists(state_->file, path)) return {};
  if (row >= n_rows()) state_->file.fail("/row", "no row " + std::to_string(row));
  const std::size_t side = state_->header.measure.size();
  const std::vector<hsize_t> chunk = chunk_shape({n_rows(), side, side}, sizeof(float));
  const std::size_t block = chunk.empty() ? n_rows() : chunk[0];
  const std::size_t first = row / block * block;
  State::Rows& rows = state_->error_correlation;
  if (rows.values.empty() || rows.first != first) {
    const std::size_t n_block = std::min(block, n_rows() - first);
    rows = {first, read_rows(state_->file, path, first, n_block)};
    if (rows.values.size() != n_block * side * side) rows.values.clear();
    expect_rows(state_->file, path, rows.values.size(), n_block * side * side);
  }
  const auto n = static_cast<Eigen::Index>(side);
  const double* values = rows.values.data() + (row - first) * side * side;
  return Eigen::Map<const Eigen::MatrixXd>(values, n, n).transpose().cast<float>();
}

void CohortReader::read_traces(RunRecord& run) const {
  const Hdf5Lock lock;
  const File& file = state_->file;
  const std::string id = safe_name(run.run_id);
  const std::string confounds = "/confounds/" + id;
  if (exists(file, confounds)) {
    run.confound_names = read_strings(file, confounds + "/confound");
    run.confounds = read_matrix(file, confounds + "/values");
    expect_rows(file, confounds + "/values", static_cast<std::size_t>(run.confounds.cols()),
                run.confound_names.size());
    if (exists(file, confounds + "/kept")) run.kept = read_uint8(file, confounds + "/kept");
    if (exists(file, confounds + "/metadata")) {
      run.confound_metadata = read_scalar_text(file, confounds + "/metadata");
    }
  }
  for (const AtlasRecord& atlas : state_->header.atlases) {
    const std::string path = "/timeseries/" + safe_name(atlas.name) + "/" + id;
    if (!exists(file, path)) continue;
    ParcelSeries& series = run.series[atlas.name];
    if (exists(file, path + "/coverage")) series.coverage = read_doubles(file, path + "/coverage");
    if (exists(file, path + "/kept")) run.kept = read_uint8(file, path + "/kept");
  }
}

void CohortReader::read_run(RunRecord& run) const {
  const Hdf5Lock lock;
  read_traces(run);
  const File& file = state_->file;
  for (const AtlasRecord& atlas : state_->header.atlases) {
    const auto found = run.series.find(atlas.name);
    if (found == run.series.end()) continue;
    ParcelSeries& series = found->second;
    const std::string path = "/timeseries/" + safe_name(atlas.name) + "/" + safe_name(run.run_id);
    series.values = read_float_matrix(file, path + "/series");
    const auto n_volumes = static_cast<std::size_t>(series.values.rows());
    if (!run.kept.empty()) expect_rows(file, path + "/kept", run.kept.size(), n_volumes);
    expect_shape(file, path + "/series", series.values.rows(), series.values.cols(), n_volumes,
                 atlas.label.size());
    if (exists(file, path + "/denoised")) {
      series.denoised = read_float_matrix(file, path + "/denoised");
      expect_shape(file, path + "/denoised", series.denoised.rows(), series.denoised.cols(),
                   n_volumes, atlas.label.size());
    }
  }
}

PersonRecord CohortReader::person(std::size_t row) const {
  const Hdf5Lock lock;
  if (row >= n_rows()) state_->file.fail("/row", "no row " + std::to_string(row));
  PersonRecord person;
  const ParticipantsTable table = participants();
  person.participant_id = table.participant_id[row];
  person.session_id = table.session_id[row];
  for (const auto& [name, values] : table.columns) person.columns[name] = values[row];
  RunTable all = runs();
  for (std::size_t r = 0; r < all.run.size(); ++r) {
    if (static_cast<std::size_t>(all.row[r]) == row) person.runs.push_back(std::move(all.run[r]));
  }
  for (const ConnectivityName& name : connectivity_names()) {
    const std::int32_t n_volumes = connectivity_n_volumes(name)[row];
    if (n_volumes > 0 || n_rows() == 1) {
      person.connectivity.push_back({name.source, name.atlas, name.kind, {}, n_volumes});
    }
  }
  for (const RegionalTable& measure : regional()) {
    const Eigen::VectorXd values = measure.values.row(static_cast<Eigen::Index>(row));
    person.regional.push_back({measure.source,
                               measure.atlas,
                               measure.name,
                               measure.per_region,
                               {values.begin(), values.end()}});
  }
  const MeasuresTable measured = measures();
  const auto r = static_cast<Eigen::Index>(row);
  person.source = measured.source[row];
  for (Eigen::Index m = 0; m < measured.table.value.cols(); ++m) {
    person.measures.push_back({measured.table.value(r, m), measured.table.se(r, m),
                               measured.table.coverage(r, m),
                               measured.reason[row][static_cast<std::size_t>(m)]});
    if (measured.dof.size() == 0) continue;
    person.measures.back().dof = measured.dof(r, m);
    person.measures.back().half_difference = measured.half_difference(r, m);
  }
  person.error_correlation = error_correlation(row);
  person.stages = stages();
  person.inputs = inputs();
  person.resources = resources();
  return person;
}

} // namespace boldmill::store
