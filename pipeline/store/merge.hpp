// Shards to one cohort file. Same shards, same bytes, in whatever order and number of jobs they
// came.
#pragma once

#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "pipeline/store/records.hpp"
#include "stages/core/stage_info.hpp"

namespace boldmill::store {

struct MergeOptions {
  std::string command;                  // goes to /provenance/command
  std::optional<CohortHeader> expected; // refuse shards of anything else
  int n_processes = 0;                  // that read; 0: as many as cores, 1 for few shards
};

struct MergeResult {
  CohortHeader header;
  std::size_t n_rows = 0;
  std::size_t n_runs = 0;
};

// Writes the content of cohort.h5 to `out_part` (replaced when it exists); rows are sorted by
// participant, then session, bytewise. Time series are copied run by run, so memory grows only with
// the tables. The caller adds the cohort's results and publishes (shard.hpp) the file.
// Errors: dataset, naming the shard, when one is unreadable, is there twice, or differs in build,
// CPU level, configuration, taxonomy, cohort, names or atlases; disk; interrupted. Nothing is left
// then.
MergeResult merge_shards(const std::vector<std::filesystem::path>& shards,
                         const std::filesystem::path& out_part, const MergeOptions& options,
                         const Context& context);

// Adds features, scores, reference, predictions and not_done to a merged file that is not yet
// published. Once per file. Errors: internal when shapes disagree with the file; disk.
void write_cohort_results(const std::filesystem::path& part, const CohortResults& results);

} // namespace boldmill::store
