#include "stages/regions/kernels/text_table.hpp"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>

#include "stages/core/error.hpp"

namespace boldmill::text_table {

std::vector<std::string_view> lines(std::string_view text) {
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  std::vector<std::string_view> out;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
    if (!line.empty() && line.front() != '#') out.push_back(line);
  }
  return out;
}

std::vector<std::string> split(std::string_view line, char separator) {
  std::vector<std::string> cells;
  while (true) {
    const std::size_t end = line.find(separator);
    std::string_view cell = line.substr(0, end);
    if (cell.size() >= 2 && cell.front() == '"' && cell.back() == '"') {
      cell = cell.substr(1, cell.size() - 2);
    }
    cells.emplace_back(cell);
    if (end == std::string_view::npos) return cells;
    line.remove_prefix(end + 1);
  }
}

std::vector<std::string> split_blank(std::string_view line) {
  constexpr std::string_view kBlank = " \t";
  std::vector<std::string> cells;
  std::size_t begin = line.find_first_not_of(kBlank);
  while (begin != std::string_view::npos) {
    const std::size_t end = std::min(line.find_first_of(kBlank, begin), line.size());
    cells.emplace_back(line.substr(begin, end - begin));
    begin = line.find_first_not_of(kBlank, end);
  }
  return cells;
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return out;
}

double number(std::string_view text, const std::string& what) {
  double value = 0.0;
  const auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (status != std::errc{} || end != text.data() + text.size() || !std::isfinite(value)) {
    throw Error(ErrorKind::input, what + ": found '" + std::string(text) + "', expected a number");
  }
  return value;
}

std::size_t Table::column(std::string_view name) const {
  const auto found = std::find(header.begin(), header.end(), name);
  if (found == header.end()) {
    throw Error(ErrorKind::input, source + ": found no column '" + std::string(name) + "'");
  }
  return static_cast<std::size_t>(found - header.begin());
}

Table read(std::string_view text, std::string_view source) {
  Table table;
  table.source = source;
  for (const std::string_view line : lines(text)) {
    std::vector<std::string> cells = split(line, '\t');
    if (table.header.empty()) {
      table.header = std::move(cells);
      continue;
    }
    if (cells.size() != table.header.size()) {
      throw Error(ErrorKind::input, table.source + ": row " +
                                        std::to_string(table.rows.size() + 1) + ": found " +
                                        std::to_string(cells.size()) + " cells, expected " +
                                        std::to_string(table.header.size()));
    }
    table.rows.push_back(std::move(cells));
  }
  return table;
}

} // namespace boldmill::text_table
