// Shards: one participant-session in one HDF5 file, written once and renamed into place. A shard
// has the layout of cohort.h5 with a single row (contract, section 6), so every reader opens both.
// The HDF5 library is not thread-safe: everything in this folder takes one process-wide mutex
// (hdf5.hpp, hdf5_mutex()); calls from several threads are safe and run one after the other.
#pragma once

#include <filesystem>
#include <utility>

#include "pipeline/store/records.hpp"

namespace boldmill::store {

// Writes `path` through `path.part-<pid>-<n>` in the same directory (created when missing): data
// synced, renamed, directory synced. An existing file is replaced. Errors: usage when two names
// become the same safe name; internal when shapes disagree; disk when it cannot be written (full,
// read-only), and then nothing is left under the final name.
void write_shard(const std::filesystem::path& path, const CohortHeader& header,
                 const PersonRecord& person);

// Errors: input, naming the file and the object that is missing or broken.
[[nodiscard]] std::pair<CohortHeader, PersonRecord> read_shard(const std::filesystem::path& path);

// Only what all shards of a cohort share: enough to tell whether a shard on disk can be kept.
[[nodiscard]] CohortHeader read_header(const std::filesystem::path& path);

// The first item in which two headers disagree, in words ("config_sha256: found ..., expected
// ..."), or "" when shards with these headers may stand in one cohort. `command` is not compared.
[[nodiscard]] std::string header_difference(const CohortHeader& found,
                                            const CohortHeader& expected);

// Syncs `part`, renames it to `path`, syncs the directory. Errors: disk.
void publish(const std::filesystem::path& part, const std::filesystem::path& path);

// "[A-Za-z0-9_.+-]" stay (not '.', '+', '-' in front), everything else becomes '_', byte by byte.
[[nodiscard]] std::string safe_name(const std::string& name);

} // namespace boldmill::store
