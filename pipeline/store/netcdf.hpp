// Writing HDF5 so that it reads as netCDF-4: groups, named dimensions, datasets, attributes.
// Internal to this folder. Values are row-major; dimensions are dimension scales.
//
// Storage: contiguous below 16 KiB; else chunks of at most 1 MiB (leading dimension cut first),
// shuffled and deflated at level 1. Depends on shape and type only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "pipeline/store/hdf5.hpp"
#include "pipeline/store/records.hpp"

namespace boldmill::store {

// A dimension scale of the file; datasets are attached to it. Copies share the scale.
struct Dimension {
  std::string name;
  hsize_t size = 0;
  std::shared_ptr<const Handle> scale;
};
using Dimensions = std::vector<Dimension>;
using Attributes = std::vector<std::pair<std::string, std::string>>;

// What is to be written, whatever its type.
struct Values {
  enum class Type { float64, float32, int32, int64, int8, uint8 };
  Type type = Type::float64;
  const void* data = nullptr; // nullptr: created, not filled
  Values(Type t, const void* d) : type(t), data(d) {}
  Values(const double* d) : data(d) {}
  Values(const float* d) : type(Type::float32), data(d) {}
  Values(const std::int32_t* d) : type(Type::int32), data(d) {}
  Values(const std::int64_t* d) : type(Type::int64), data(d) {}
  Values(const std::int8_t* d) : type(Type::int8), data(d) {}
  Values(const std::uint8_t* d) : type(Type::uint8), data(d) {}
  template <class T>
  Values(const std::vector<T>& d) : Values(d.data()) {}
};

class Dataset {
public:
  Dataset(const File& file, Handle handle, std::string path)
      : file_(&file), handle_(std::move(handle)), path_(std::move(path)) {}
  void attribute(const std::string& name, const std::string& text) const;
  void attribute(const std::string& name, std::int32_t value) const;
  void flags(const std::string& meanings) const; // flag_values 0, 1 and their meanings
  // Rows [first, first + n) of the leading dimension.
  void write_rows(hsize_t first, hsize_t n, const double* values) const;
  [[nodiscard]] hid_t id() const { return handle_.get(); }
  [[nodiscard]] const std::string& path() const { return path_; }

private:
  const File* file_;
  Handle handle_;
  std::string path_;
};

class Group {
public:
  [[nodiscard]] static Group root(const File& file);
  [[nodiscard]] static Group open(const File& file, const std::string& path);
  // Safe name; the original stands in long_name when it differs. usage Error when the name is
  // taken.
  [[nodiscard]] Group create(const std::string& name) const;
  [[nodiscard]] Group open_or_create(const std::string& name) const; // opens the same original name

  [[nodiscard]] Dimension dimension(const std::string& name, std::size_t n) const; // 0..n-1, int32
  [[nodiscard]] Dimension dimension(const std::string& name,
                                    const std::vector<std::string>& values) const;
  [[nodiscard]] Dimension dimension(const std::string& name, const std::vector<double>& values,
                                    const std::string& units) const;
  // The one-dimensional dataset `name` of this group becomes a dimension.
  [[nodiscard]] Dimension make_scale(const std::string& name, std::size_t n) const;
  [[nodiscard]] Dimension existing_dimension(const std::string& name) const;

  Dataset write(const std::string& name, const Dimensions& dimensions, const Values& values,
                const Attributes& attributes = {}) const;
  Dataset write(const std::string& name, const Dimensions& dimensions,
                const std::vector<std::string>& values, const Attributes& attributes = {}) const;
  void write(const std::string& name, const Dimensions& dimensions, const Eigen::MatrixXd& values,
             const Attributes& attributes = {}) const;
  void overwrite(const std::string& name, const Values& values) const; // same type and shape
  void write_flags(const std::string& name, const Dimensions& dimensions,
                   const std::vector<std::uint8_t>& values, const std::string& meanings) const;
  void scalar(const std::string& name, const std::string& text) const;
  void attribute(const std::string& name, const std::string& text) const;
  void attribute(const std::string& name, std::int32_t value) const;
  void attribute(const std::string& name, double value) const;

  [[nodiscard]] const File& file() const { return *file_; }
  [[nodiscard]] hid_t id() const { return handle_.get(); }
  [[nodiscard]] std::string path_of(const std::string& name) const;

private:
  Group(const File& file, Handle handle, std::string path)
      : file_(&file), handle_(std::move(handle)), path_(std::move(path)) {}
  std::string claim(const std::string& name) const;
  Dataset create_dataset(const std::string& name, const Dimensions& dimensions, hid_t type,
                         std::size_t item_bytes) const;

  const File* file_;
  Handle handle_;
  std::string path_; // "/runs"
};

// Row-major copies.
[[nodiscard]] std::vector<double> row_major(const Eigen::MatrixXd& matrix);
[[nodiscard]] std::vector<float> row_major(const Eigen::MatrixXf& matrix);
[[nodiscard]] std::vector<std::int32_t> row_major(const Eigen::MatrixXi& matrix);
[[nodiscard]] std::vector<std::uint8_t> row_major(const FlagMatrix& matrix);

// Chunk shape of a dataset, empty for contiguous storage.
[[nodiscard]] std::vector<hsize_t> chunk_shape(const std::vector<hsize_t>& shape,
                                               std::size_t item_bytes);

// Calls body(offset) for every chunk of a dataset that has values, the last dimension fastest.
template <class Body>
void for_each_chunk(const std::vector<hsize_t>& shape, const std::vector<hsize_t>& chunk,
                    Body&& body) {
  std::vector<hsize_t> offset(shape.size(), 0);
  for (std::size_t d = shape.size(); d > 0;) {
    body(offset);
    for (d = shape.size(); d > 0; --d) {
      offset[d - 1] += chunk[d - 1];
      if (offset[d - 1] < shape[d - 1]) break;
      offset[d - 1] = 0;
    }
  }
}

// Valid UTF-8 without NUL: anything else becomes U+FFFD, one per byte.
[[nodiscard]] std::string clean_utf8(const std::string& text);

// For moving `n` texts: HDF5 clears its conversion buffer, 1 MiB unless told, at each call.
[[nodiscard]] Handle text_transfer(const File& file, std::size_t n);

// Variable-length UTF-8.
[[nodiscard]] Handle string_type(const File& file);

} // namespace boldmill::store
