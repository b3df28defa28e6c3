#include "pipeline/store/shard.hpp"

#include <cmath>
#include <limits>

#include "pipeline/store/figures_layout.hpp"
#include "pipeline/store/layout.hpp"
#include "pipeline/store/reader.hpp"
#include "pipeline/store/self_contained.hpp"

namespace boldmill::store {
namespace {

void write_content(const File& file, const CohortHeader& header, const PersonRecord& person,
                   const ShardFigures& figures) {
  const Group root = Group::root(file);
  const std::span<const PersonRecord> people(&person, 1);
  const RootDimensions dimensions = write_root(root, header, Content::shard, people);
  write_tables(root, dimensions, header, Content::shard, people);
  write_regional(root, dimensions.row, header, people);
  for (const RunRecord& run : person.runs) {
    write_run(root, run);
    write_carpet(root, run);
    write_design(root, run);
  }
  write_figures(root, figures);
  for (const ConnectivityLayout& layout : connectivity_layout(header, people)) {
    const std::vector<Dataset> datasets = create_connectivity(root, dimensions, people, layout);
    for (std::size_t k = 0; k < datasets.size(); ++k) {
      const std::vector<double>& edges = find_connectivity(person, layout, layout.kind[k])->edges;
      if (edges.size() != layout.n_edges) {
        throw Error(ErrorKind::internal, datasets[k].path() + ": found " +
                                             std::to_string(edges.size()) + " edges, expected " +
                                             std::to_string(layout.n_edges));
      }
      datasets[k].write_rows(0, 1, edges.data());
    }
  }
  write_provenance(root, header, people);
}

template <class T>
std::string difference(const char* name, const T& found, const T& expected) {
  if (found == expected) return {};
  if constexpr (std::is_same_v<T, std::string>) {
    return std::string(name) + ": found " + found + ", expected " + expected;
  }
  return std::string(name) + ": not the same";
}

// Regions of a surface have no centre: what is missing in both is no difference.
std::vector<AtlasRecord> without_missing(std::vector<AtlasRecord> atlases) {
  for (AtlasRecord& atlas : atlases) {
    for (auto* centres : {&atlas.x_mm, &atlas.y_mm, &atlas.z_mm}) {
      for (double& mm : *centres) mm = std::isnan(mm) ? std::numeric_limits<double>::max() : mm;
    }
  }
  return atlases;
}

} // namespace

void write_shard(const std::filesystem::path& path, const CohortHeader& header,
                 const PersonRecord& person) {
  write_shard(path, header, person, {});
}

void write_shard(const std::filesystem::path& path, const CohortHeader& header,
                 const PersonRecord& person, const ShardFigures& figures) {
  const Hdf5Lock lock;
  PartFile part(path);
  {
    File file(part.part(), File::Mode::create);
    write_content(file, header, person, figures);
    file.close();
  }
  part.publish();
}

std::pair<CohortHeader, PersonRecord> read_shard(const std::filesystem::path& path) {
  {
    const Hdf5Lock lock;
    check_links(File(path, File::Mode::read));
  }
  const CohortReader reader(path);
  if (reader.n_rows() != 1) {
    throw Error(ErrorKind::input, path.string() + ": found " + std::to_string(reader.n_rows()) +
                                      " rows, expected a shard with one");
  }
  PersonRecord person = reader.person(0);
  for (RunRecord& run : person.runs) reader.read_run(run);
  for (ConnectivityRecord& record : person.connectivity) {
    const Eigen::VectorXd edges =
        reader.connectivity_row({record.source, record.atlas, record.kind}, 0);
    record.edges.assign(edges.begin(), edges.end());
  }
  return {reader.header(), std::move(person)};
}

CohortHeader read_header(const std::filesystem::path& path) { return CohortReader(path).header(); }

std::string header_difference(const CohortHeader& found, const CohortHeader& expected) {
  const std::string differences[] = {
      difference("build", found.build, expected.build),
      difference("cpu_level", found.cpu_level, expected.cpu_level),
      difference("config_sha256", found.config_sha256, expected.config_sha256),
      difference("config", found.config_json, expected.config_json),
      difference("taxonomy_sha256", found.taxonomy_sha256, expected.taxonomy_sha256),
      difference("cohort_id", found.cohort_id, expected.cohort_id),
      difference("created_by", found.created_by, expected.created_by),
      difference("measures", found.measure, expected.measure),
      difference("features", found.feature, expected.feature),
      difference("scores", found.score, expected.score),
      difference("participant columns", found.participant_columns, expected.participant_columns),
      difference("atlases", without_missing(found.atlases), without_missing(expected.atlases))};
  for (const std::string& text : differences) {
    if (!text.empty()) return text;
  }
  return {};
}

} // namespace boldmill::store
