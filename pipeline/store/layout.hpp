// The groups of a shard and of a cohort file, written from records. Internal to this folder. A
// shard is a cohort of one row; the two differ only in the attribute `content` and in that a shard
// keeps the columns of participants.tsv as text.
#pragma once

#include <span>
#include <string>

#include "pipeline/store/netcdf.hpp"

namespace boldmill::store {

inline constexpr std::int32_t kFormatVersion = 1;

enum class Content { shard, cohort };

struct RootDimensions {
  Dimension row, run, measure, feature, score;
};

// Root attributes and dimensions.
[[nodiscard]] RootDimensions write_root(const Group& root, const CohortHeader& header,
                                        Content content, std::span<const PersonRecord> people);
// /participants, /runs, /atlases and /circuits (raw measures). Confounds, series and connectivity
// of `people` are not looked at.
void write_tables(const Group& root, const RootDimensions& dimensions, const CohortHeader& header,
                  Content content, std::span<const PersonRecord> people);
// /regional/<source>/<atlas>/<measure>, of the atlases in the header.
void write_regional(const Group& root, const Dimension& row, const CohortHeader& header,
                    std::span<const PersonRecord> people);
// /provenance. Comes last: what differs from run to run moves nothing that was written before it.
void write_provenance(const Group& root, const CohortHeader& header,
                      std::span<const PersonRecord> people);
// /timeseries/<atlas>/<run_id> and /confounds/<run_id>.
void write_run(const Group& root, const RunRecord& run);
// /carpet/<run_id> and /design/<run_id>; not merged.
void write_carpet(const Group& root, const RunRecord& run);
void write_design(const Group& root, const RunRecord& run);

struct ConnectivityLayout { // of one source and atlas
  std::string source, atlas;
  std::vector<std::string> kind;
  std::size_t n_edges = 0;
};
// Every source, atlas and kind of `people`, sorted bytewise. Errors: internal when an atlas is not
// in the header or sizes disagree.
[[nodiscard]] std::vector<ConnectivityLayout>
connectivity_layout(const CohortHeader& header, std::span<const PersonRecord> people);
// /connectivity/<source>/<atlas>/<kind>, created and not yet filled, in the layout's order.
[[nodiscard]] std::vector<Dataset> create_connectivity(const Group& root,
                                                       const RootDimensions& dimensions,
                                                       std::span<const PersonRecord> people,
                                                       const ConnectivityLayout& layout);
// The record of a person, or nullptr.
[[nodiscard]] const ConnectivityRecord* find_connectivity(const PersonRecord& person,
                                                          const ConnectivityLayout& layout,
                                                          const std::string& kind);
[[nodiscard]] inline std::size_t n_edges(std::size_t n_regions) {
  return n_regions * (n_regions - (n_regions > 0 ? 1 : 0)) / 2;
}

} // namespace boldmill::store
