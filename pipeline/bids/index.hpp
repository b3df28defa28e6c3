// An index of a BIDS dataset: one walk over sub-*/[ses-*/]{anat,func,fmap}, no database. The same
// tree gives the same index at any number of threads.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "pipeline/bids/model.hpp"
#include "pipeline/bids/selection.hpp"
#include "pipeline/bids/sidecar.hpp"
#include "pipeline/bids/tsv.hpp"
#include "stages/core/stage_info.hpp"

namespace boldmill::bids {

struct IndexOptions {
  Selection selection;
  bool use_bidsignore = true;
};

struct DatasetDescription {
  std::string name;
  std::string bids_version;
  std::string dataset_type; // "raw" when the file does not say
  std::string json;         // the file's text, "" when there is none
};

class SidecarCache; // JSON files at the top of the dataset, parsed once

class BidsIndex {
public:
  std::filesystem::path root;
  DatasetDescription description;
  std::vector<ParticipantSession> sessions; // by participant, then session, bytewise
  Table participants;                       // participants.tsv as read; no columns when absent
  std::vector<Note> notes;                  // in the order of the sessions

  [[nodiscard]] std::filesystem::path absolute(const BidsFile& file) const {
    return root / file.path;
  }
  [[nodiscard]] std::filesystem::path absolute(const std::string& relative) const {
    return root / relative;
  }
  [[nodiscard]] std::vector<std::string> participant_ids() const; // unique, in order
  [[nodiscard]] std::size_t n_runs() const;

  // Metadata of one file of `session`, JSON merged from the dataset's root down to the file's
  // folder. Reads on each call, except files at the root, which are read once. Thread-safe.
  // Error{input}: broken JSON (file, line, column), an unusable RepetitionTime or SliceTiming.
  [[nodiscard]] Sidecar metadata(const ParticipantSession& session, const BidsFile& file) const;

  // Fieldmap files that name `run` by B0FieldSource/B0FieldIdentifier or IntendedFor. Fieldmaps
  // with broken metadata are left out with a line in `warnings`.
  [[nodiscard]] std::vector<BidsFile> fieldmaps_of(const ParticipantSession& session,
                                                   const BoldRun& run,
                                                   std::vector<std::string>& warnings) const;

  // Rows of the session's scans.tsv by path of the image ("sub-01/func/..."), each with its
  // columns; empty when there is none. Reads on each call. What is wrong with it, files it lists
  // that do not exist included, becomes lines in `warnings`.
  [[nodiscard]] std::map<std::string, std::map<std::string, std::string>>
  scans(const ParticipantSession& session, std::vector<std::string>& warnings) const;

  std::vector<std::string> root_sidecars;      // JSON files in the root
  std::shared_ptr<SidecarCache> sidecar_cache; // set by index_dataset
};

// Error{dataset}: no such folder, no sub-* folder, nothing readable in it, participants.tsv broken
// or with a repeated participant_id. Error{usage}: a label asked for is not in the dataset. All
// else becomes notes and `problem` fields.
[[nodiscard]] BidsIndex index_dataset(const std::filesystem::path& root,
                                      const IndexOptions& options = {},
                                      const Context& context = {});

// Whole participants, bytewise-sorted, position mod `count` == `shard` (0-based). Error{usage}:
// shard >= count.
void keep_shard(BidsIndex& index, std::size_t shard, std::size_t count);

} // namespace boldmill::bids
