// From the scanned names of one participant to rows and runs. Internal to pipeline/bids.
#pragma once

#include <string>
#include <vector>

#include "pipeline/bids/model.hpp"
#include "pipeline/bids/scan.hpp"
#include "pipeline/bids/selection.hpp"

namespace boldmill::bids {

struct Wanted {
  std::vector<std::string> sessions; // "ses-a"; empty: all
  std::vector<std::string> tasks;    // "rest"; empty: all
  BidsFilter filter;
};

struct ParticipantResult {
  std::vector<ParticipantSession> sessions;
  std::vector<Note> notes;
  std::vector<std::string> session_ids; // all that exist, wanted or not
  std::vector<std::string> tasks;       // all that exist, wanted or not
  bool has_sessions_table = false;      // <participant>_sessions.tsv
};

// `root_files`: names in the dataset's root, for inherited events.tsv.
[[nodiscard]] ParticipantResult build_participant(const ParticipantScan& scan, const Wanted& wanted,
                                                  const std::vector<std::string>& root_files);

// The same of a derivative dataset: a run per preprocessed series (desc-preproc_bold), whatever its
// spaces; `file` is the first of them by path.
[[nodiscard]] ParticipantResult build_derived_participant(const ParticipantScan& scan,
                                                          const Wanted& wanted);

} // namespace boldmill::bids
