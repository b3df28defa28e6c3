#include "pipeline/bids/participants.hpp"

#include <algorithm>

#include "pipeline/bids/index.hpp"
#include "pipeline/bids/text.hpp"
#include "stages/core/error.hpp"

namespace boldmill::bids {
namespace {

constexpr const char* kParticipants = "participants.tsv";

std::string id_at(const Table& table, std::size_t row, std::string_view prefix,
                  std::size_t column) {
  const std::string_view label = table.cell(row, column);
  return label.empty() ? std::string() : with_prefix(prefix, label);
}

[[noreturn]] void refuse(const std::string& message) { throw Error(ErrorKind::dataset, message); }

void check_rows(const Table& table, std::size_t column, std::vector<Note>& notes) {
  std::unordered_map<std::string, std::size_t> seen;
  std::size_t without_prefix = 0;
  for (std::size_t row = 0; row < table.n_rows(); ++row) {
    const std::string line =
        std::string(kParticipants) + ", line " + std::to_string(table.line(row));
    const std::string id = id_at(table, row, "sub-", column);
    if (id.empty()) refuse(line + ": participant_id: found n/a, expected sub-<label>");
    without_prefix += table.cell(row, column).starts_with("sub-") ? 0 : 1;
    const auto [at, fresh] = seen.emplace(id, row);
    if (!fresh) {
      refuse(line + ": found participant " + display(id) +
             " again, expected one row each (first in line " +
             std::to_string(table.line(at->second)) + ")");
    }
    if (!valid_label(std::string_view(id).substr(4))) {
      notes.push_back({Level::warning, "participant_name", kParticipants,
                       "line " + std::to_string(table.line(row)) + " is not used: found \"" +
                           display(id) + "\", expected only letters and digits after \"sub-\""});
    }
  }
  if (without_prefix > 0) {
    notes.push_back({Level::warning, "participant_prefix", kParticipants,
                     std::to_string(without_prefix) + " of " + std::to_string(table.n_rows()) +
                         " participant_id without \"sub-\"; it is understood"});
  }
}

void fill_row(ParticipantSession& session, const Table& table, std::size_t row,
              std::string_view id_column) {
  for (std::size_t column = 0; column < table.n_columns(); ++column) {
    if (table.names()[column] == id_column) continue;
    session.columns.emplace(table.names()[column], table.cell(row, column));
  }
}

} // namespace

Table read_participants(const std::filesystem::path& root, const RootScan& scan,
                        std::vector<Note>& notes) {
  if (std::find(scan.files.begin(), scan.files.end(), kParticipants) == scan.files.end()) {
    notes.push_back({Level::warning, "no_participants_table", kParticipants,
                     "missing: no participant has age, sex, group or site"});
    return {};
  }
  Table table;
  std::size_t column = 0;
  try {
    table = read_tsv(root / kParticipants);
    column = table.require("participant_id");
  } catch (const Error& error) {
    refuse(error.what());
  }
  check_rows(table, column, notes);
  return table;
}

void add_session_columns(const std::filesystem::path& root, ParticipantResult& result) {
  if (!result.has_sessions_table || result.sessions.empty()) return;
  const std::string& participant = result.sessions.front().participant_id;
  const std::string path = participant + "/" + participant + "_sessions.tsv";
  try {
    const Table table = read_tsv(root / path);
    const std::size_t column = table.require("session_id");
    std::unordered_map<std::string, std::size_t> rows;
    for (std::size_t row = 0; row < table.n_rows(); ++row) {
      const std::string id = id_at(table, row, "ses-", column);
      if (!rows.emplace(id, row).second) {
        throw Error(ErrorKind::input, "line " + std::to_string(table.line(row)) +
                                          ": found session \"" + display(id) +
                                          "\" again, expected one row each");
      }
    }
    for (ParticipantSession& session : result.sessions) {
      const auto row = rows.find(session.session_id);
      if (session.session_id.empty() || row == rows.end()) continue;
      fill_row(session, table, row->second, "session_id");
    }
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::input) throw;
    result.notes.push_back(
        {Level::warning, "sessions_table", path, std::string("not used: ") + error.what()});
  }
}

std::map<std::string, std::map<std::string, std::string>>
BidsIndex::scans(const ParticipantSession& session, std::vector<std::string>& warnings) const {
  std::map<std::string, std::map<std::string, std::string>> rows;
  if (!session.scans) return rows;
  try {
    const Table table = read_tsv(root / *session.scans);
    const std::size_t file = table.require("filename");
    for (std::size_t row = 0; row < table.n_rows(); ++row) {
      const std::string path = session.folder + "/" + std::string(table.cell(row, file));
      const std::string line =
          display(*session.scans) + ", line " + std::to_string(table.line(row));
      auto [at, fresh] = rows.try_emplace(path);
      if (!fresh) {
        warnings.push_back(line + ": found " + display(path) + " again; the first row is used");
        continue;
      }
      for (std::size_t column = 0; column < table.n_columns(); ++column) {
        if (column != file) at->second.emplace(table.names()[column], table.cell(row, column));
      }
      // A link whose content is elsewhere exists.
      std::error_code code;
      if (!std::filesystem::exists(std::filesystem::symlink_status(root / path, code))) {
        warnings.push_back(line + ": " + display(path) + " does not exist");
      }
    }
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::input) throw;
    warnings.emplace_back(error.what());
  }
  return rows;
}

ParticipantRows::ParticipantRows(const Table& table) : table_(table) {
  const auto column = table.find("participant_id");
  if (!column) return;
  for (std::size_t row = 0; row < table.n_rows(); ++row) {
    rows_.emplace(id_at(table, row, "sub-", *column), row);
  }
}

void ParticipantRows::fill(ParticipantSession& session) const {
  const auto row = rows_.find(session.participant_id);
  if (row != rows_.end()) {
    fill_row(session, table_, row->second, "participant_id");
    return;
  }
  for (const std::string& name : table_.names()) {
    if (name != "participant_id") session.columns.emplace(name, "");
  }
}

void ParticipantRows::check_folders(const std::vector<std::string>& folders, bool all,
                                    std::vector<Note>& notes) const {
  if (table_.n_columns() == 0) return;
  for (const std::string& folder : folders) {
    if (rows_.contains(folder)) continue;
    notes.push_back({Level::warning, "participant_without_row", folder,
                     "no row in participants.tsv: age, sex, group and site are missing"});
  }
  if (!all) return;
  for (std::size_t row = 0; row < table_.n_rows(); ++row) {
    const std::string id = id_at(table_, row, "sub-", table_.require("participant_id"));
    if (std::binary_search(folders.begin(), folders.end(), id)) continue;
    if (!valid_label(std::string_view(id).substr(4))) continue; // has its own note
    notes.push_back(
        {Level::warning, "row_without_folder", id, "a row in participants.tsv but no folder"});
  }
}

} // namespace boldmill::bids
