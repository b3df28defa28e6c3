// What ITK's text and HDF5 files have in common: a transform is a type and two lists of numbers.
// Internal to this folder.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "stages/core/transform.hpp"

namespace boldmill::image_io {

struct ItkLinear {
  std::string type; // "AffineTransform_double_3_3"
  std::vector<double> parameters;
  std::vector<double> fixed; // centre of rotation, ...
};

// "AffineTransform" of "AffineTransform_double_3_3". Error{input} when it is not of three
// dimensions.
[[nodiscard]] std::string itk_class(const std::string& type, const std::string& name);
[[nodiscard]] bool is_itk_field(const std::string& itk_class);

// In RAS. Error{input}: unknown type, wrong number of values, values that are not finite, singular.
// `name` of the file is for messages.
[[nodiscard]] Affine linear_map(const ItkLinear& transform, const std::string& name);
// The numbers of an affine map, centre 0. Error{internal} when it is singular.
[[nodiscard]] std::vector<double> affine_parameters(const Affine& map);

// Size, origin, spacing and direction: 18 numbers. Error{input} as above.
[[nodiscard]] Grid field_grid(const std::vector<double>& fixed, const std::string& name);
[[nodiscard]] std::vector<double> field_parameters(const Grid& grid);
// LPS <-> RAS in place; false when a value is not finite.
[[nodiscard]] bool flip_vectors(std::vector<float>& vectors);

// ITK applies the last transform of a composite first: `steps` in the file's order.
[[nodiscard]] PointMap composite_of(std::vector<PointMap::Step> steps);

// The three readers behind read_xfm.
[[nodiscard]] PointMap read_itk_text(const std::filesystem::path& path);
[[nodiscard]] PointMap read_itk_hdf5(const std::filesystem::path& path);
[[nodiscard]] PointMap read_field_image(const std::filesystem::path& path);

} // namespace boldmill::image_io
