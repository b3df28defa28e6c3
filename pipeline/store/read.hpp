// Reading groups, datasets and attributes of an open file. Internal to this folder. Every error is
// Error{input} with the names of file and object.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "pipeline/store/hdf5.hpp"
#include "pipeline/store/records.hpp"

namespace boldmill::store {

[[nodiscard]] bool exists(const File& file, const std::string& path);
// Names of a group's members in the order of their creation.
[[nodiscard]] std::vector<std::string> children(const File& file, const std::string& path);
[[nodiscard]] std::vector<std::string> subgroups(const File& file, const std::string& path);
// The long_name attribute, or the last component of the path.
[[nodiscard]] std::string original_name(const File& file, const std::string& path);

[[nodiscard]] Handle open_dataset(const File& file, const std::string& path);
// `name` in an open group, without the way from the root.
[[nodiscard]] Handle open_dataset(const File& file, hid_t group, const std::string& name,
                                  const std::string& path);
[[nodiscard]] std::vector<hsize_t> shape_of(const File& file, hid_t dataset,
                                            const std::string& path);
[[nodiscard]] std::vector<hsize_t> shape_of(const File& file, const std::string& path);
[[nodiscard]] std::size_t count_values(const std::vector<hsize_t>& shape);
[[nodiscard]] bool is_text(const File& file, const std::string& path);
[[nodiscard]] bool is_text(const File& file, hid_t dataset, const std::string& path);
// Every reading of values: what is packed is checked first.
void read_values(const File& file, hid_t dataset, const std::string& path, hid_t type, void* values,
                 hid_t memory = H5S_ALL, hid_t space = H5S_ALL, hid_t transfer = H5P_DEFAULT);
// Names of the dimensions, "" where none is attached.
[[nodiscard]] std::vector<std::string> dimension_names(const File& file, hid_t dataset,
                                                       const std::string& path);

[[nodiscard]] std::vector<double> read_doubles(const File& file, const std::string& path);
[[nodiscard]] std::vector<std::int32_t> read_int32(const File& file, const std::string& path);
[[nodiscard]] std::vector<std::int64_t> read_int64(const File& file, const std::string& path);
[[nodiscard]] std::vector<std::uint8_t> read_uint8(const File& file, const std::string& path);
// A matrix of this shape and no other.
[[nodiscard]] Eigen::MatrixXd read_table(const File& file, const std::string& path,
                                         std::size_t rows, std::size_t columns);
[[nodiscard]] std::vector<std::string> read_strings(const File& file, const std::string& path);
[[nodiscard]] std::vector<std::string> strings_of(const File& file, hid_t dataset,
                                                  const std::string& path);
[[nodiscard]] std::string read_scalar_text(const File& file, const std::string& path);
[[nodiscard]] Eigen::MatrixXd read_matrix(const File& file, const std::string& path);
[[nodiscard]] Eigen::MatrixXf read_float_matrix(const File& file, const std::string& path);
[[nodiscard]] Eigen::MatrixXi read_int_matrix(const File& file, const std::string& path);
[[nodiscard]] FlagMatrix read_flag_matrix(const File& file, const std::string& path);
// Every dataset of a group, in the order of their creation, with its original name.
[[nodiscard]] std::vector<std::pair<std::string, std::vector<double>>>
read_columns(const File& file, const std::string& path);
// n rows of a matrix, row by row.
[[nodiscard]] std::vector<double> read_rows(const File& file, const std::string& path,
                                            hsize_t first, hsize_t n);
[[nodiscard]] std::vector<double> read_row(const File& file, const std::string& path, hsize_t row);

[[nodiscard]] std::string text_attribute(const File& file, const std::string& object,
                                         const std::string& name);
[[nodiscard]] double number_attribute(const File& file, const std::string& object,
                                      const std::string& name);
// A whole number of 32 bits.
[[nodiscard]] std::int32_t whole_attribute(const File& file, const std::string& object,
                                           const std::string& name);
[[nodiscard]] bool has_attribute(const File& file, const std::string& object,
                                 const std::string& name);

// Whoever edits a file may leave parts that do not fit each other.
void expect_rows(const File& file, const std::string& path, std::size_t found,
                 std::size_t expected);
void expect_shape(const File& file, const std::string& path, Eigen::Index found_rows,
                  Eigen::Index found_columns, std::size_t rows, std::size_t columns);

} // namespace boldmill::store
