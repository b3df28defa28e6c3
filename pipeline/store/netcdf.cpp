#include "pipeline/store/netcdf.hpp"

#include <hdf5_hl.h>

#include <algorithm>
#include <array>
#include <limits>
#include <numeric>

#include "pipeline/store/read.hpp"
#include "pipeline/store/shard.hpp"

namespace boldmill::store {
namespace {

constexpr std::size_t kContiguousBytes = std::size_t{16} << 10;
constexpr std::size_t kChunkBytes = std::size_t{1} << 20;
constexpr unsigned kDeflateLevel = 1;

struct NumberType {
  hid_t type;
  std::size_t bytes;
};

NumberType number_type(Values::Type type) { // the same in memory and on disk: little-endian
  switch (type) {
  case Values::Type::float64: return {H5T_IEEE_F64LE, 8};
  case Values::Type::float32: return {H5T_IEEE_F32LE, 4};
  case Values::Type::int32: return {H5T_STD_I32LE, 4};
  case Values::Type::int64: return {H5T_STD_I64LE, 8};
  case Values::Type::int8: return {H5T_STD_I8LE, 1};
  case Values::Type::uint8: return {H5T_STD_U8LE, 1};
  }
  throw Error(ErrorKind::internal, "store: unknown number type");
}

template <class Matrix>
auto copy_row_major(const Matrix& matrix) {
  std::vector<typename Matrix::Scalar> out(static_cast<std::size_t>(matrix.size()));
  std::size_t i = 0;
  for (Eigen::Index r = 0; r < matrix.rows(); ++r) {
    for (Eigen::Index c = 0; c < matrix.cols(); ++c) out[i++] = matrix(r, c);
  }
  return out;
}

void write_attribute(const File& file, hid_t object, const std::string& path,
                     const std::string& name, hid_t type, const void* value, hsize_t n_values = 0) {
  const std::string where = path + "@" + name;
  const Handle space =
      file.own(n_values == 0 ? H5Screate(H5S_SCALAR) : H5Screate_simple(1, &n_values, nullptr),
               where, "no data space");
  const Handle attribute =
      file.own(H5Acreate2(object, name.c_str(), type, space.get(), H5P_DEFAULT, H5P_DEFAULT), where,
               "attribute cannot be created");
  file.check(H5Awrite(attribute.get(), type, value), where, "attribute cannot be written");
}

void write_text_attribute(const File& file, hid_t object, const std::string& path,
                          const std::string& name, const std::string& text) {
  const std::string clean = clean_utf8(text);
  const char* pointer = clean.c_str();
  write_attribute(file, object, path, name, string_type(file).get(), &pointer);
}

std::vector<hsize_t> shape_of(const Dimensions& dimensions) {
  std::vector<hsize_t> shape;
  for (const Dimension& dimension : dimensions) shape.push_back(dimension.size);
  return shape;
}

bool is_empty(const Dimensions& dimensions) {
  return std::any_of(dimensions.begin(), dimensions.end(),
                     [](const Dimension& dimension) { return dimension.size == 0; });
}

std::size_t count_values(const Dimensions& dimensions) {
  std::size_t n = 1;
  for (const Dimension& dimension : dimensions) n *= dimension.size;
  return n;
}

Handle creation_properties(const File& file, const std::vector<hsize_t>& shape,
                           std::size_t item_bytes) {
  Handle properties = file.own(H5Pcreate(H5P_DATASET_CREATE), "", "no properties");
  H5Pset_obj_track_times(properties.get(), false);
  H5Pset_attr_creation_order(properties.get(), H5P_CRT_ORDER_TRACKED | H5P_CRT_ORDER_INDEXED);
  H5Pset_fill_time(properties.get(), H5D_FILL_TIME_IFSET);
  const std::vector<hsize_t> chunk = chunk_shape(shape, item_bytes);
  if (!chunk.empty()) {
    H5Pset_chunk(properties.get(), static_cast<int>(chunk.size()), chunk.data());
    if (item_bytes > 1) H5Pset_shuffle(properties.get());
    H5Pset_deflate(properties.get(), kDeflateLevel);
  }
  return properties;
}

} // namespace

std::vector<double> row_major(const Eigen::MatrixXd& matrix) { return copy_row_major(matrix); }
std::vector<float> row_major(const Eigen::MatrixXf& matrix) { return copy_row_major(matrix); }
std::vector<std::int32_t> row_major(const Eigen::MatrixXi& matrix) {
  return copy_row_major(matrix);
}
std::vector<std::uint8_t> row_major(const FlagMatrix& matrix) { return copy_row_major(matrix); }

std::vector<hsize_t> chunk_shape(const std::vector<hsize_t>& shape, std::size_t item_bytes) {
  std::size_t bytes = item_bytes;
  for (const hsize_t n : shape) bytes *= n;
  if (item_bytes == 0 || bytes < kContiguousBytes) return {};
  std::vector<hsize_t> chunk = shape;
  for (hsize_t& n : chunk) { // leading dimension first
    if (bytes <= kChunkBytes) break;
    const std::size_t rest = bytes / n;
    n = std::max<hsize_t>(1, kChunkBytes / rest);
    bytes = rest * n;
  }
  return chunk;
}

Handle string_type(const File& file) {
  Handle type = file.own(H5Tcopy(H5T_C_S1), "", "no string type");
  H5Tset_size(type.get(), H5T_VARIABLE);
  H5Tset_cset(type.get(), H5T_CSET_UTF8);
  return type;
}

Handle text_transfer(const File& file, std::size_t n) {
  constexpr std::size_t kReferenceBytes = 16; // of a variable-length item on disk
  Handle properties = file.own(H5Pcreate(H5P_DATASET_XFER), "", "no properties");
  const std::size_t bytes = std::clamp(kReferenceBytes * n, std::size_t{1} << 10, kChunkBytes);
  H5Pset_buffer(properties.get(), bytes, nullptr, nullptr);
  return properties;
}

void Dataset::attribute(const std::string& name, const std::string& text) const {
  write_text_attribute(*file_, id(), path_, name, text);
}

void Dataset::attribute(const std::string& name, std::int32_t value) const {
  write_attribute(*file_, id(), path_, name, H5T_STD_I32LE, &value);
}

void Dataset::flags(const std::string& meanings) const {
  const std::array<std::uint8_t, 2> values{0, 1};
  write_attribute(*file_, id(), path_, "flag_values", H5T_STD_U8LE, values.data(), values.size());
  attribute("flag_meanings", meanings);
}

void Dataset::write_rows(hsize_t first, hsize_t n, const double* values) const {
  const Handle space = file_->own(H5Dget_space(id()), path_, "no data space");
  std::vector<hsize_t> count(static_cast<std::size_t>(H5Sget_simple_extent_ndims(space.get())));
  H5Sget_simple_extent_dims(space.get(), count.data(), nullptr);
  std::vector<hsize_t> start(count.size(), 0);
  start[0] = first;
  count[0] = n;
  if (std::find(count.begin(), count.end(), hsize_t{0}) != count.end()) return;
  H5Sselect_hyperslab(space.get(), H5S_SELECT_SET, start.data(), nullptr, count.data(), nullptr);
  const Handle memory = file_->own(
      H5Screate_simple(static_cast<int>(count.size()), count.data(), nullptr), path_, "no space");
  file_->check(H5Dwrite(id(), H5T_IEEE_F64LE, memory.get(), space.get(), H5P_DEFAULT, values),
               path_, "rows cannot be written");
}

Group Group::root(const File& file) { return open(file, "/"); }

Group Group::open(const File& file, const std::string& path) {
  return {file, file.own(H5Gopen2(file.id(), path.c_str(), H5P_DEFAULT), path, "no such group"),
          path == "/" ? "" : path};
}

std::string Group::path_of(const std::string& name) const { return path_ + "/" + name; }

std::string Group::claim(const std::string& name) const {
  const std::string safe = safe_name(name);
  if (H5Lexists(id(), safe.c_str(), H5P_DEFAULT) > 0) {
    throw Error(ErrorKind::usage, file_->path().filename().string() + ": two things become " +
                                      path_of(safe) + ", the second is \"" + name +
                                      "\": expected names that differ in [A-Za-z0-9_.+-]");
  }
  return safe;
}

Group Group::create(const std::string& name) const {
  const std::string safe = claim(name);
  const Handle properties = file_->own(H5Pcreate(H5P_GROUP_CREATE), path_, "no properties");
  H5Pset_obj_track_times(properties.get(), false);
  H5Pset_link_creation_order(properties.get(), H5P_CRT_ORDER_TRACKED | H5P_CRT_ORDER_INDEXED);
  H5Pset_attr_creation_order(properties.get(), H5P_CRT_ORDER_TRACKED | H5P_CRT_ORDER_INDEXED);
  Handle handle =
      file_->own(H5Gcreate2(id(), safe.c_str(), H5P_DEFAULT, properties.get(), H5P_DEFAULT),
                 path_of(safe), "group cannot be created");
  Group group(*file_, std::move(handle), path_of(safe));
  if (safe != name) group.attribute("long_name", name);
  return group;
}

Group Group::open_or_create(const std::string& name) const {
  const std::string path = path_of(safe_name(name));
  const bool same = exists(*file_, path) && original_name(*file_, path) == clean_utf8(name);
  return same ? open(*file_, path) : create(name);
}

Dataset Group::create_dataset(const std::string& name, const Dimensions& dimensions, hid_t type,
                              std::size_t item_bytes) const {
  const std::string safe = claim(name);
  const std::string where = path_of(safe);
  const std::vector<hsize_t> shape = shape_of(dimensions);
  const Handle space = file_->own(
      shape.empty() ? H5Screate(H5S_SCALAR)
                    : H5Screate_simple(static_cast<int>(shape.size()), shape.data(), nullptr),
      where, "no data space");
  const Handle properties = creation_properties(*file_, shape, item_bytes);
  Handle handle = file_->own(
      H5Dcreate2(id(), safe.c_str(), type, space.get(), H5P_DEFAULT, properties.get(), H5P_DEFAULT),
      where, "dataset cannot be created");
  Dataset dataset(*file_, std::move(handle), where);
  for (unsigned i = 0; i < dimensions.size(); ++i) {
    if (!dimensions[i].scale) continue; // a scale itself
    file_->check(H5DSattach_scale(dataset.id(), dimensions[i].scale->get(), i), where,
                 "dimension " + dimensions[i].name + " cannot be attached");
  }
  if (safe != name) dataset.attribute("long_name", name);
  return dataset;
}

Dataset Group::write(const std::string& name, const Dimensions& dimensions, const Values& values,
                     const Attributes& attributes) const {
  const NumberType type = number_type(values.type);
  Dataset dataset = create_dataset(name, dimensions, type.type, type.bytes);
  if (values.data != nullptr && !is_empty(dimensions)) {
    file_->check(H5Dwrite(dataset.id(), type.type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data),
                 dataset.path(), "cannot be written");
  }
  for (const auto& [key, text] : attributes) dataset.attribute(key, text);
  return dataset;
}

Dataset Group::write(const std::string& name, const Dimensions& dimensions,
                     const std::vector<std::string>& values, const Attributes& attributes) const {
  if (values.size() != count_values(dimensions)) {
    throw Error(ErrorKind::internal, path_of(name) + ": found " + std::to_string(values.size()) +
                                         " strings, expected " +
                                         std::to_string(count_values(dimensions)));
  }
  const Handle type = string_type(*file_);
  Dataset dataset = create_dataset(name, dimensions, type.get(), 0);
  std::vector<std::string> clean(values.size());
  std::transform(values.begin(), values.end(), clean.begin(), clean_utf8);
  std::vector<const char*> pointers;
  pointers.reserve(clean.size());
  for (const std::string& text : clean) pointers.push_back(text.c_str());
  if (!pointers.empty()) {
    const Handle transfer = text_transfer(*file_, pointers.size());
    file_->check(
        H5Dwrite(dataset.id(), type.get(), H5S_ALL, H5S_ALL, transfer.get(), pointers.data()),
        dataset.path(), "cannot be written");
  }
  for (const auto& [key, text] : attributes) dataset.attribute(key, text);
  return dataset;
}

void Group::write(const std::string& name, const Dimensions& dimensions,
                  const Eigen::MatrixXd& values, const Attributes& attributes) const {
  if (static_cast<hsize_t>(values.rows()) != dimensions.at(0).size ||
      static_cast<hsize_t>(values.cols()) != dimensions.at(1).size) {
    throw Error(ErrorKind::internal, path_of(name) + ": found " + std::to_string(values.rows()) +
                                         " x " + std::to_string(values.cols()) + ", expected " +
                                         std::to_string(dimensions[0].size) + " x " +
                                         std::to_string(dimensions[1].size));
  }
  write(name, dimensions, Values(row_major(values)), attributes);
}

void Group::overwrite(const std::string& name, const Values& values) const {
  const Handle dataset =
      file_->own(H5Dopen2(id(), name.c_str(), H5P_DEFAULT), path_of(name), "is missing");
  file_->check(H5Dwrite(dataset.get(), number_type(values.type).type, H5S_ALL, H5S_ALL, H5P_DEFAULT,
                        values.data),
               path_of(name), "cannot be written");
}

void Group::write_flags(const std::string& name, const Dimensions& dimensions,
                        const std::vector<std::uint8_t>& values,
                        const std::string& meanings) const {
  write(name, dimensions, Values(values)).flags(meanings);
}

void Group::scalar(const std::string& name, const std::string& text) const {
  write(name, {}, std::vector<std::string>{text});
}

void Group::attribute(const std::string& name, const std::string& text) const {
  write_text_attribute(*file_, id(), path_, name, text);
}

void Group::attribute(const std::string& name, std::int32_t value) const {
  write_attribute(*file_, id(), path_, name, H5T_STD_I32LE, &value);
}

void Group::attribute(const std::string& name, double value) const {
  write_attribute(*file_, id(), path_, name, H5T_IEEE_F64LE, &value);
}

Dimension Group::make_scale(const std::string& name, std::size_t n) const {
  auto scale = std::make_shared<Handle>(
      file_->own(H5Dopen2(id(), name.c_str(), H5P_DEFAULT), path_of(name), "cannot be opened"));
  file_->check(H5DSset_scale(scale->get(), name.c_str()), path_of(name),
               "cannot become a dimension");
  return {name, n, std::move(scale)};
}

Dimension Group::dimension(const std::string& name, std::size_t n) const {
  std::vector<std::int32_t> values(n);
  std::iota(values.begin(), values.end(), 0);
  write(name, {{name, n, nullptr}}, Values(values));
  return make_scale(name, n);
}

Dimension Group::dimension(const std::string& name, const std::vector<std::string>& values) const {
  write(name, {{name, values.size(), nullptr}}, values);
  return make_scale(name, values.size());
}

Dimension Group::dimension(const std::string& name, const std::vector<double>& values,
                           const std::string& units) const {
  write(name, {{name, values.size(), nullptr}}, Values(values), {{"units", units}});
  return make_scale(name, values.size());
}

Dimension Group::existing_dimension(const std::string& name) const {
  auto scale = std::make_shared<Handle>(
      file_->own(H5Dopen2(id(), name.c_str(), H5P_DEFAULT), path_of(name), "no such dimension"));
  const Handle space = file_->own(H5Dget_space(scale->get()), path_of(name), "no data space");
  hsize_t size = 0;
  H5Sget_simple_extent_dims(space.get(), &size, nullptr);
  return {name, size, std::move(scale)};
}

} // namespace boldmill::store
