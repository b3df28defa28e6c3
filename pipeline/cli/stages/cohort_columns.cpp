#include "pipeline/cli/stages/cohort_columns.hpp"

#include <algorithm>
#include <filesystem>

#include "pipeline/bids/text.hpp"
#include "pipeline/cli/stages/table_columns.hpp"
#include "stages/core/error.hpp"

namespace boldmill::cli {

std::vector<std::string> measure_columns(const bids::Table& table,
                                         const std::vector<std::string>& asked,
                                         std::set<std::string> other) {
  if (!asked.empty()) return asked;
  other.insert({"participant_id", "session_id"});
  std::vector<std::string> out;
  for (std::size_t c = 0; c < table.n_columns(); ++c) {
    if (table.is_numeric(c) && !other.contains(table.names()[c])) out.push_back(table.names()[c]);
  }
  if (out.empty()) throw Error(ErrorKind::input, table.source() + ": no numeric column is left");
  return out;
}

std::vector<std::uint8_t> rows_where(const bids::Table& table, const std::string& condition) {
  if (condition.empty()) return {};
  const std::size_t equals = condition.find('=');
  if (equals == std::string::npos) {
    throw Error(ErrorKind::usage,
                "found " + bids::display(condition, 200) + ", expected COLUMN=VALUE");
  }
  const std::string column = condition.substr(0, equals);
  (void)table.require(column);
  std::vector<std::uint8_t> out;
  for (const std::string& value : table.text(column)) {
    out.push_back(value == condition.substr(equals + 1) ? 1 : 0);
  }
  if (std::count(out.begin(), out.end(), 1) == 0) {
    throw Error(ErrorKind::input, table.source() + ": no row has " + bids::display(condition, 200));
  }
  return out;
}

std::vector<int> batch_ids(const bids::Table& table, const std::string& column) {
  if (column.empty()) return {};
  (void)table.require(column);
  return levels_of(table.text(column)).id;
}

void copy_identity(const bids::Table& table, bids::TableWriter& writer) {
  for (const char* id : {"participant_id", "session_id"}) {
    if (table.has(id)) writer.text(id, table.text(id));
  }
}

void make_folder(const std::string& path) {
  std::error_code failed;
  std::filesystem::create_directories(path, failed);
  if (failed) throw Error(ErrorKind::disk, path + ": " + failed.message());
}

} // namespace boldmill::cli
