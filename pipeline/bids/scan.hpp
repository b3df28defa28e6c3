// The walk over the folders of a dataset: names, sizes and what is wrong with them. Internal to
// pipeline/bids.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/bids/ignore.hpp"
#include "pipeline/bids/model.hpp"

namespace boldmill::bids {

struct ScannedFile {
  std::string name;
  std::uint64_t bytes = 0; // of images only
  std::string problem;     // of images only
};

struct FolderScan {
  std::string datatype; // "anat", "func", "fmap"
  std::vector<ScannedFile> files;
};

struct SessionScan {
  std::string session_id; // "ses-a" or ""
  std::string path;       // "sub-01" or "sub-01/ses-a"
  std::vector<std::string> files;
  std::vector<FolderScan> folders;
};

struct ParticipantScan {
  std::string participant_id;
  std::vector<SessionScan> sessions; // the participant's own folder first, if it holds any data
  std::vector<std::string> files;    // directly in the participant's folder
  std::vector<Note> notes;
};

struct RootScan {
  std::vector<std::string> files;
  std::vector<std::string> participants; // valid names only
  std::vector<Note> notes;
};

// Every list is sorted bytewise; names that begin with "." are left out. Links are followed.
// Error{dataset}: not a folder, or it cannot be read.
[[nodiscard]] RootScan scan_root(const std::filesystem::path& root, const IgnoreRules& rules);
[[nodiscard]] ParticipantScan scan_participant(const std::filesystem::path& root,
                                               const std::string& participant_id,
                                               const IgnoreRules& rules);

[[nodiscard]] bool is_image(std::string_view name); // .nii or .nii.gz

} // namespace boldmill::bids
