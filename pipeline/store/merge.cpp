#include "pipeline/store/merge.hpp"

#include <algorithm>
#include <tuple>

#include "pipeline/store/copy.hpp"
#include "pipeline/store/layout.hpp"
#include "pipeline/store/read.hpp"
#include "pipeline/store/reader.hpp"
#include "pipeline/store/shard.hpp"

namespace boldmill::store {
namespace {

namespace fs = std::filesystem;

struct Shards { // sorted by participant, then session
  CohortHeader header;
  std::vector<PersonRecord> people; // without confounds, series and edges
  std::vector<fs::path> path;       // of people
};

// What goes wrong with one shard names it and refuses the whole merge.
template <class Body>
void reading_shard(const fs::path& path, Body body) {
  try {
    body();
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::input) throw;
    throw Error(ErrorKind::dataset, "shard cannot be merged: " + std::string(error.what()) +
                                        "; expected a complete shard, delete it and run again (" +
                                        path.filename().string() + ")");
  }
}

void add_shard(Shards& shards, const fs::path& path, const CohortHeader* expected) {
  const CohortReader reader(path);
  if (reader.n_rows() != 1) {
    throw Error(ErrorKind::dataset, path.string() + ": found " + std::to_string(reader.n_rows()) +
                                        " rows, expected a shard with one");
  }
  if (expected != nullptr) {
    const std::string difference = header_difference(reader.header(), *expected);
    if (!difference.empty()) {
      throw Error(ErrorKind::dataset,
                  path.string() + ": belongs to another build or cohort: " + difference);
    }
  } else {
    shards.header = reader.header();
  }
  shards.people.push_back(reader.person(0));
  shards.path.push_back(path);
}

void sort_by_row(Shards& shards) {
  std::vector<std::size_t> order(shards.people.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  const auto key = [&](std::size_t i) {
    return std::tie(shards.people[i].participant_id, shards.people[i].session_id);
  };
  std::sort(order.begin(), order.end(), [&](auto a, auto b) { return key(a) < key(b); });
  Shards sorted;
  for (const std::size_t i : order) {
    if (!sorted.people.empty() &&
        std::tie(sorted.people.back().participant_id, sorted.people.back().session_id) == key(i)) {
      throw Error(ErrorKind::dataset, sorted.path.back().string() + " and " +
                                          shards.path[i].string() +
                                          " are the same row: " + shards.people[i].participant_id +
                                          " " + shards.people[i].session_id);
    }
    sorted.people.push_back(std::move(shards.people[i]));
    sorted.path.push_back(std::move(shards.path[i]));
  }
  shards.people = std::move(sorted.people);
  shards.path = std::move(sorted.path);
}

Shards read_shards(std::vector<fs::path> paths, const MergeOptions& options,
                   const Context& context) {
  if (paths.empty())
    throw Error(ErrorKind::dataset, "merge: found no shards, expected at least one");
  std::sort(paths.begin(), paths.end()); // messages do not depend on the order of the list
  Shards shards;
  if (options.expected) shards.header = *options.expected;
  for (const fs::path& path : paths) {
    context.check_stop();
    const bool first = shards.people.empty() && !options.expected;
    reading_shard(path, [&] { add_shard(shards, path, first ? nullptr : &shards.header); });
  }
  shards.header.command = options.command;
  sort_by_row(shards);
  return shards;
}

// Collects the rows of one connectivity dataset and writes whole chunks.
class RowBuffer {
public:
  RowBuffer(Dataset dataset, ConnectivityLayout layout, std::string kind, std::size_t n_rows)
      : dataset_(std::move(dataset)), layout_(std::move(layout)), kind_(std::move(kind)) {
    const std::vector<hsize_t> chunk = chunk_shape({n_rows, layout_.n_edges}, sizeof(double));
    block_rows_ = chunk.empty() ? n_rows : chunk[0];
  }
  void add(const File& shard, const PersonRecord& person) {
    if (find_connectivity(person, layout_, kind_) == nullptr) {
      values_.resize(values_.size() + layout_.n_edges, std::numeric_limits<double>::quiet_NaN());
    } else {
      const std::string path = "/connectivity/" + safe_name(layout_.source) + "/" +
                               safe_name(layout_.atlas) + "/" + safe_name(kind_);
      const std::vector<double> row = read_row(shard, path, 0);
      if (row.size() != layout_.n_edges) shard.fail(path, "unexpected number of edges");
      values_.insert(values_.end(), row.begin(), row.end());
    }
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
  ConnectivityLayout layout_;
  std::string kind_;
  std::vector<double> values_;
  hsize_t block_rows_ = 1, first_ = 0, n_ = 0;
};

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

void write_cohort(const File& file, const Shards& shards, const Context& context) {
  const Group root = Group::root(file);
  const RootDimensions dimensions = write_root(root, shards.header, Content::cohort, shards.people);
  write_tables(root, dimensions, shards.header, Content::cohort, shards.people);
  write_regional(root, dimensions.row, shards.header, shards.people);
  std::vector<RowBuffer> buffers;
  for (const ConnectivityLayout& layout : connectivity_layout(shards.header, shards.people)) {
    std::vector<Dataset> datasets = create_connectivity(root, dimensions, shards.people, layout);
    for (std::size_t k = 0; k < datasets.size(); ++k) {
      buffers.emplace_back(std::move(datasets[k]), layout, layout.kind[k], shards.people.size());
    }
  }
  for (std::size_t p = 0; p < shards.people.size(); ++p) {
    context.check_stop();
    reading_shard(shards.path[p], [&] {
      const File shard(shards.path[p], File::Mode::read);
      copy_runs(shard, shards.header, shards.people[p], root);
      for (RowBuffer& buffer : buffers) buffer.add(shard, shards.people[p]);
    });
    context.advance();
  }
  for (RowBuffer& buffer : buffers) buffer.flush();
  write_provenance(root, shards.header, shards.people);
}

} // namespace

MergeResult merge_shards(const std::vector<fs::path>& paths, const fs::path& out_part,
                         const MergeOptions& options, const Context& context) {
  const Hdf5Lock lock;
  const Shards shards = read_shards(paths, options, context);
  MergeResult result{shards.header, shards.people.size(), 0};
  for (const PersonRecord& person : shards.people) result.n_runs += person.runs.size();
  try {
    File file(out_part, File::Mode::create);
    write_cohort(file, shards, context);
    file.close();
  } catch (...) { // whatever it was, nothing half-written stays
    std::error_code ignored;
    fs::remove(out_part, ignored);
    throw;
  }
  return result;
}

} // namespace boldmill::store
