#include "pipeline/store/merge.hpp"

#include <algorithm>
#include <map>
#include <tuple>
#include <utility>

#include "pipeline/store/copy.hpp"
#include "pipeline/store/layout.hpp"
#include "pipeline/store/read.hpp"
#include "pipeline/store/reader.hpp"
#include "pipeline/store/records_archive.hpp"
#include "pipeline/store/shard.hpp"
#include "stages/core/processes.hpp"

namespace boldmill::store {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kWorthProcesses = 64; // shards, some milliseconds each

int n_processes_of(const MergeOptions& options, std::size_t n_shards) {
  return options.n_processes > 0 ? options.n_processes : processes_for(n_shards, kWorthProcesses);
}

struct Shards {
  CohortHeader header;
  std::vector<PersonRecord> people; // without confounds, series and edges
  std::vector<fs::path> path;       // of people
};

// What goes wrong with one shard names it and refuses the whole merge.
template <class Body>
auto reading_shard(const fs::path& path, Body body) {
  try {
    return body();
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::input) throw;
    throw Error(ErrorKind::dataset, "shard cannot be merged: " + std::string(error.what()) +
                                        "; expected a complete shard, delete it and run again (" +
                                        path.filename().string() + ")");
  }
}

PersonRecord read_person(const fs::path& path, const CohortHeader& expected) {
  const CohortReader reader(path);
  if (reader.n_rows() != 1) {
    throw Error(ErrorKind::dataset, path.string() + ": found " + std::to_string(reader.n_rows()) +
                                        " rows, expected a shard with one");
  }
  const std::string difference = header_difference(reader.header(), expected);
  if (!difference.empty()) {
    throw Error(ErrorKind::dataset,
                path.string() + ": belongs to another build or cohort: " + difference);
  }
  return reader.person(0);
}

auto row_key(const PersonRecord& person) {
  return std::tie(person.participant_id, person.session_id);
}

void sort_by_row(Shards& shards) {
  std::vector<std::size_t> order(shards.people.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::sort(order.begin(), order.end(),
            [&](auto a, auto b) { return row_key(shards.people[a]) < row_key(shards.people[b]); });
  Shards sorted;
  for (const std::size_t i : order) {
    sorted.people.push_back(std::move(shards.people[i]));
    sorted.path.push_back(std::move(shards.path[i]));
  }
  shards.people = std::move(sorted.people);
  shards.path = std::move(sorted.path);
}

void copy_runs(const File& shard, const CohortHeader& header, const PersonRecord& person,
               const Group& root) {
  for (const RunRecord& run : person.runs) {
    const std::string id = safe_name(run.run_id);
    for (const AtlasRecord& atlas : header.atlases) {
      const std::string path = "/timeseries/" + safe_name(atlas.name) + "/" + id;
      if (!exists(shard, path)) continue;
      copy_group(shard, path,
                 root.open_or_create("timeseries").open_or_create(atlas.name).create(run.run_id));
    }
    if (exists(shard, "/confounds/" + id)) {
      copy_group(shard, "/confounds/" + id, root.open_or_create("confounds").create(run.run_id));
    }
  }
}

// Reads every shard and copies its series to the file meanwhile: HDF5 lets one thread in, so the
// tables of other shards are read by other processes.
Shards read_shards(std::vector<fs::path> paths, const MergeOptions& options, const File& file,
                   const Context& context) {
  std::sort(paths.begin(), paths.end()); // what is written does not depend on the order of the list
  Shards shards;
  shards.header = options.expected ? *options.expected : reading_shard(paths.front(), [&] {
    return CohortReader(paths.front()).header();
  });
  std::map<std::pair<std::string, std::string>, fs::path> of_row;
  const auto read = [&](std::size_t i) {
    cache::Archive bytes;
    PersonRecord person =
        reading_shard(paths[i], [&] { return read_person(paths[i], shards.header); });
    bytes(person);
    return bytes.bytes();
  };
  const auto copy = [&](std::size_t i, const std::string& bytes) {
    PersonRecord person;
    cache::Archive archive(bytes);
    archive(person);
    const auto [known, is_new] =
        of_row.try_emplace({person.participant_id, person.session_id}, paths[i]);
    if (!is_new) {
      throw Error(ErrorKind::dataset, known->second.string() + " and " + paths[i].string() +
                                          " are the same row: " + person.participant_id + " " +
                                          person.session_id);
    }
    reading_shard(paths[i], [&] {
      const File shard(paths[i], File::Mode::read);
      copy_runs(shard, shards.header, person, Group::root(file));
    });
    shards.people.push_back(std::move(person));
    shards.path.push_back(paths[i]);
    context.advance();
  };
  const auto name = [&](std::size_t i) { return paths[i].filename().string(); };
  in_processes({paths.size(), read, copy, name}, n_processes_of(options, paths.size()), context);
  shards.header.command = options.command;
  sort_by_row(shards);
  return shards;
}

// Collects the rows of one connectivity dataset and writes whole chunks.
class RowBuffer {
public:
  RowBuffer(Dataset dataset, std::size_t n_edges, std::size_t n_rows)
      : dataset_(std::move(dataset)), n_edges_(n_edges) {
    const std::vector<hsize_t> chunk = chunk_shape({n_rows, n_edges}, sizeof(double));
    block_rows_ = chunk.empty() ? n_rows : chunk[0];
  }
  [[nodiscard]] std::size_t n_edges() const { return n_edges_; }
  void add(const double* row) {
    values_.insert(values_.end(), row, row + n_edges_);
    if (++n_ == block_rows_) flush();
  }
  void flush() {
    if (n_ > 0) dataset_.write_rows(first_, n_, values_.data());
    first_ += n_;
    n_ = 0;
    values_.clear();
  }

private:
  Dataset dataset_;
  std::size_t n_edges_;
  std::vector<double> values_;
  hsize_t block_rows_ = 1, first_ = 0, n_ = 0;
};

// Of one person, one layout and kind after the other; NaN without.
std::vector<double> edges_of(const fs::path& path, const PersonRecord& person,
                             const std::vector<ConnectivityLayout>& layouts) {
  const File shard(path, File::Mode::read);
  std::vector<double> edges;
  for (const ConnectivityLayout& layout : layouts) {
    for (const std::string& kind : layout.kind) {
      if (find_connectivity(person, layout, kind) == nullptr) {
        edges.resize(edges.size() + layout.n_edges, std::numeric_limits<double>::quiet_NaN());
        continue;
      }
      const std::string object = "/connectivity/" + safe_name(layout.source) + "/" +
                                 safe_name(layout.atlas) + "/" + safe_name(kind);
      const std::vector<double> row = read_row(shard, object, 0);
      if (row.size() != layout.n_edges) shard.fail(object, "unexpected number of edges");
      edges.insert(edges.end(), row.begin(), row.end());
    }
  }
  return edges;
}

void write_edges(std::vector<RowBuffer>& buffers, const Shards& shards,
                 const std::vector<ConnectivityLayout>& layouts, const MergeOptions& options,
                 const Context& context) {
  const auto read = [&](std::size_t i) {
    cache::Archive bytes;
    std::vector<double> edges = reading_shard(
        shards.path[i], [&] { return edges_of(shards.path[i], shards.people[i], layouts); });
    bytes(edges);
    return bytes.bytes();
  };
  const auto write = [&](std::size_t, const std::string& bytes) {
    std::vector<double> edges;
    cache::Archive archive(bytes);
    archive(edges);
    const double* row = edges.data();
    for (RowBuffer& buffer : buffers) {
      buffer.add(row);
      row += buffer.n_edges();
    }
  };
  const auto name = [&](std::size_t i) { return shards.path[i].filename().string(); };
  in_processes({shards.people.size(), read, write, name},
               n_processes_of(options, shards.people.size()), context);
}

void write_cohort(const File& file, const Shards& shards, const MergeOptions& options,
                  const Context& context) {
  const Group root = Group::root(file);
  const RootDimensions dimensions = write_root(root, shards.header, Content::cohort, shards.people);
  write_tables(root, dimensions, shards.header, Content::cohort, shards.people);
  write_regional(root, dimensions.row, shards.header, shards.people);
  const auto layouts = connectivity_layout(shards.header, shards.people);
  std::vector<RowBuffer> buffers;
  for (const ConnectivityLayout& layout : layouts) {
    for (Dataset& dataset : create_connectivity(root, dimensions, shards.people, layout)) {
      buffers.emplace_back(std::move(dataset), layout.n_edges, shards.people.size());
    }
  }
  if (!buffers.empty()) write_edges(buffers, shards, layouts, options, context);
  for (RowBuffer& buffer : buffers) buffer.flush();
  write_provenance(root, shards.header, shards.people);
}

} // namespace

MergeResult merge_shards(const std::vector<fs::path>& paths, const fs::path& out_part,
                         const MergeOptions& options, const Context& context) {
  const Hdf5Lock lock;
  if (paths.empty())
    throw Error(ErrorKind::dataset, "merge: found no shards, expected at least one");
  MergeResult result;
  try {
    File file(out_part, File::Mode::create);
    const Shards shards = read_shards(paths, options, file, context);
    result = {shards.header, shards.people.size(), 0};
    for (const PersonRecord& person : shards.people) result.n_runs += person.runs.size();
    write_cohort(file, shards, options, context);
    file.close();
  } catch (...) { // whatever it was, nothing half-written stays
    std::error_code ignored;
    fs::remove(out_part, ignored);
    throw;
  }
  return result;
}

} // namespace boldmill::store
