// /timeseries, /confounds and /connectivity: what grows with the number of volumes and regions.
#include <algorithm>
#include <map>
#include <set>

#include "pipeline/store/layout.hpp"

namespace boldmill::store {
namespace {

std::vector<double> volume_times(std::size_t n_volumes, double tr_s) {
  std::vector<double> time(n_volumes);
  for (std::size_t t = 0; t < n_volumes; ++t) time[t] = static_cast<double>(t) * tr_s;
  return time;
}

void expect(std::size_t found, std::size_t expected, const RunRecord& run, const char* thing) {
  if (found == expected) return;
  throw Error(ErrorKind::internal, run.run_id + ": " + thing + ": found " + std::to_string(found) +
                                       ", expected " + std::to_string(expected));
}

std::size_t rows(Eigen::Index n) { return static_cast<std::size_t>(n); }

Dimension write_time(const Group& group, const RunRecord& run, std::size_t n_volumes) {
  const Dimension time = group.dimension("time", volume_times(n_volumes, run.tr_s), "s");
  if (run.kept.empty()) return time;
  expect(run.kept.size(), n_volumes, run, "volumes in kept");
  group.write_flags("kept", {time}, run.kept, "censored kept");
  return time;
}

void write_series(const Group& root, const RunRecord& run, const std::string& atlas,
                  const ParcelSeries& series) {
  const Group group = root.open_or_create("timeseries").open_or_create(atlas).create(run.run_id);
  group.attribute("RepetitionTime", run.tr_s);
  group.attribute("atlas", atlas);
  const std::size_t n_regions = rows(series.values.cols());
  const Dimension region = group.dimension("region", n_regions);
  const Dimension time = write_time(group, run, rows(series.values.rows()));
  if (!series.coverage.empty()) {
    expect(series.coverage.size(), n_regions, run, "regions in coverage");
    group.write("coverage", {region}, Values(series.coverage),
                {{"long_name", "share of the region inside the run's brain mask"}});
  }
  group.write("series", {time, region}, Values(row_major(series.values)));
  if (series.denoised.rows() == 0) return; // nuisance regression was refused
  expect(rows(series.denoised.rows()), time.size, run, "volumes in denoised");
  expect(rows(series.denoised.cols()), n_regions, run, "regions in denoised");
  group.write("denoised", {time, region}, Values(row_major(series.denoised)),
              {{"long_name", "series after nuisance regression, missing where censored"}});
}

void write_confounds(const Group& root, const RunRecord& run) {
  expect(run.confound_names.size(), rows(run.confounds.cols()), run, "names of confounds");
  const Group group = root.open_or_create("confounds").create(run.run_id);
  group.attribute("RepetitionTime", run.tr_s);
  const Dimension confound = group.dimension("confound", run.confound_names);
  const Dimension time = write_time(group, run, rows(run.confounds.rows()));
  group.write("values", {time, confound}, run.confounds);
  if (!run.confound_metadata.empty()) group.scalar("metadata", run.confound_metadata);
}

} // namespace

void write_carpet(const Group& root, const RunRecord& run) {
  const Carpet& carpet = run.carpet;
  if (carpet.tissue.empty()) return;
  const Group group = root.open_or_create("carpet").create(run.run_id);
  const std::size_t n_rows = carpet.tissue.size();
  const Dimension voxel = group.dimension("voxel", n_rows);
  group.write("tissue", {voxel}, Values(carpet.tissue),
              {{"long_name", "1 cerebrospinal fluid, 2 grey matter, 3 white matter, 4 other"}});
  const auto write = [&](const char* name, const std::vector<std::int8_t>& z, int volumes) {
    if (z.empty()) return;
    expect(z.size() % n_rows, 0, run, "bytes of the carpet beyond whole rows");
    const Dimension column = group.dimension(std::string("column_") + name, z.size() / n_rows);
    const Dataset data =
        group.write(name, {voxel, column}, Values(z), {{"long_name", "40 z, -128 is missing"}});
    data.attribute("volumes_per_column", volumes);
  };
  write("before", carpet.before, carpet.volumes_per_column);
  write("after", carpet.after, carpet.volumes_per_column_after);
}

void write_design(const Group& root, const RunRecord& run) {
  const TaskDesign& design = run.design;
  if (design.name.empty()) return;
  expect(design.name.size(), rows(design.values.cols()), run, "names of regressors");
  const Group group = root.open_or_create("design").create(run.run_id);
  const Dimension regressor = group.dimension("regressor", design.name);
  const Dimension time = write_time(group, run, rows(design.values.rows()));
  group.write("values", {time, regressor}, Values(row_major(design.values)),
              {{"long_name", "regressors of the task in the model of the run"}});
}

void write_run(const Group& root, const RunRecord& run) {
  for (const auto& [atlas, series] : run.series) write_series(root, run, atlas, series);
  if (run.confounds.rows() > 0) write_confounds(root, run);
}

std::vector<ConnectivityLayout> connectivity_layout(const CohortHeader& header,
                                                    std::span<const PersonRecord> people) {
  std::map<std::pair<std::string, std::string>, std::set<std::string>> kinds;
  for (const PersonRecord& person : people) {
    for (const ConnectivityRecord& record : person.connectivity) {
      kinds[{record.source, record.atlas}].insert(record.kind);
    }
  }
  std::vector<ConnectivityLayout> layouts;
  for (const auto& [key, names] : kinds) {
    const auto atlas =
        std::find_if(header.atlases.begin(), header.atlases.end(),
                     [&](const AtlasRecord& candidate) { return candidate.name == key.second; });
    if (atlas == header.atlases.end()) {
      throw Error(ErrorKind::internal,
                  "connectivity: atlas " + key.second + " is not in the header");
    }
    layouts.push_back(
        {key.first, key.second, {names.begin(), names.end()}, n_edges(atlas->label.size())});
  }
  return layouts;
}

const ConnectivityRecord* find_connectivity(const PersonRecord& person,
                                            const ConnectivityLayout& layout,
                                            const std::string& kind) {
  for (const ConnectivityRecord& record : person.connectivity) {
    if (record.source == layout.source && record.atlas == layout.atlas && record.kind == kind) {
      return &record;
    }
  }
  return nullptr;
}

std::vector<Dataset> create_connectivity(const Group& root, const RootDimensions& dimensions,
                                         std::span<const PersonRecord> people,
                                         const ConnectivityLayout& layout) {
  const Group group =
      root.open_or_create("connectivity").open_or_create(layout.source).create(layout.atlas);
  const Dimension edge = group.dimension("edge", layout.n_edges);
  std::vector<std::int32_t> a, b;
  for (std::int32_t i = 0, k = 0; static_cast<std::size_t>(k) < layout.n_edges; ++i) {
    for (std::int32_t j = i + 1; n_edges(static_cast<std::size_t>(j) + 1) <= layout.n_edges;
         ++j, ++k) {
      a.push_back(i);
      b.push_back(j);
    }
  }
  group.write("edge_a", {edge}, Values(a), {{"long_name", "region of the atlas, from 0"}});
  group.write("edge_b", {edge}, Values(b), {{"long_name", "region of the atlas, from 0"}});
  std::vector<std::int32_t> n_volumes(people.size(), 0);
  for (std::size_t p = 0; p < people.size(); ++p) {
    for (const std::string& kind : layout.kind) {
      const ConnectivityRecord* record = find_connectivity(people[p], layout, kind);
      if (record != nullptr) n_volumes[p] = std::max(n_volumes[p], record->n_volumes);
    }
  }
  group.write("n_volumes", {dimensions.row}, Values(n_volumes),
              {{"long_name", "volumes that entered, 0 when there is no matrix"}});
  std::vector<Dataset> datasets;
  for (const std::string& kind : layout.kind) {
    datasets.push_back(
        group.write(kind, {dimensions.row, edge}, Values(static_cast<const double*>(nullptr))));
  }
  return datasets;
}

} // namespace boldmill::store
