// Which part of a dataset is wanted: --participant-label, --session-id, --task-id and
// --bids-filter-file.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "pipeline/bids/model.hpp"

namespace boldmill::bids {

// One condition on one entity ("task", "ses", "suffix", "datatype", "extension", ...).
struct EntityFilter {
  enum class Kind { any_of, absent, present, optional };
  Kind kind = Kind::any_of;
  std::vector<std::string> values; // for any_of; run and echo compare as numbers
};

// Query name ("t1w", "bold", "sbref", "fmap") -> entity -> condition. The layout of fMRIPrep's
// filter file: PyBIDS's long entity names, null for absent, "*" for present.
using BidsFilter = std::map<std::string, std::map<std::string, EntityFilter>>;

// Error{usage}: unreadable, not JSON, unknown query or entity (with the nearest known one).
[[nodiscard]] BidsFilter read_bids_filter(const std::filesystem::path& path);
[[nodiscard]] bool matches(const std::map<std::string, EntityFilter>& filter, const BidsFile& file);

// Labels with or without "sub-"/"ses-"/"task-". Empty list: everything.
struct Selection {
  std::vector<std::string> participants;
  std::vector<std::string> sessions;
  std::vector<std::string> tasks;
  BidsFilter filter;
};

} // namespace boldmill::bids
