// participants.tsv and sessions.tsv: which columns belong to which row. Internal to pipeline/bids.
#pragma once

#include <filesystem>
#include <string>
#include <unordered_map>
#include <vector>

#include "pipeline/bids/build.hpp"
#include "pipeline/bids/model.hpp"
#include "pipeline/bids/scan.hpp"
#include "pipeline/bids/tsv.hpp"

namespace boldmill::bids {

// No columns, and a note, when the file is absent. Error{dataset}: broken, no column
// participant_id, or a participant twice.
[[nodiscard]] Table read_participants(const std::filesystem::path& root, const RootScan& scan,
                                      std::vector<Note>& notes);

// Puts the columns of <participant>_sessions.tsv on the sessions they name; what is wrong with that
// table becomes a note.
void add_session_columns(const std::filesystem::path& root, ParticipantResult& result);

class ParticipantRows {
public:
  explicit ParticipantRows(const Table& table);
  // Adds the participant's columns; those a session has of its own stay.
  void fill(ParticipantSession& session) const;
  // Notes for folders without a row and, when `all` were asked for, rows without a folder.
  void check_folders(const std::vector<std::string>& folders, bool all,
                     std::vector<Note>& notes) const;

private:
  const Table& table_;
  std::unordered_map<std::string, std::size_t> rows_; // "sub-01" -> row
};

} // namespace boldmill::bids
