// BIDS tables: UTF-8, tab-separated, one header line, no quoting. CRLF and a byte order mark are
// accepted. "n/a" and an empty cell mean missing and read as "".
#pragma once

#include <Eigen/Dense>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace boldmill::bids {

enum class RepeatedNames { refuse, allow }; // two columns with one name

// A table in memory, one copy of the text. Views stay valid as long as any copy of the table lives.
class Table {
public:
  Table() = default;

  [[nodiscard]] std::size_t n_rows() const { return n_rows_; }
  [[nodiscard]] std::size_t n_columns() const { return names_.size(); }
  [[nodiscard]] const std::vector<std::string>& names() const { return names_; }
  [[nodiscard]] const std::string& source() const { return source_; } // for messages

  [[nodiscard]] std::optional<std::size_t> find(std::string_view name) const;
  [[nodiscard]] bool has(std::string_view name) const { return find(name).has_value(); }
  // Error{input} naming the file and the nearest names.
  [[nodiscard]] std::size_t require(std::string_view name) const;

  [[nodiscard]] std::string_view cell(std::size_t row, std::size_t column) const {
    return cells_[row * names_.size() + column];
  }
  [[nodiscard]] std::size_t line(std::size_t row) const { return row + 2; } // in the file

  [[nodiscard]] std::vector<std::string> text(std::string_view name) const;
  // NaN where missing ("n/a", "", "NaN", "NA"). Error{input} with file, line, column otherwise.
  [[nodiscard]] std::vector<double> numbers(std::string_view name) const;
  [[nodiscard]] std::vector<double> numbers(std::size_t column) const;
  // n_rows x names.size(), columns in the order asked for; all columns when `names` is empty.
  [[nodiscard]] Eigen::MatrixXd matrix(const std::vector<std::string>& names = {}) const;
  // True when every present cell is a number and at least one is present.
  [[nodiscard]] bool is_numeric(std::size_t column) const;

private:
  friend Table parse_tsv(std::string text, std::string source, RepeatedNames repeated);
  std::shared_ptr<const std::string> text_;
  std::vector<std::string_view> cells_; // row by row
  std::vector<std::string> names_;
  std::string source_;
  std::size_t n_rows_ = 0;
};

// Error{input} with file, line, found, expected: no header, ragged row, repeated or empty column
// name, NUL byte, unreadable file.
[[nodiscard]] Table read_tsv(const std::filesystem::path& path,
                             RepeatedNames repeated = RepeatedNames::refuse);
[[nodiscard]] Table parse_tsv(std::string text, std::string source,
                              RepeatedNames repeated = RepeatedNames::refuse);

// Shortest decimal that reads back to the same bits; "n/a" for NaN. Independent of locale.
[[nodiscard]] std::string format_number(double value);
[[nodiscard]] std::string format_number(float value);
// The whole text as a number ('+', decimal point, exponent, inf), empty optional when it is not
// one.
[[nodiscard]] std::optional<double> parse_number(std::string_view text);

// A table to be written, column by column. All columns must have equal length. Missing text ("") is
// written "n/a"; tabs and line breaks inside a cell become spaces.
class TableWriter {
public:
  TableWriter& text(std::string name, const std::vector<std::string>& values);
  TableWriter& numbers(std::string name, std::span<const double> values);
  TableWriter& numbers(std::string name, std::span<const float> values);
  TableWriter& integers(std::string name, std::span<const std::int64_t> values);
  [[nodiscard]] std::string str() const;               // Error{internal}: unequal lengths
  void write(const std::filesystem::path& path) const; // atomically; Error{disk}

private:
  std::vector<std::string> names_;
  std::vector<std::vector<std::string>> columns_;
};

// All columns of a matrix (rows x names.size()) as one TSV, atomically.
void write_tsv(const std::filesystem::path& path, const std::vector<std::string>& names,
               const Eigen::Ref<const Eigen::MatrixXd>& values);

} // namespace boldmill::bids
