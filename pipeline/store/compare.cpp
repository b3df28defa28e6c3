#include "pipeline/store/compare.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <set>
#include <sstream>

#include "pipeline/store/netcdf.hpp"
#include "pipeline/store/read.hpp"

namespace boldmill::store {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr std::size_t kBlockBytes = std::size_t{4} << 20;

struct Comparison {
  const File& first;
  const File& second;
  std::vector<Difference> found;

  void add(const std::string& path, const std::string& what) {
    found.push_back({path, what, kNaN, 0});
  }
};

bool left_out(const std::string& path) {
  return path == "/provenance/command" || path == "/provenance/resources";
}

bool bookkeeping(const std::string& attribute) {
  return attribute == "DIMENSION_LIST" || attribute == "REFERENCE_LIST";
}

// Adds the differences of two blocks of equal length to `difference`.
void compare_numbers(const std::vector<double>& a, const std::vector<double>& b,
                     Difference& difference) {
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (std::memcmp(&a[i], &b[i], sizeof(double)) == 0) continue;
    ++difference.n_values;
    const bool one_nan = std::isnan(a[i]) != std::isnan(b[i]);
    const double distance = one_nan                            ? kInfinity
                            : std::isnan(a[i]) || a[i] == b[i] ? 0.0
                                                               : std::abs(a[i] - b[i]);
    difference.largest = std::max(difference.largest, distance);
  }
}

struct Block { // of the leading dimension
  hsize_t first = 0;
  std::vector<hsize_t> count;
};

std::size_t read_bytes(const File& file, hid_t dataset, const std::string& path, hid_t type,
                       const Block& block, std::vector<char>& bytes) {
  const Handle space = file.own(H5Dget_space(dataset), path, "no data space");
  const std::size_t n = store::count_values(block.count);
  Handle memory;
  if (block.count.empty()) {
    memory = file.own(H5Screate(H5S_SCALAR), path, "no data space");
  } else {
    std::vector<hsize_t> start(block.count.size(), 0);
    start[0] = block.first;
    H5Sselect_hyperslab(space.get(), H5S_SELECT_SET, start.data(), nullptr, block.count.data(),
                        nullptr);
    memory = file.own(
        H5Screate_simple(static_cast<int>(block.count.size()), block.count.data(), nullptr), path,
        "no data space");
  }
  bytes.resize(n * H5Tget_size(type));
  read_values(file, dataset, path, type, bytes.data(), memory.get(), space.get());
  return n;
}

std::vector<double> to_doubles(std::vector<char> bytes, hid_t type, std::size_t n) {
  bytes.resize(std::max(bytes.size(), n * sizeof(double)));
  H5Tconvert(type, H5T_NATIVE_DOUBLE, n, bytes.data(), nullptr, H5P_DEFAULT);
  std::vector<double> values(n);
  if (n > 0) std::memcpy(values.data(), bytes.data(), n * sizeof(double));
  return values;
}

void compare_number_datasets(Comparison& c, const std::string& path, hid_t a, hid_t b, hid_t type) {
  std::vector<hsize_t> shape = shape_of(c.first, path);
  Difference difference{path, "values", 0.0, 0};
  const hsize_t rows = shape.empty() ? 1 : shape[0];
  const std::size_t n_values = store::count_values(shape);
  if (n_values == 0) return;
  const std::size_t row_bytes = n_values / rows * H5Tget_size(type);
  const hsize_t step = std::max<hsize_t>(1, kBlockBytes / std::max<std::size_t>(1, row_bytes));
  std::vector<char> bytes_a, bytes_b;
  for (hsize_t first = 0; first < rows; first += step) {
    Block block{first, shape};
    if (!shape.empty()) block.count[0] = std::min(step, rows - first);
    const std::size_t n = read_bytes(c.first, a, path, type, block, bytes_a);
    read_bytes(c.second, b, path, type, block, bytes_b);
    if (bytes_a == bytes_b) continue;
    compare_numbers(to_doubles(bytes_a, type, n), to_doubles(bytes_b, type, n), difference);
    difference.n_values = std::max<std::size_t>(difference.n_values, 1); // beyond double's digits
  }
  if (difference.n_values > 0) c.found.push_back(difference);
}

void compare_text_datasets(Comparison& c, const std::string& path) {
  const std::vector<std::string> a = read_strings(c.first, path);
  const std::vector<std::string> b = read_strings(c.second, path);
  Difference difference{path, "values", kNaN, 0};
  for (std::size_t i = 0; i < a.size(); ++i) difference.n_values += a[i] != b[i] ? 1 : 0;
  if (difference.n_values > 0) c.found.push_back(difference);
}

void compare_datasets(Comparison& c, const std::string& path) {
  const Handle a = open_dataset(c.first, path);
  const Handle b = open_dataset(c.second, path);
  const Handle type_a = c.first.own(H5Dget_type(a.get()), path, "no type");
  const Handle type_b = c.second.own(H5Dget_type(b.get()), path, "no type");
  if (H5Tequal(type_a.get(), type_b.get()) <= 0) return c.add(path, "type");
  if (shape_of(c.first, path) != shape_of(c.second, path)) return c.add(path, "shape");
  if (dimension_names(c.first, a.get(), path) != dimension_names(c.second, b.get(), path)) {
    c.add(path, "dimensions");
  }
  if (H5Tget_class(type_a.get()) == H5T_STRING) {
    compare_text_datasets(c, path);
  } else {
    compare_number_datasets(c, path, a.get(), b.get(), type_a.get());
  }
}

herr_t collect_attribute(hid_t, const char* name, const H5A_info_t*, void* data) {
  if (!bookkeeping(name)) static_cast<std::set<std::string>*>(data)->insert(name);
  return 0;
}

std::set<std::string> attribute_names(const File& file, const std::string& path) {
  const Handle object =
      file.own(H5Oopen(file.id(), path.c_str(), H5P_DEFAULT), path, "cannot be opened");
  std::set<std::string> names;
  hsize_t position = 0;
  file.check(
      H5Aiterate2(object.get(), H5_INDEX_NAME, H5_ITER_INC, &position, collect_attribute, &names),
      path, "attributes cannot be listed");
  return names;
}

struct AttributeValue {
  std::string text;            // of a text, or raw bytes
  std::vector<double> numbers; // of numbers
  bool operator==(const AttributeValue& other) const { return text == other.text; }
};

AttributeValue read_attribute(const File& file, const std::string& path, const std::string& name) {
  const std::string where = path + "@" + name;
  const Handle attribute =
      file.own(H5Aopen_by_name(file.id(), path.c_str(), name.c_str(), H5P_DEFAULT, H5P_DEFAULT),
               where, "cannot be opened");
  const Handle type = file.own(H5Aget_type(attribute.get()), where, "no type");
  if (H5Tis_variable_str(type.get()) > 0) return {text_attribute(file, path, name), {}};
  const Handle space = file.own(H5Aget_space(attribute.get()), where, "no data space");
  const auto n = static_cast<std::size_t>(H5Sget_simple_extent_npoints(space.get()));
  std::vector<char> bytes(n * H5Tget_size(type.get()));
  file.check(H5Aread(attribute.get(), type.get(), bytes.data()), where, "cannot be read");
  AttributeValue value{std::string(bytes.begin(), bytes.end()), {}};
  if (H5Tget_class(type.get()) != H5T_STRING) value.numbers = to_doubles(bytes, type.get(), n);
  return value;
}

void compare_attributes(Comparison& c, const std::string& path) {
  const std::set<std::string> a = attribute_names(c.first, path);
  const std::set<std::string> b = attribute_names(c.second, path);
  std::set<std::string> all = a;
  all.insert(b.begin(), b.end());
  for (const std::string& name : all) {
    const std::string where = path + "@" + name;
    if (!a.contains(name)) {
      c.add(where, "missing in first");
    } else if (!b.contains(name)) {
      c.add(where, "missing in second");
    } else {
      const AttributeValue x = read_attribute(c.first, path, name);
      const AttributeValue y = read_attribute(c.second, path, name);
      if (x == y) continue;
      Difference difference{where, "values", kNaN, 1};
      if (!x.numbers.empty() && x.numbers.size() == y.numbers.size()) {
        difference.largest = 0.0;
        difference.n_values = 0;
        compare_numbers(x.numbers, y.numbers, difference);
      }
      c.found.push_back(difference);
    }
  }
}

bool is_group(const File& file, const std::string& path) {
  H5O_info_t info{};
  file.check(H5Oget_info_by_name2(file.id(), path.c_str(), &info, H5O_INFO_BASIC, H5P_DEFAULT),
             path, "cannot be opened");
  return info.type == H5O_TYPE_GROUP;
}

void compare_groups(Comparison& c, const std::string& path) {
  compare_attributes(c, path);
  const std::vector<std::string> in_a = children(c.first, path);
  const std::vector<std::string> in_b = children(c.second, path);
  const std::set<std::string> a(in_a.begin(), in_a.end());
  const std::set<std::string> b(in_b.begin(), in_b.end());
  std::set<std::string> all = a;
  all.insert(b.begin(), b.end());
  for (const std::string& name : all) {
    const std::string child = (path == "/" ? "" : path) + "/" + name;
    if (left_out(child)) continue;
    if (!a.contains(name)) {
      c.add(child, "missing in first");
    } else if (!b.contains(name)) {
      c.add(child, "missing in second");
    } else if (is_group(c.first, child) != is_group(c.second, child)) {
      c.add(child, "type");
    } else if (is_group(c.first, child)) {
      compare_groups(c, child);
    } else {
      compare_datasets(c, child);
      compare_attributes(c, child);
    }
  }
}

} // namespace

std::vector<Difference> compare_files(const std::filesystem::path& first,
                                      const std::filesystem::path& second) {
  const Hdf5Lock lock;
  const File a(first, File::Mode::read);
  const File b(second, File::Mode::read);
  Comparison comparison{a, b, {}};
  compare_groups(comparison, "/");
  return comparison.found;
}

std::string to_string(const Difference& difference) {
  std::ostringstream text;
  text << difference.path << ": ";
  if (difference.what != "values") {
    text << difference.what;
    return text.str();
  }
  text << difference.n_values << (difference.n_values == 1 ? " value differs" : " values differ");
  if (std::isinf(difference.largest)) {
    text << ", missing (NaN) in one only";
  } else if (!std::isnan(difference.largest)) {
    text << ", largest absolute difference " << difference.largest;
  }
  return text.str();
}

} // namespace boldmill::store
