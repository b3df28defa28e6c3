#include "pipeline/cli/stages/people_table.hpp"

#include <cstddef>
#include <map>

#include "pipeline/bids/text.hpp"
#include "pipeline/image_io/byte_source.hpp"
#include "stages/core/error.hpp"

namespace boldmill::cli {
namespace {

constexpr std::size_t kMostBytes = 4ULL << 30U;

std::string key_of(const bids::Table& table, std::size_t row, bool sessions) {
  std::string key(table.cell(row, table.require("participant_id")));
  if (sessions) key += "\t" + std::string(table.cell(row, table.require("session_id")));
  return key;
}

void append(std::string& text, std::string_view cell) {
  text += cell.empty() ? std::string_view("n/a") : cell;
  text += '\t';
}

void end_line(std::string& text) { text.back() = '\n'; }

// Which columns of `people` come beside those of `first`, and its rows by key.
struct Beside {
  bids::Table table;
  std::vector<std::size_t> columns;
  std::map<std::string, std::size_t> row;
  bool sessions = false;
};

Beside open_people(const std::string& people, const bids::Table& first) {
  Beside beside;
  if (people.empty()) return beside;
  beside.table = read_table(people);
  beside.sessions = beside.table.has("session_id") && first.has("session_id");
  for (std::size_t c = 0; c < beside.table.n_columns(); ++c) {
    const std::string& name = beside.table.names()[c];
    if (name == "participant_id" || (beside.sessions && name == "session_id")) continue;
    if (first.has(name)) {
      throw Error(ErrorKind::input, people + ": found column " + bids::display(name) +
                                        ", expected none that " + first.source() + " has");
    }
    beside.columns.push_back(c);
  }
  for (std::size_t r = 0; r < beside.table.n_rows(); ++r) {
    const std::string key = key_of(beside.table, r, beside.sessions);
    if (!beside.row.emplace(key, r).second) {
      throw Error(ErrorKind::input, people + ": line " + std::to_string(beside.table.line(r)) +
                                        ": found " + bids::display(key) +
                                        " again, expected each person once");
    }
  }
  return beside;
}

} // namespace

bids::Table read_table(const std::string& path, bids::RepeatedNames repeated) {
  if (!path.ends_with(".gz")) return bids::read_tsv(path, repeated);
  image_io::ByteSource source(path);
  std::string text;
  std::vector<std::byte> block(1U << 20U);
  for (std::size_t got = 0; (got = source.read(block)) > 0;) {
    text.append(reinterpret_cast<const char*>(block.data()), got);
    if (text.size() > kMostBytes) throw Error(ErrorKind::input, path + ": more than 4 GiB of text");
  }
  return bids::parse_tsv(std::move(text), path, repeated);
}

bids::Table read_people_table(const std::vector<std::string>& files, const std::string& people) {
  if (files.size() == 1 && people.empty()) return read_table(files.front());
  const bids::Table first = read_table(files.front());
  const Beside beside = open_people(people, first);
  std::string text;
  for (const std::string& name : first.names()) append(text, name);
  for (const std::size_t c : beside.columns) append(text, beside.table.names()[c]);
  end_line(text);
  for (const std::string& file : files) {
    const bids::Table table = read_table(file);
    if (table.names() != first.names()) {
      throw Error(ErrorKind::input, file + ": found " + std::to_string(table.n_columns()) +
                                        " columns, expected the " +
                                        std::to_string(first.n_columns()) + " of " + files.front());
    }
    for (std::size_t r = 0; r < table.n_rows(); ++r) {
      for (std::size_t c = 0; c < table.n_columns(); ++c) append(text, table.cell(r, c));
      if (!people.empty()) {
        const auto found = beside.row.find(key_of(table, r, beside.sessions));
        if (found == beside.row.end()) {
          throw Error(ErrorKind::input, file + ": line " + std::to_string(table.line(r)) +
                                            ": found " +
                                            bids::display(key_of(table, r, beside.sessions)) +
                                            ", expected a row of " + people);
        }
        for (const std::size_t c : beside.columns) {
          append(text, beside.table.cell(found->second, c));
        }
      }
      end_line(text);
    }
  }
  return bids::parse_tsv(std::move(text), files.front());
}

} // namespace boldmill::cli
