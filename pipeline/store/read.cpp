#include "pipeline/store/read.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "pipeline/store/netcdf.hpp"
#include "pipeline/store/numbers.hpp"
#include "pipeline/store/self_contained.hpp"

namespace boldmill::store {
namespace {

constexpr std::size_t kMaxBytes = std::size_t{1} << 36; // a broken header must not allocate more

struct Listing {
  std::vector<std::string> names;
  hid_t group = -1;
  bool groups_only = false;
};

herr_t collect(hid_t group, const char* name, const H5L_info_t*, void* data) {
  auto& listing = *static_cast<Listing*>(data);
  if (listing.groups_only) {
    H5O_info_t info{};
    if (H5Oget_info_by_name2(group, name, &info, H5O_INFO_BASIC, H5P_DEFAULT) < 0) return -1;
    if (info.type != H5O_TYPE_GROUP) return 0;
  }
  listing.names.emplace_back(name);
  return 0;
}

std::vector<std::string> list(const File& file, const std::string& path, bool groups_only) {
  const Handle group =
      file.own(H5Gopen2(file.id(), path.c_str(), H5P_DEFAULT), path, "no such group");
  Listing listing;
  listing.groups_only = groups_only;
  file.check(H5Literate(group.get(), H5_INDEX_CRT_ORDER, H5_ITER_INC, nullptr, collect, &listing),
             path, "cannot be listed");
  return listing.names;
}

std::size_t checked_count(const File& file, const std::string& path,
                          const std::vector<hsize_t>& shape) {
  std::size_t n = 1;
  for (const hsize_t size : shape) {
    if (size != 0 && n > kMaxBytes / 8 / size) {
      file.fail(path, "absurd shape, expected less than 64 GiB");
    }
    n *= size;
  }
  return n;
}

template <class T>
std::vector<T> read_numbers(const File& file, hid_t dataset, const std::string& path, hid_t type,
                            std::vector<hsize_t>* shape_out) {
  const std::vector<hsize_t> shape = shape_of(file, dataset, path);
  std::vector<T> values(checked_count(file, path, shape));
  if (!values.empty()) {
    read_values(file, dataset, path, type, values.data());
  }
  if (shape_out != nullptr) *shape_out = shape;
  return values;
}

template <class T>
std::vector<T> read_numbers(const File& file, const std::string& path, hid_t type,
                            std::vector<hsize_t>* shape_out = nullptr) {
  return read_numbers<T>(file, open_dataset(file, path).get(), path, type, shape_out);
}

template <class T>
Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic>
read_any_matrix(const File& file, const std::string& path, hid_t type) {
  std::vector<hsize_t> shape;
  const std::vector<T> values = read_numbers<T>(file, path, type, &shape);
  if (shape.size() != 2) {
    file.fail(path, "found " + std::to_string(shape.size()) + " dimensions, expected 2");
  }
  using RowMajor = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  return Eigen::Map<const RowMajor>(values.data(), static_cast<Eigen::Index>(shape[0]),
                                    static_cast<Eigen::Index>(shape[1]));
}

std::vector<std::string> take_strings(std::vector<char*>& pointers, hid_t type, hid_t space) {
  std::vector<std::string> out;
  out.reserve(pointers.size());
  for (const char* text : pointers) out.emplace_back(text == nullptr ? "" : text);
  H5Dvlen_reclaim(type, space, H5P_DEFAULT, pointers.data());
  return out;
}

// Of an attribute as H5DS writes its texts, "" when it is none.
std::string fixed_text(hid_t object, const char* name) {
  constexpr std::size_t kLongest = 4096;
  if (H5Aexists(object, name) <= 0) return "";
  const Handle attribute(H5Aopen(object, name, H5P_DEFAULT));
  const Handle type(H5Aget_type(attribute.get()));
  const Handle space(H5Aget_space(attribute.get()));
  if (!type.valid() || H5Tget_class(type.get()) != H5T_STRING ||
      H5Tis_variable_str(type.get()) != 0 || H5Tget_size(type.get()) > kLongest ||
      H5Sget_simple_extent_npoints(space.get()) != 1) {
    return "";
  }
  std::string text(H5Tget_size(type.get()), '\0');
  if (H5Aread(attribute.get(), type.get(), text.data()) < 0) return "";
  return text.substr(0, text.find('\0'));
}

// Of each dimension the name of its first scale. H5DS reads this attribute without a look at its
// type.
std::vector<std::string> first_scales(const File& file, hid_t dataset, std::size_t rank,
                                      const std::string& path) {
  std::vector<std::string> names(rank);
  if (H5Aexists(dataset, "DIMENSION_LIST") <= 0) return names;
  const Handle list =
      file.own(H5Aopen(dataset, "DIMENSION_LIST", H5P_DEFAULT), path, "dimensions cannot be read");
  const Handle type = file.own(H5Aget_type(list.get()), path, "dimensions have no type");
  const Handle space = file.own(H5Aget_space(list.get()), path, "dimensions have no size");
  const Handle base(H5Tget_class(type.get()) == H5T_VLEN ? H5Tget_super(type.get()) : -1);
  if (!base.valid() || H5Tequal(base.get(), H5T_STD_REF_OBJ) <= 0 ||
      H5Sget_simple_extent_npoints(space.get()) != static_cast<hssize_t>(rank)) {
    file.fail(path + "@DIMENSION_LIST", "not one list of scales for each dimension");
  }
  std::vector<hvl_t> lists(rank);
  if (rank == 0 || H5Aread(list.get(), type.get(), lists.data()) < 0) {
    file.fail(path + "@DIMENSION_LIST", "dimensions cannot be read");
  }
  for (std::size_t i = 0; i < rank; ++i) {
    if (lists[i].len == 0) continue;
    const Handle scale(H5Rdereference2(dataset, H5P_DEFAULT, H5R_OBJECT, lists[i].p));
    // HDF5 finds the path of an object known by its address only by a visit of the whole file.
    if (scale.valid()) names[i] = fixed_text(scale.get(), "NAME");
  }
  H5Dvlen_reclaim(type.get(), space.get(), H5P_DEFAULT, lists.data());
  return names;
}

} // namespace

bool exists(const File& file, const std::string& path) {
  for (std::size_t slash = path.find('/', 1);; slash = path.find('/', slash + 1)) {
    const std::string part = path.substr(0, slash);
    if (part != "/" && H5Lexists(file.id(), part.c_str(), H5P_DEFAULT) <= 0) return false;
    if (slash == std::string::npos) return true;
  }
}

std::vector<std::string> children(const File& file, const std::string& path) {
  return list(file, path, false);
}

std::vector<std::string> subgroups(const File& file, const std::string& path) {
  return exists(file, path) ? list(file, path, true) : std::vector<std::string>{};
}

namespace {

std::string name_of(const File& file, const std::string& path, bool has_long_name) {
  return has_long_name ? text_attribute(file, path, "long_name") : path.substr(path.rfind('/') + 1);
}

} // namespace

std::string original_name(const File& file, const std::string& path) {
  return name_of(file, path, has_attribute(file, path, "long_name"));
}

Handle open_dataset(const File& file, const std::string& path) {
  return open_dataset(file, file.id(), path, path);
}

Handle open_dataset(const File& file, hid_t group, const std::string& name,
                    const std::string& path) {
  Handle dataset = file.own(H5Dopen2(group, name.c_str(), H5P_DEFAULT), path, "dataset is missing");
  if (!file.writing()) check_storage(file, dataset.get(), path);
  return dataset;
}

void read_values(const File& file, hid_t dataset, const std::string& path, hid_t type, void* values,
                 hid_t memory, hid_t space, hid_t transfer) {
  if (!file.writing()) check_content(file, dataset, path);
  file.check(H5Dread(dataset, type, memory, space, transfer, values), path, "cannot be read");
}

std::vector<hsize_t> shape_of(const File& file, hid_t dataset, const std::string& path) {
  const Handle space = file.own(H5Dget_space(dataset), path, "no data space");
  const int n = H5Sget_simple_extent_ndims(space.get());
  if (n < 0) file.fail(path, "shape cannot be read");
  std::vector<hsize_t> shape(static_cast<std::size_t>(n));
  H5Sget_simple_extent_dims(space.get(), shape.data(), nullptr);
  return shape;
}

std::vector<hsize_t> shape_of(const File& file, const std::string& path) {
  return shape_of(file, open_dataset(file, path).get(), path);
}

std::size_t count_values(const std::vector<hsize_t>& shape) {
  std::size_t n = 1;
  for (const hsize_t size : shape) n *= size;
  return n;
}

bool is_text(const File& file, const std::string& path) {
  return is_text(file, open_dataset(file, path).get(), path);
}

bool is_text(const File& file, hid_t dataset, const std::string& path) {
  const Handle type = file.own(H5Dget_type(dataset), path, "no type");
  return H5Tget_class(type.get()) == H5T_STRING;
}

std::vector<std::string> dimension_names(const File& file, hid_t dataset, const std::string& path) {
  const std::size_t rank = shape_of(file, dataset, path).size();
  if (fixed_text(dataset, "CLASS") == "DIMENSION_SCALE") {
    std::vector<std::string> names(rank);
    if (rank > 0) names[0] = path.substr(path.rfind('/') + 1);
    return names;
  }
  return first_scales(file, dataset, rank, path);
}

std::vector<double> read_doubles(const File& file, const std::string& path) {
  return read_numbers<double>(file, path, H5T_NATIVE_DOUBLE);
}
std::vector<std::int32_t> read_int32(const File& file, const std::string& path) {
  return read_numbers<std::int32_t>(file, path, H5T_NATIVE_INT32);
}
std::vector<std::int64_t> read_int64(const File& file, const std::string& path) {
  return read_numbers<std::int64_t>(file, path, H5T_NATIVE_INT64);
}
std::vector<std::uint8_t> read_uint8(const File& file, const std::string& path) {
  return read_numbers<std::uint8_t>(file, path, H5T_NATIVE_UINT8);
}
Eigen::MatrixXd read_matrix(const File& file, const std::string& path) {
  return read_any_matrix<double>(file, path, H5T_NATIVE_DOUBLE);
}
Eigen::MatrixXf read_float_matrix(const File& file, const std::string& path) {
  return read_any_matrix<float>(file, path, H5T_NATIVE_FLOAT);
}
Eigen::MatrixXi read_int_matrix(const File& file, const std::string& path) {
  return read_any_matrix<int>(file, path, H5T_NATIVE_INT);
}
FlagMatrix read_flag_matrix(const File& file, const std::string& path) {
  return read_any_matrix<std::uint8_t>(file, path, H5T_NATIVE_UINT8);
}

void expect_rows(const File& file, const std::string& path, std::size_t found,
                 std::size_t expected) {
  if (found == expected) return;
  file.fail(path,
            "found " + std::to_string(found) + " values, expected " + std::to_string(expected));
}

void expect_shape(const File& file, const std::string& path, Eigen::Index found_rows,
                  Eigen::Index found_columns, std::size_t rows, std::size_t columns) {
  if (static_cast<std::size_t>(found_rows) == rows &&
      static_cast<std::size_t>(found_columns) == columns) {
    return;
  }
  file.fail(path, "found " + std::to_string(found_rows) + " x " + std::to_string(found_columns) +
                      " values, expected " + std::to_string(rows) + " x " +
                      std::to_string(columns));
}

Eigen::MatrixXd read_table(const File& file, const std::string& path, std::size_t rows,
                           std::size_t columns) {
  Eigen::MatrixXd values = read_matrix(file, path);
  expect_shape(file, path, values.rows(), values.cols(), rows, columns);
  return values;
}

std::vector<std::string> read_strings(const File& file, const std::string& path) {
  return strings_of(file, open_dataset(file, path).get(), path);
}

std::vector<std::string> strings_of(const File& file, hid_t dataset, const std::string& path) {
  std::vector<char*> pointers(checked_count(file, path, shape_of(file, dataset, path)));
  if (pointers.empty()) return {};
  const Handle type = string_type(file);
  const Handle space = file.own(H5Dget_space(dataset), path, "no data space");
  const Handle transfer = text_transfer(file, pointers.size());
  read_values(file, dataset, path, type.get(), pointers.data(), H5S_ALL, H5S_ALL, transfer.get());
  return take_strings(pointers, type.get(), space.get());
}

std::string read_scalar_text(const File& file, const std::string& path) {
  const std::vector<std::string> text = read_strings(file, path);
  if (text.size() != 1) file.fail(path, "expected one text");
  return text[0];
}

std::vector<double> read_rows(const File& file, const std::string& path, hsize_t first, hsize_t n) {
  const Handle dataset = open_dataset(file, path);
  std::vector<hsize_t> count = shape_of(file, dataset.get(), path);
  if (count.size() < 2 || first > count[0] || n > count[0] - first) {
    file.fail(path, "no rows " + std::to_string(first) + " to " + std::to_string(first + n));
  }
  std::vector<hsize_t> start(count.size(), 0);
  start[0] = first;
  count[0] = n;
  std::vector<double> values(checked_count(file, path, count));
  if (values.empty()) return values;
  const Handle space = file.own(H5Dget_space(dataset.get()), path, "no data space");
  H5Sselect_hyperslab(space.get(), H5S_SELECT_SET, start.data(), nullptr, count.data(), nullptr);
  const Handle memory =
      file.own(H5Screate_simple(static_cast<int>(count.size()), count.data(), nullptr), path,
               "no data space");
  read_values(file, dataset.get(), path, H5T_NATIVE_DOUBLE, values.data(), memory.get(),
              space.get());
  return values;
}

std::vector<double> read_row(const File& file, const std::string& path, hsize_t row) {
  return read_rows(file, path, row, 1);
}

std::vector<std::pair<std::string, std::vector<double>>> read_columns(const File& file,
                                                                      const std::string& path) {
  const Handle group =
      file.own(H5Gopen2(file.id(), path.c_str(), H5P_DEFAULT), path, "no such group");
  std::vector<std::pair<std::string, std::vector<double>>> columns;
  for (const std::string& name : children(file, path)) {
    const std::string where = path + "/" + name;
    const Handle dataset = open_dataset(file, group.get(), name, where);
    columns.emplace_back(
        name_of(file, where, H5Aexists(dataset.get(), "long_name") > 0),
        read_numbers<double>(file, dataset.get(), where, H5T_NATIVE_DOUBLE, nullptr));
  }
  return columns;
}

bool has_attribute(const File& file, const std::string& object, const std::string& name) {
  return H5Aexists_by_name(file.id(), object.c_str(), name.c_str(), H5P_DEFAULT) > 0;
}

std::string text_attribute(const File& file, const std::string& object, const std::string& name) {
  const std::string where = object + "@" + name;
  const Handle attribute =
      file.own(H5Aopen_by_name(file.id(), object.c_str(), name.c_str(), H5P_DEFAULT, H5P_DEFAULT),
               where, "attribute is missing");
  const Handle type = string_type(file);
  const Handle space = file.own(H5Aget_space(attribute.get()), where, "no data space");
  if (H5Sget_simple_extent_npoints(space.get()) != 1) file.fail(where, "expected one text");
  std::vector<char*> pointer(1, nullptr);
  file.check(H5Aread(attribute.get(), type.get(), pointer.data()), where, "cannot be read");
  return take_strings(pointer, type.get(), space.get())[0];
}

double number_attribute(const File& file, const std::string& object, const std::string& name) {
  const std::string where = object + "@" + name;
  const Handle attribute =
      file.own(H5Aopen_by_name(file.id(), object.c_str(), name.c_str(), H5P_DEFAULT, H5P_DEFAULT),
               where, "attribute is missing");
  const Handle space = file.own(H5Aget_space(attribute.get()), where, "no data space");
  if (H5Sget_simple_extent_npoints(space.get()) != 1) file.fail(where, "expected one number");
  double value = 0.0;
  file.check(H5Aread(attribute.get(), H5T_NATIVE_DOUBLE, &value), where, "cannot be read");
  return value;
}

std::int32_t whole_attribute(const File& file, const std::string& object, const std::string& name) {
  const double value = number_attribute(file, object, name);
  if (!(std::abs(value) <= std::numeric_limits<std::int32_t>::max()) ||
      value != std::floor(value)) {
    file.fail(object + "@" + name,
              "found " + as_text({value}).front() + ", expected a whole number");
  }
  return static_cast<std::int32_t>(value);
}

} // namespace boldmill::store
