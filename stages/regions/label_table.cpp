#include "stages/regions/label_table.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>

#include "stages/core/error.hpp"
#include "stages/regions/kernels/text_table.hpp"

namespace boldmill {
namespace {

constexpr int kMaxIndex = 1 << 30;

bool starts_with_number(std::string_view line) {
  const std::size_t at = line.find_first_not_of(" \t\"");
  return at != std::string_view::npos && line[at] >= '0' && line[at] <= '9';
}

// The first of `names` among the header cells.
std::optional<std::size_t> find_column(const std::vector<std::string>& header,
                                       std::initializer_list<std::string_view> names) {
  for (const std::string_view name : names) {
    for (std::size_t c = 0; c < header.size(); ++c) {
      if (text_table::lower(header[c]) == name) return c;
    }
  }
  return std::nullopt;
}

std::optional<std::size_t> index_column(const std::vector<std::string>& header) {
  return find_column(header, {"index", "roi", "id", "value", "label-number"});
}
std::optional<std::size_t> name_column(const std::vector<std::string>& header) {
  return find_column(header, {"name", "label", "region"});
}

// How the cells of a line are told apart, and which of them are the index and the name.
struct Layout {
  char separator = ' '; // ' ' means any run of blanks
  std::size_t index = 0;
  std::size_t name = 1;
  bool has_header = false;
};

std::vector<std::string> cells_of(std::string_view line, const Layout& layout) {
  return layout.separator == ' ' ? text_table::split_blank(line)
                                 : text_table::split(line, layout.separator);
}

Layout layout_of(std::string_view first_line, std::string_view source) {
  Layout layout;
  for (const char separator : {'\t', ';', ','}) {
    if (first_line.find(separator) != std::string_view::npos) {
      layout.separator = separator;
      break;
    }
  }
  layout.has_header = !starts_with_number(first_line);
  if (!layout.has_header) return layout;
  const std::vector<std::string> header = cells_of(first_line, layout);
  const auto index = index_column(header);
  const auto name = name_column(header);
  if (!index || !name) {
    throw Error(ErrorKind::input, std::string(source) + ": found the header '" +
                                      std::string(first_line.substr(0, 80)) +
                                      "', expected columns 'index' and 'name'");
  }
  layout.index = *index;
  layout.name = *name;
  return layout;
}

// "<index> R G B A"
bool is_colour_line(std::string_view line) {
  const std::vector<std::string> cells = text_table::split_blank(line);
  return cells.size() == 5 && std::all_of(cells.begin(), cells.end(), [](const std::string& cell) {
           return cell.find_first_not_of("0123456789") == std::string::npos;
         });
}

bool is_workbench(const std::vector<std::string_view>& lines) {
  if (lines.size() < 2 || !is_colour_line(lines[1])) return false;
  const std::vector<std::string> first = text_table::split_blank(lines[0]);
  return !first.empty() && first[0].find_first_not_of("0123456789") != std::string::npos;
}

bool is_list_of_names(const std::vector<std::string_view>& lines) {
  const std::vector<std::string> header = text_table::split(lines.front(), ',');
  if (index_column(header) && name_column(header)) return false;
  return std::none_of(lines.begin(), lines.end(), [](std::string_view line) {
    return starts_with_number(line) || line.find_first_of("\t;") != std::string_view::npos;
  });
}

// As "index<TAB>name", so that the rows are checked in one place.
std::string from_workbench(const std::vector<std::string_view>& lines, const std::string& source) {
  std::string text;
  for (std::size_t i = 0; i < lines.size(); i += 2) {
    if (i + 1 == lines.size() || !is_colour_line(lines[i + 1])) {
      throw Error(ErrorKind::input, source + ": row " + std::to_string(i + 2) +
                                        ": found no index and colour after '" +
                                        std::string(lines[i].substr(0, 60)) +
                                        "', expected \"<index> R G B A\"");
    }
    text += text_table::split_blank(lines[i + 1])[0] + "\t" + std::string(lines[i]) + "\n";
  }
  return text;
}

std::string from_names(const std::vector<std::string_view>& lines, const std::string& source,
                       int n_labels) {
  const auto n = static_cast<std::size_t>(n_labels);
  if (n == 0 || (lines.size() != n && lines.size() != n + 1)) {
    throw Error(ErrorKind::input,
                source + ": found " + std::to_string(lines.size()) + " names without numbers" +
                    (n == 0 ? std::string(", expected an index before each")
                            : ", expected " + std::to_string(n) + ", one for each label"));
  }
  std::string text;
  const std::size_t first = lines.size() - n; // a title above the names
  for (std::size_t i = first; i < lines.size(); ++i) {
    text += std::to_string(i - first + 1) + "\t" + std::string(lines[i]) + "\n";
  }
  return text;
}

void make_names_unique(std::vector<LabelRow>& rows) {
  std::map<std::string, int> uses;
  for (const LabelRow& row : rows) ++uses[row.name];
  for (LabelRow& row : rows) {
    if (uses[row.name] > 1) row.name += "_" + std::to_string(row.index);
  }
}

} // namespace

std::vector<LabelRow> parse_label_table(std::string_view text, std::string_view source,
                                        int n_labels) {
  std::vector<std::string_view> lines = text_table::lines(text);
  const std::string name(source);
  if (lines.empty()) throw Error(ErrorKind::input, name + ": found no rows, expected labels");
  std::string numbered; // the text of `lines` when they had to be written anew
  if (is_workbench(lines)) {
    numbered = from_workbench(lines, name);
    lines = text_table::lines(numbered);
  } else if (is_list_of_names(lines)) {
    numbered = from_names(lines, name, n_labels);
    lines = text_table::lines(numbered);
  }
  const Layout layout = layout_of(lines.front(), source);

  std::vector<LabelRow> rows;
  std::map<int, std::size_t> seen;
  for (std::size_t i = layout.has_header ? 1 : 0; i < lines.size(); ++i) {
    const std::vector<std::string> cells = cells_of(lines[i], layout);
    const std::string where = name + ": row " + std::to_string(i + 1);
    if (cells.size() <= std::max(layout.index, layout.name) || cells[layout.name].empty()) {
      throw Error(ErrorKind::input, where + ": found no name, expected an index and a name");
    }
    const double value = text_table::number(cells[layout.index], where + ": index");
    if (value != std::floor(value) || value < 0.0 || value > kMaxIndex) {
      throw Error(ErrorKind::input, where + ": found the index " + cells[layout.index] +
                                        ", expected a whole number from 0");
    }
    if (value == 0.0) continue;
    const int index = static_cast<int>(value);
    if (!seen.emplace(index, i).second) {
      throw Error(ErrorKind::input, where + ": found the index " + std::to_string(index) +
                                        " a second time, expected each once");
    }
    rows.push_back({index, cells[layout.name]});
  }
  if (rows.empty()) throw Error(ErrorKind::input, name + ": found no rows, expected labels");
  make_names_unique(rows);
  return rows;
}

} // namespace boldmill
