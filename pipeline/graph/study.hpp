// What every node of a study shares: configuration, dataset, target space, cache. Read-only once
// the work has begun.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "pipeline/bids/derivatives.hpp"
#include "pipeline/bids/index.hpp"
#include "pipeline/cache/cache.hpp"
#include "pipeline/config/config.hpp"
#include "pipeline/graph/output_spaces.hpp"
#include "pipeline/graph/resident_memory.hpp"
#include "pipeline/graph/review.hpp"
#include "pipeline/image_io/digest.hpp"
#include "pipeline/store/records.hpp"
#include "stages/anatomy/tissue.hpp"
#include "stages/circuits/taxonomy.hpp"
#include "stages/regions/extraction.hpp"
#include "stages/regions/region_set.hpp"

namespace boldmill::graph {

// The template that everything is brought to, and the regions on its output grid.
struct TargetSpace {
  std::string name, space;
  std::string note;      // e.g. "single-subject template", every output carries it; may be empty
  Volume brain;          // template brain at its own resolution
  Mask mask;             // on the grid of brain
  tissue::Priors priors; // where the template has which tissue
  Grid grid;             // output grid
  std::vector<RegionSet> sets; // the atlases in the configured order, then "circuits"
  std::string template_key;    // digest of brain and mask
  std::string key;             // digest of everything above
  std::vector<std::string> notes;

  // What a run is sampled at, ascending: all voxels of any region, with smoothing those around.
  std::vector<std::size_t> voxels;
};

// sha256 of input files, remembered by path, size and time of change so that a resumed study does
// not read everything again. Thread-safe.
class Digests {
public:
  explicit Digests(std::filesystem::path directory) : directory_(std::move(directory)) {}
  void keep_in(std::filesystem::path directory) { directory_ = std::move(directory); } // before use
  [[nodiscard]] image_io::FileDigest of(const std::filesystem::path& file);

private:
  std::filesystem::path directory_;
  std::mutex mutex_;
  std::unordered_map<std::string, image_io::FileDigest> known_;
};

// A run that was preprocessed elsewhere.
struct DerivedSource {
  const bids::DerivativesIndex* index = nullptr;
  bids::DerivedRun files;
  std::optional<bids::BidsFile> aroma; // of any --derivatives, below aroma_root
  std::filesystem::path aroma_root;
  std::string aroma_name;
};

// The regions of the target's sets on other grids of the same space. Thread-safe; the same grid
// may be computed twice, with the same result.
class GridRegions {
public:
  using Sets = std::vector<std::vector<Region>>; // as TargetSpace::sets, empty where none is left
  [[nodiscard]] std::shared_ptr<const Sets> find(const Grid& grid) const;
  void keep(const Grid& grid, std::shared_ptr<const Sets> sets);

private:
  mutable std::mutex mutex_;
  std::vector<std::pair<Grid, std::shared_ptr<const Sets>>> known_;
};

struct Study {
  config::Config config;
  taxonomy::Taxonomy taxonomy;
  bids::BidsIndex index;
  std::vector<std::string> asked; // ids of all participant-sessions, those of other shards too
  std::filesystem::path out;
  TargetSpace target;
  store::CohortHeader header;
  cache::Cache cache{std::filesystem::path{}};
  mutable Digests digests{std::filesystem::path{}};
  bool force = false;
  std::string write_volumes = "none";
  std::vector<bids::DerivativesIndex> derivatives; // searched in this order, see precomputed.hpp
  std::map<std::string, DerivedSource> derived;    // by run_id, see derived_run.hpp
  mutable GridRegions grid_regions;
  Review review;                          // of --path review=FILE
  std::vector<std::string> review_doubts; // its rows that name nothing here
  std::vector<OutputSpace> output_spaces; // where images are written, see write_volumes

  [[nodiscard]] std::filesystem::path shard_path(const bids::ParticipantSession& session) const;
};

// What a process has used at a moment.
struct Moment {
  double unix_s = 0.0, wall_s = 0.0, thread_cpu_s = 0.0, process_cpu_s = 0.0;
  ResidentMemory memory;
};
[[nodiscard]] double wall_s(); // of a steady clock
[[nodiscard]] Moment moment();
[[nodiscard]] store::ResourceRecord used_between(std::string_view stage, std::string_view item,
                                                 const Moment& begin, const Moment& end);

// Runs `body` and appends what it used to `resources`: wall time, CPU time of the calling thread,
// cores and memory of the whole process.
template <class Body>
auto timed(std::vector<store::ResourceRecord>& resources, std::string_view stage,
           std::string_view item, Body&& body) {
  const Moment begin = moment();
  auto result = body();
  resources.push_back(used_between(stage, item, begin, moment()));
  return result;
}

} // namespace boldmill::graph
