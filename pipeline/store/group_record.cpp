#include "pipeline/store/group_record.hpp"

#include <algorithm>

#include "pipeline/store/cohort_reader_state.hpp"
#include "pipeline/store/read.hpp"
#include "pipeline/store/reader.hpp"

namespace boldmill::store {
namespace {

constexpr const char* kSettings = "setting";
constexpr const char* kSettingValue = "setting_value";

void write_array(const Group& root, const Group& group, const std::vector<Dimension>& own,
                 const NamedArray& array) {
  Dimensions dimensions;
  std::size_t size = 1;
  for (const std::string& axis : array.axes) {
    const auto found = std::find_if(own.begin(), own.end(),
                                    [&](const Dimension& one) { return one.name == axis; });
    dimensions.push_back(found != own.end() ? *found : root.existing_dimension(axis));
    size *= dimensions.back().size;
  }
  const std::size_t n = array.is_text      ? array.text.size()
                        : array.is_integer ? array.integer.size()
                                           : array.number.size();
  if (n != size) {
    throw Error(ErrorKind::internal, group.path_of(array.name) + ": found " + std::to_string(n) +
                                         " values, expected " + std::to_string(size));
  }
  Attributes attributes;
  if (!array.what.empty()) attributes.emplace_back("description", array.what);
  if (array.is_text) {
    group.write(array.name, dimensions, array.text, attributes);
  } else if (array.is_integer) {
    group.write(array.name, dimensions, Values(array.integer), attributes);
  } else {
    group.write(array.name, dimensions, Values(array.number), attributes);
  }
}

} // namespace

const NamedArray& GroupRecord::array(const std::string& name) const {
  for (const NamedArray& one : arrays) {
    if (one.name == name) return one;
  }
  throw Error(ErrorKind::input, path + ": no array " + name);
}

bool GroupRecord::has(const std::string& name) const {
  return std::any_of(arrays.begin(), arrays.end(),
                     [&](const NamedArray& one) { return one.name == name; });
}

std::string GroupRecord::setting(const std::string& name) const {
  for (const auto& [key, value] : settings) {
    if (key == name) return value;
  }
  return "";
}

void write_group(const Group& root, const Group& parent, const GroupRecord& record) {
  std::size_t end = std::min(record.path.find('/'), record.path.size());
  Group group = parent.open_or_create(record.path.substr(0, end));
  while (end < record.path.size()) {
    const std::size_t begin = end + 1;
    end = std::min(record.path.find('/', begin), record.path.size());
    group = group.open_or_create(record.path.substr(begin, end - begin));
  }
  if (!record.what.empty()) group.attribute("description", record.what);
  if (!record.fitted_on.empty()) group.attribute("fitted_on", record.fitted_on);
  std::vector<Dimension> own;
  for (const NamedAxis& axis : record.axes) {
    own.push_back(!axis.labels.empty()   ? group.dimension(axis.name, axis.labels)
                  : !axis.values.empty() ? group.dimension(axis.name, axis.values, "1")
                                         : group.dimension(axis.name, axis.size));
  }
  if (!record.settings.empty()) {
    std::vector<std::string> names, values;
    for (const auto& [name, value] : record.settings) {
      names.push_back(name);
      values.push_back(value);
    }
    const Dimension setting = group.dimension(kSettings, names);
    group.write(kSettingValue, {setting}, values);
  }
  for (const NamedArray& array : record.arrays) write_array(root, group, own, array);
}

GroupRecord read_group(const File& file, const std::string& path) {
  GroupRecord out;
  out.path = path;
  if (has_attribute(file, path, "description")) {
    out.what = text_attribute(file, path, "description");
  }
  if (has_attribute(file, path, "fitted_on")) {
    out.fitted_on = text_attribute(file, path, "fitted_on");
  }
  const std::vector<std::string> inner = subgroups(file, path);
  for (const std::string& name : children(file, path)) {
    if (std::find(inner.begin(), inner.end(), name) != inner.end()) continue;
    const std::string object = path + "/" + name;
    NamedArray array;
    array.name = original_name(file, object);
    array.is_text = is_text(file, object);
    array.axes = dimension_names(file, open_dataset(file, object).get(), object);
    if (has_attribute(file, object, "description")) {
      array.what = text_attribute(file, object, "description");
    }
    if (array.is_text) {
      array.text = read_strings(file, object);
    } else {
      array.number = read_doubles(file, object);
    }
    out.arrays.push_back(std::move(array));
  }
  if (out.has(kSettings)) {
    const NamedArray names = out.array(kSettings);
    const NamedArray values = out.array(kSettingValue);
    for (std::size_t i = 0; i < names.text.size() && i < values.text.size(); ++i) {
      out.settings.emplace_back(names.text[i], values.text[i]);
    }
  }
  return out;
}

bool CohortReader::has_completed() const {
  const Hdf5Lock lock;
  return exists(state_->file, "/circuits/completed");
}

std::optional<GroupRecord> CohortReader::group(const std::string& path) const {
  const Hdf5Lock lock;
  const std::string full = "/cohort/" + path;
  if (!exists(state_->file, "/cohort") || !exists(state_->file, full)) return std::nullopt;
  return read_group(state_->file, full);
}

} // namespace boldmill::store
