// What an index of a dataset consists of. Paths are relative to the dataset's root, with "/".
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "pipeline/bids/entities.hpp"

namespace boldmill::bids {

enum class Level { info, warning, error };
[[nodiscard]] std::string_view to_string(Level level);

// Something a person should know. `code` is stable, for machines; `where` is a path, an id or "".
struct Note {
  Level level = Level::info;
  std::string code;
  std::string where;
  std::string message;
  bool operator==(const Note&) const = default;
};

struct BidsFile {
  std::string path;     // "sub-01/func/sub-01_task-rest_bold.nii.gz"
  std::string datatype; // "anat", "func", "fmap"
  Entities entities;
  std::string suffix;
  std::string extension;
  std::uint64_t bytes = 0;
  std::string problem; // why the file cannot be read ("content not present", "empty file"), or ""
};

using AnatFile = BidsFile;

// One run; its echoes, if several, belong to it.
struct BoldRun {
  std::string run_id;         // "sub-01_ses-a_task-rest_run-1": the name without echo and suffix
  std::string participant_id; // "sub-01"
  std::string session_id;     // "ses-a" or ""
  std::string task, acquisition, reconstruction, direction, run; // labels, "" when absent
  BidsFile file;                // the image to process; with several echoes the second
  std::vector<BidsFile> echoes; // by echo number; empty for a single-echo run
  std::optional<BidsFile> sbref;
  std::optional<std::string> events; // path of the events.tsv that applies
};

// One row of the cohort.
struct ParticipantSession {
  std::string participant_id;    // "sub-01"
  std::string session_id;        // "ses-a" or ""
  std::string id;                // "sub-01" or "sub-01_ses-a"
  std::string folder;            // "sub-01" or "sub-01/ses-a"
  std::vector<AnatFile> t1w;     // bytewise by path
  std::vector<BidsFile> lesions; // label-lesion masks of the T1w
  bool t1w_from_other_session = false;
  std::vector<BoldRun> runs; // bytewise by run_id
  std::vector<BidsFile> fieldmaps;
  std::vector<std::string> sidecars;          // JSON files that can apply here, by path
  std::map<std::string, std::string> columns; // participants.tsv, then sessions.tsv; "" missing
  std::optional<std::string> scans;           // path of scans.tsv
  std::string problem;                        // why nothing of it can be processed, or ""
};

} // namespace boldmill::bids
