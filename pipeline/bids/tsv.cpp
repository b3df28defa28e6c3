#include "pipeline/bids/tsv.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <unordered_set>

#include "pipeline/bids/files.hpp"
#include "pipeline/bids/text.hpp"
#include "stages/core/error.hpp"

namespace boldmill::bids {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

bool missing_number(std::string_view cell) {
  return cell.empty() || cell == "NaN" || cell == "nan" || cell == "NA" || cell == "N/A";
}

std::string_view next_line(std::string_view& rest) {
  const std::size_t end = rest.find('\n');
  std::string_view line = rest.substr(0, end);
  rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
  if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
  return line;
}

std::string at_line(const std::string& source, std::size_t line) {
  return display(source, 1000) + ", line " + std::to_string(line) + ": ";
}

std::vector<std::string> header_names(std::string_view line, const std::string& source,
                                      RepeatedNames repeated) {
  std::vector<std::string> names;
  std::unordered_set<std::string> seen;
  for (std::size_t begin = 0; begin <= line.size();) {
    const std::size_t end = std::min(line.find('\t', begin), line.size());
    names.emplace_back(line.substr(begin, end - begin));
    begin = end + 1;
    if (names.back().empty()) {
      throw Error(ErrorKind::input, at_line(source, 1) + "column " + std::to_string(names.size()) +
                                        " has no name, expected one name per column");
    }
    if (!seen.insert(names.back()).second && repeated == RepeatedNames::refuse) {
      throw Error(ErrorKind::input, at_line(source, 1) + "found column \"" + display(names.back()) +
                                        "\" twice, expected each name once");
    }
  }
  return names;
}

template <class T>
std::string shortest(T value) {
  if (std::isnan(value)) return "n/a";
  std::array<char, 64> buffer{};
  const auto result = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value);
  return std::string(buffer.data(), result.ptr);
}

template <class T>
std::vector<std::string> formatted(std::span<const T> values) {
  std::vector<std::string> text;
  text.reserve(values.size());
  for (const T value : values) text.push_back(format_number(value));
  return text;
}

std::string one_line(std::string_view cell) {
  if (cell.empty()) return "n/a";
  std::string clean(cell);
  for (char& c : clean) {
    if (c == '\t' || c == '\n' || c == '\r' || c == '\0') c = ' ';
  }
  return clean;
}

} // namespace

std::optional<std::size_t> Table::find(std::string_view name) const {
  const auto found = std::find(names_.begin(), names_.end(), name);
  if (found == names_.end()) return std::nullopt;
  return static_cast<std::size_t>(found - names_.begin());
}

std::size_t Table::require(std::string_view name) const {
  if (const auto column = find(name)) return *column;
  std::string message = display(source_, 1000) + ": no column \"" + display(name) + "\"";
  const std::vector<std::string> close = nearest(name, names_);
  for (std::size_t i = 0; i < close.size(); ++i) {
    message += (i == 0 ? "; nearest: " : ", ") + display(close[i]);
  }
  if (close.empty() && !names_.empty()) {
    message += "; found ";
    for (std::size_t i = 0; i < std::min<std::size_t>(names_.size(), 8); ++i) {
      message += (i == 0 ? "" : ", ") + display(names_[i]);
    }
    if (names_.size() > 8) message += ", ... (" + std::to_string(names_.size()) + " columns)";
  }
  throw Error(ErrorKind::input, message);
}

std::vector<std::string> Table::text(std::string_view name) const {
  const std::size_t column = require(name);
  std::vector<std::string> values;
  values.reserve(n_rows_);
  for (std::size_t row = 0; row < n_rows_; ++row) values.emplace_back(cell(row, column));
  return values;
}

std::vector<double> Table::numbers(std::string_view name) const { return numbers(require(name)); }

std::vector<double> Table::numbers(std::size_t column) const {
  std::vector<double> values(n_rows_, kNaN);
  for (std::size_t row = 0; row < n_rows_; ++row) {
    const std::string_view text = cell(row, column);
    if (missing_number(text)) continue;
    const std::optional<double> value = parse_number(text);
    if (!value) {
      throw Error(ErrorKind::input, at_line(source_, line(row)) + "column \"" +
                                        display(names_[column]) + "\": found \"" + display(text) +
                                        "\", expected a number or n/a");
    }
    values[row] = *value;
  }
  return values;
}

Eigen::MatrixXd Table::matrix(const std::vector<std::string>& names) const {
  std::vector<std::size_t> columns;
  for (const std::string& name : names) columns.push_back(require(name));
  if (names.empty()) {
    for (std::size_t i = 0; i < n_columns(); ++i) columns.push_back(i);
  }
  Eigen::MatrixXd values(static_cast<Eigen::Index>(n_rows_),
                         static_cast<Eigen::Index>(columns.size()));
  for (std::size_t i = 0; i < columns.size(); ++i) {
    const std::vector<double> column = numbers(columns[i]);
    values.col(static_cast<Eigen::Index>(i)) =
        Eigen::Map<const Eigen::VectorXd>(column.data(), static_cast<Eigen::Index>(n_rows_));
  }
  return values;
}

bool Table::is_numeric(std::size_t column) const {
  bool any = false;
  for (std::size_t row = 0; row < n_rows_; ++row) {
    if (missing_number(cell(row, column))) continue;
    if (!parse_number(cell(row, column))) return false;
    any = true;
  }
  return any;
}

Table parse_tsv(std::string text, std::string source, RepeatedNames repeated) {
  Table table;
  table.text_ = std::make_shared<const std::string>(std::move(text));
  table.source_ = std::move(source);
  std::string_view rest = *table.text_;
  if (const std::size_t nul = rest.find('\0'); nul != std::string_view::npos) {
    throw Error(ErrorKind::input, display(table.source_, 1000) + ": found a zero byte at offset " +
                                      std::to_string(nul) + ", expected UTF-8 text");
  }
  if (rest.starts_with("\xEF\xBB\xBF")) rest.remove_prefix(3);
  while (!rest.empty() && (rest.back() == '\n' || rest.back() == '\r')) rest.remove_suffix(1);
  if (rest.empty()) {
    throw Error(ErrorKind::input,
                display(table.source_, 1000) + ": empty, expected a header line with column names");
  }
  table.names_ = header_names(next_line(rest), table.source_, repeated);
  const std::size_t width = table.names_.size();
  const auto n_lines = static_cast<std::size_t>(std::count(rest.begin(), rest.end(), '\n')) + 1;
  if (!rest.empty()) table.cells_.reserve(std::min(n_lines * width, rest.size() + 1));
  while (!rest.empty()) {
    const std::string_view line = next_line(rest);
    std::size_t found = 0;
    for (std::size_t begin = 0; begin <= line.size(); ++found) {
      const std::size_t end = std::min(line.find('\t', begin), line.size());
      const std::string_view cell = line.substr(begin, end - begin);
      table.cells_.push_back(cell == "n/a" ? std::string_view{} : cell);
      begin = end + 1;
    }
    if (found != width) {
      throw Error(ErrorKind::input, at_line(table.source_, table.n_rows_ + 2) + "found " +
                                        std::to_string(found) + " columns, expected " +
                                        std::to_string(width));
    }
    ++table.n_rows_;
  }
  return table;
}

Table read_tsv(const std::filesystem::path& path, RepeatedNames repeated) {
  return parse_tsv(read_file(path), path.string(), repeated);
}

std::string format_number(double value) { return shortest(value); }
std::string format_number(float value) { return shortest(value); }

std::optional<double> parse_number(std::string_view text) {
  if (text.starts_with('+')) {
    text.remove_prefix(1);
    if (text.starts_with('-')) return std::nullopt;
  }
  double value = 0.0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

TableWriter& TableWriter::text(std::string name, const std::vector<std::string>& values) {
  names_.push_back(std::move(name));
  columns_.push_back(values);
  return *this;
}

TableWriter& TableWriter::numbers(std::string name, std::span<const double> values) {
  return text(std::move(name), formatted(values));
}

TableWriter& TableWriter::numbers(std::string name, std::span<const float> values) {
  return text(std::move(name), formatted(values));
}

TableWriter& TableWriter::integers(std::string name, std::span<const std::int64_t> values) {
  std::vector<std::string> cells;
  for (const std::int64_t value : values) cells.push_back(std::to_string(value));
  return text(std::move(name), cells);
}

std::string TableWriter::str() const {
  std::string out;
  for (std::size_t i = 0; i < names_.size(); ++i) {
    if (columns_[i].size() != columns_[0].size()) {
      throw Error(ErrorKind::internal, "table column " + names_[i] + ": found " +
                                           std::to_string(columns_[i].size()) + " rows, expected " +
                                           std::to_string(columns_[0].size()));
    }
    out += (i == 0 ? "" : "\t") + one_line(names_[i]);
  }
  out += '\n';
  const std::size_t n_rows = columns_.empty() ? 0 : columns_[0].size();
  for (std::size_t row = 0; row < n_rows; ++row) {
    for (std::size_t i = 0; i < columns_.size(); ++i) {
      if (i > 0) out += '\t';
      out += one_line(columns_[i][row]);
    }
    out += '\n';
  }
  return out;
}

void TableWriter::write(const std::filesystem::path& path) const {
  write_file_atomically(path, str());
}

void write_tsv(const std::filesystem::path& path, const std::vector<std::string>& names,
               const Eigen::Ref<const Eigen::MatrixXd>& values) {
  if (static_cast<Eigen::Index>(names.size()) != values.cols()) {
    throw Error(ErrorKind::internal, "table: found " + std::to_string(names.size()) +
                                         " names, expected " + std::to_string(values.cols()));
  }
  std::string out;
  for (std::size_t i = 0; i < names.size(); ++i) out += (i == 0 ? "" : "\t") + one_line(names[i]);
  out += '\n';
  for (Eigen::Index row = 0; row < values.rows(); ++row) {
    for (Eigen::Index i = 0; i < values.cols(); ++i) {
      if (i > 0) out += '\t';
      out += format_number(values(row, i));
    }
    out += '\n';
  }
  write_file_atomically(path, out);
}

} // namespace boldmill::bids
