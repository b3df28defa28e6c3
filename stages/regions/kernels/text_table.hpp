// Small text tables: lines, separated cells, numbers that must be numbers.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace boldmill::text_table {

// Lines without their end (LF or CRLF) and without a byte order mark; empty lines and lines that
// start with '#' are left out.
[[nodiscard]] std::vector<std::string_view> lines(std::string_view text);
// Cells between separators; '"' around a whole cell is removed.
[[nodiscard]] std::vector<std::string> split(std::string_view line, char separator);
// Cells between runs of spaces and tabs.
[[nodiscard]] std::vector<std::string> split_blank(std::string_view line);
[[nodiscard]] std::string lower(std::string_view text);
// ErrorKind::input when the text is not a finite number; `what` names it in the message.
[[nodiscard]] double number(std::string_view text, const std::string& what);

// A tab-separated table with a header.
struct Table {
  std::vector<std::string> header;
  std::vector<std::vector<std::string>> rows;
  std::string source;

  // ErrorKind::input when there is no such column.
  [[nodiscard]] std::size_t column(std::string_view name) const;
};
// ErrorKind::input when a row has another number of cells than the header.
[[nodiscard]] Table read(std::string_view text, std::string_view source);

} // namespace boldmill::text_table
