#include "pipeline/store/result_tables.hpp"

#include "pipeline/store/cohort_reader_state.hpp"
#include "pipeline/store/read.hpp"
#include "pipeline/store/reader.hpp"

namespace boldmill::store {
namespace {

std::size_t size_of(const TableColumn& column) {
  return column.is_text ? column.text.size() : column.number.size();
}

TableRecord read_table(const File& file, const std::string& path) {
  TableRecord table;
  table.path = path.substr(std::string("/cohort/").size());
  table.axis = text_attribute(file, path, "axis");
  table.what = text_attribute(file, path, "description");
  if (has_attribute(file, path, "fitted_on")) {
    table.fitted_on = text_attribute(file, path, "fitted_on");
  }
  for (const std::string& name : children(file, path)) {
    if (name == table.axis) continue;
    TableColumn column;
    const std::string object = path + "/" + name;
    column.name = original_name(file, object);
    column.what = text_attribute(file, object, "description");
    column.is_text = is_text(file, object);
    if (column.is_text) {
      column.text = read_strings(file, object);
    } else {
      column.number = read_doubles(file, object);
    }
    if (!table.columns.empty()) {
      expect_rows(file, object, size_of(column), size_of(table.columns.front()));
    }
    table.columns.push_back(std::move(column));
  }
  return table;
}

// Groups with the attribute `axis` are tables; others are looked into.
constexpr int kDeepest = 4; // groups below /cohort; a group may hold itself in an edited file
void find_tables(const File& file, const std::string& path, std::vector<TableRecord>& out,
                 int depth = 1) {
  if (depth > kDeepest) file.fail(path, "found groups inside groups, expected tables");
  if (!exists(file, path)) return;
  if (has_attribute(file, path, "axis")) {
    out.push_back(read_table(file, path));
    return;
  }
  for (const std::string& name : subgroups(file, path))
    find_tables(file, path + "/" + name, out, depth + 1);
}

} // namespace

void write_result_table(const Group& root, const TableRecord& table) {
  if (table.columns.empty()) return;
  Group group = root.open_or_create("cohort");
  for (std::size_t begin = 0; begin < table.path.size();) {
    const std::size_t end = std::min(table.path.find('/', begin), table.path.size());
    group = group.open_or_create(table.path.substr(begin, end - begin));
    begin = end + 1;
  }
  group.attribute("axis", table.axis);
  group.attribute("description", table.what);
  if (!table.fitted_on.empty()) group.attribute("fitted_on", table.fitted_on);
  const Dimension axis = table.axis == "row"
                             ? root.existing_dimension("row")
                             : group.dimension(table.axis, size_of(table.columns.front()));
  for (const TableColumn& column : table.columns) {
    if (size_of(column) != axis.size) {
      throw Error(ErrorKind::internal, group.path_of(column.name) + ": found " +
                                           std::to_string(size_of(column)) + " values, expected " +
                                           std::to_string(axis.size));
    }
    const Attributes attributes{{"description", column.what}};
    if (column.is_text) {
      group.write(column.name, {axis}, column.text, attributes);
    } else {
      group.write(column.name, {axis}, Values(column.number), attributes);
    }
  }
}

std::vector<TableRecord> CohortReader::result_tables() const {
  const Hdf5Lock lock;
  std::vector<TableRecord> out;
  for (const char* name : {"/cohort/circuit_names", "/cohort/review", "/cohort/group_statistics",
                           "/cohort/treatment", "/cohort/scored", "/cohort/site_association",
                           "/cohort/biotype_verdict", "/cohort/published_chain"}) {
    if (!exists(state_->file, "/cohort")) break;
    find_tables(state_->file, name, out);
  }
  return out;
}

} // namespace boldmill::store
