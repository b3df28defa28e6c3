#include "pipeline/store/layout.hpp"

#include <algorithm>
#include <charconv>
#include <limits>
#include <map>
#include <set>

#include "pipeline/store/numbers.hpp"
#include "pipeline/store/reader.hpp"
#include "pipeline/store/reasons.hpp"
#include "pipeline/store/run_fields.hpp"

namespace boldmill::store {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
using People = std::span<const PersonRecord>;

std::size_t count_runs(People people) {
  std::size_t n = 0;
  for (const PersonRecord& person : people) n += person.runs.size();
  return n;
}

template <class T, class Get>
std::vector<T> per_person(People people, Get get) {
  std::vector<T> out;
  out.reserve(people.size());
  for (const PersonRecord& person : people) out.push_back(get(person));
  return out;
}

template <class T, class Get>
std::vector<T> per_run(People people, Get get) {
  std::vector<T> out;
  for (const PersonRecord& person : people) {
    for (const RunRecord& run : person.runs) out.push_back(get(run));
  }
  return out;
}

// A column of numbers for statistics: every present cell is a number, written without the leading
// zeros that codes have ("007").
bool is_number_column(const std::vector<std::string>& values) {
  bool any = false;
  for (const std::string& text : values) {
    if (text.empty()) continue;
    const std::size_t digits = text[0] == '-' ? 1 : 0;
    const bool code = text.size() > digits + 1 && text[digits] == '0' && text[digits + 1] != '.';
    if (code || std::isnan(as_numbers({text})[0])) return false;
    any = true;
  }
  return any;
}

void write_participants(const Group& root, const Dimension& row, const CohortHeader& header,
                        Content content, People people) {
  const Group group = root.create("participants");
  group.write("participant_id", {row}, per_person<std::string>(people, [](const auto& person) {
                return person.participant_id;
              }));
  group.write("session_id", {row}, per_person<std::string>(people, [](const auto& person) {
                return person.session_id;
              }));
  for (const std::string& column : header.participant_columns) {
    if (column == "row") {
      throw Error(ErrorKind::usage,
                  "participants.tsv: column \"row\" cannot be stored, the name is "
                  "that of a dimension: expected another name");
    }
    const auto values = per_person<std::string>(people, [&](const auto& person) {
      const auto cell = person.columns.find(column);
      return cell == person.columns.end() ? std::string() : cell->second;
    });
    if (content == Content::cohort && is_number_column(values)) {
      group.write(column, {row}, Values(as_numbers(values)));
    } else {
      group.write(column, {row}, values);
    }
  }
}

void write_runs(const Group& root, const Dimension& run, People people) {
  const Group group = root.create("runs");
  group.write("run_id", {run},
              per_run<std::string>(people, [](const auto& r) { return r.run_id; }));
  std::vector<std::int32_t> row;
  for (std::size_t p = 0; p < people.size(); ++p) {
    row.insert(row.end(), people[p].runs.size(), static_cast<std::int32_t>(p));
  }
  group.write("row", {run}, Values(row), {{"long_name", "position along dimension row, from 0"}});
  for_each_run_field([&](const char* name, auto field, const std::string& key, const char* value) {
    using Field = std::remove_cvref_t<decltype(RunRecord{}.*field)>;
    const auto values = per_run<Field>(people, [&](const auto& r) { return r.*field; });
    const Attributes attributes = key.empty() ? Attributes{} : Attributes{{key, value}};
    if constexpr (std::is_same_v<Field, std::string>) {
      group.write(name, {run}, values, attributes);
    } else {
      group.write(name, {run}, Values(values), attributes);
    }
  });
}

// One column per measure that any run has.
void write_quality(const Group& root, const Dimension& run, People people) {
  std::set<std::string> names;
  for (const PersonRecord& person : people) {
    for (const RunRecord& record : person.runs) {
      for (const auto& [name, value] : record.quality) names.insert(name);
    }
  }
  if (names.empty()) return;
  const Group group = root.create("quality");
  for (const std::string& name : names) {
    const auto values = per_run<double>(people, [&](const RunRecord& record) {
      const auto found = record.quality.find(name);
      return found == record.quality.end() ? kNaN : found->second;
    });
    group.write(name, {run}, Values(values));
  }
}

void write_atlases(const Group& root, const CohortHeader& header) {
  if (header.atlases.empty()) return;
  const Group atlases = root.create("atlases");
  for (const AtlasRecord& atlas : header.atlases) {
    const std::size_t n = atlas.label.size();
    if (atlas.index.size() != n || atlas.x_mm.size() != n || atlas.y_mm.size() != n ||
        atlas.z_mm.size() != n || atlas.n_voxels.size() != n) {
      throw Error(ErrorKind::internal, "atlas " + atlas.name +
                                           ": columns of unequal length, expected " +
                                           std::to_string(n) + " regions in each");
    }
    const Group group = atlases.create(atlas.name);
    group.attribute("space", atlas.space);
    group.attribute("description", atlas.description);
    const Dimension region = group.dimension("region", n);
    group.write("label", {region}, atlas.label);
    group.write("index", {region}, Values(atlas.index));
    group.write("x", {region}, Values(atlas.x_mm), {{"units", "mm"}});
    group.write("y", {region}, Values(atlas.y_mm), {{"units", "mm"}});
    group.write("z", {region}, Values(atlas.z_mm), {{"units", "mm"}});
    group.write("n_voxels", {region}, Values(atlas.n_voxels));
  }
}

// Square, row by row; float32, for a correlation of errors is not known better.
void write_error_correlation(const Group& group, const RootDimensions& dimensions,
                             const CohortHeader& header, People people) {
  const std::size_t n = dimensions.measure.size;
  std::vector<float> values(people.size() * n * n, std::numeric_limits<float>::quiet_NaN());
  for (std::size_t p = 0; p < people.size(); ++p) {
    const Eigen::MatrixXf& own = people[p].error_correlation;
    if (own.size() == 0) continue;
    if (own.rows() != own.cols() || static_cast<std::size_t>(own.rows()) != n) {
      throw Error(ErrorKind::internal, people[p].participant_id + ": error correlation of " +
                                           std::to_string(own.rows()) + " measures, expected " +
                                           std::to_string(n));
    }
    const std::vector<float> rows = row_major(own);
    std::copy(rows.begin(), rows.end(), values.begin() + static_cast<std::ptrdiff_t>(p * n * n));
  }
  const Dimension other = group.dimension("other_measure", header.measure);
  group.write("measures_error_correlation", {dimensions.row, dimensions.measure, other},
              Values(values),
              {{"long_name", "correlation of the errors of two measures of one row"}});
}

void write_circuits(const Group& root, const RootDimensions& dimensions, const CohortHeader& header,
                    People people) {
  const Group group = root.create("circuits");
  const std::size_t n_measures = dimensions.measure.size;
  const auto table = [&](const char* name, double MeasureRecord::*field) {
    std::vector<double> values(people.size() * n_measures, kNaN);
    for (std::size_t p = 0; p < people.size(); ++p) {
      const std::vector<MeasureRecord>& measures = people[p].measures;
      if (!measures.empty() && measures.size() != n_measures) {
        throw Error(ErrorKind::internal, people[p].participant_id + ": found " +
                                             std::to_string(measures.size()) +
                                             " measures, expected " + std::to_string(n_measures));
      }
      for (std::size_t m = 0; m < measures.size(); ++m) {
        values[p * n_measures + m] = measures[m].*field;
      }
    }
    group.write(name, {dimensions.row, dimensions.measure}, Values(values));
  };
  table("measures", &MeasureRecord::value);
  table("measures_se", &MeasureRecord::se);
  table("measures_coverage", &MeasureRecord::coverage);
  table("measures_dof", &MeasureRecord::dof);
  table("measures_half_difference", &MeasureRecord::half_difference);
  write_error_correlation(group, dimensions, header, people);
  group.write("source", {dimensions.row},
              per_person<std::string>(people, [](const auto& person) { return person.source; }),
              {{"long_name", "where the task-free measures come from"}});
  group.write_flags("imputed", {dimensions.row, dimensions.measure},
                    std::vector<std::uint8_t>(people.size() * n_measures, 0), "observed imputed");
  Reasons reasons;
  for (const PersonRecord& person : people) {
    std::vector<std::string>& row = reasons.emplace_back();
    for (const MeasureRecord& measure : person.measures) row.push_back(measure.reason);
  }
  write_reasons(group, "", {dimensions.row, dimensions.measure}, reasons);
}

void write_inputs(const Group& provenance, People people) {
  std::map<std::pair<std::string, std::string>, std::int64_t> inputs; // shared ones once
  for (const PersonRecord& person : people) {
    for (const InputRecord& input : person.inputs) {
      inputs[{input.path, input.sha256}] = static_cast<std::int64_t>(input.bytes);
    }
  }
  std::vector<std::string> path, sha256;
  std::vector<std::int64_t> bytes;
  for (const auto& [key, size] : inputs) {
    path.push_back(key.first);
    sha256.push_back(key.second);
    bytes.push_back(size);
  }
  const Group group = provenance.create("inputs");
  const Dimension input = group.dimension("input", path.size());
  group.write("path", {input}, path);
  group.write("bytes", {input}, Values(bytes));
  group.write("sha256", {input}, sha256);
}

void write_stages(const Group& provenance, People people) {
  std::set<std::tuple<std::string, std::int32_t, std::string>> stages;
  for (const PersonRecord& person : people) {
    for (const StageRecord& stage : person.stages) {
      stages.emplace(stage.name, stage.version, stage.key);
    }
  }
  std::vector<std::string> name, key;
  std::vector<std::int32_t> version;
  for (const auto& [stage_name, stage_version, stage_key] : stages) {
    name.push_back(stage_name);
    version.push_back(stage_version);
    key.push_back(stage_key);
  }
  const Group group = provenance.create("stages");
  const Dimension stage = group.dimension("stage", name.size());
  group.write("name", {stage}, name);
  group.write("version", {stage}, Values(version));
  group.write("key", {stage}, key);
}

void write_resources(const Group& provenance, People people) {
  std::vector<std::string> stage, item;
  std::vector<double> wall_s, cpu_s, peak_bytes, start_s, cores;
  for (const PersonRecord& person : people) {
    for (const ResourceRecord& resource : person.resources) {
      stage.push_back(resource.stage);
      item.push_back(resource.item);
      wall_s.push_back(resource.wall_s);
      cpu_s.push_back(resource.cpu_s);
      peak_bytes.push_back(resource.peak_bytes);
      start_s.push_back(resource.start_s);
      cores.push_back(resource.cores);
    }
  }
  const Group group = provenance.create("resources");
  const Dimension use = group.dimension("use", stage.size());
  group.write("stage", {use}, stage);
  group.write("item", {use}, item);
  group.write("wall_s", {use}, Values(wall_s), {{"units", "s"}});
  group.write("cpu_s", {use}, Values(cpu_s), {{"units", "s"}});
  group.write(
      "peak_bytes", {use}, Values(peak_bytes),
      {{"units", "byte"},
       {"description",
        "most resident memory of the process, all its runs together, that is known from while "
        "the stage worked"}});
  group.write("start_s", {use}, Values(start_s), {{"units", "s"}, {"long_name", "Unix time"}});
  group.write("cores", {use}, Values(cores),
              {{"long_name", "CPU time of the process over wall time"}});
}

} // namespace

RootDimensions write_root(const Group& root, const CohortHeader& header, Content content,
                          People people) {
  root.attribute("format", std::string("boldmill"));
  root.attribute("format_version", kFormatVersion);
  root.attribute("content", std::string(content == Content::shard ? "shard" : "cohort"));
  root.attribute("created_by", header.created_by);
  root.attribute("config_sha256", header.config_sha256);
  root.attribute("taxonomy_sha256", header.taxonomy_sha256);
  root.attribute("cohort_id", header.cohort_id);
  root.attribute("intended_use", std::string("research use only"));
  root.attribute("Conventions", std::string("CF-1.8"));
  return {root.dimension("row", people.size()), root.dimension("run", count_runs(people)),
          root.dimension("measure", header.measure), root.dimension("feature", header.feature),
          root.dimension("score", header.score)};
}

void write_tables(const Group& root, const RootDimensions& dimensions, const CohortHeader& header,
                  Content content, People people) {
  write_participants(root, dimensions.row, header, content, people);
  write_runs(root, dimensions.run, people);
  write_quality(root, dimensions.run, people);
  write_atlases(root, header);
  write_circuits(root, dimensions, header, people);
}

void write_provenance(const Group& root, const CohortHeader& header, People people) {
  const Group group = root.create("provenance");
  group.scalar("config", header.config_json);
  const Group versions = group.create("versions");
  versions.scalar("created_by", header.created_by);
  versions.scalar("build", header.build);
  versions.scalar("cpu_level", header.cpu_level);
  write_inputs(group, people);
  write_stages(group, people);
  group.scalar("command", header.command);
  write_resources(group, people);
}

} // namespace boldmill::store
