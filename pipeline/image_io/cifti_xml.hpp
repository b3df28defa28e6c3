// The XML extension of a CIFTI-2 file.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/image_io/cifti.hpp"

namespace boldmill::image_io {

enum class CiftiAxis { brain_models, parcels, series, scalars, labels };
[[nodiscard]] std::string_view axis_name(CiftiAxis axis);

struct CiftiMap {
  std::string name;
  std::vector<CiftiLabel> labels; // of an axis of labels
};

// One dimension of the matrix; what does not belong to its kind is empty.
struct CiftiDimension {
  CiftiAxis axis = CiftiAxis::scalars;
  std::size_t length = 0;
  BrainModels models;
  std::vector<std::string> parcels;
  std::vector<CiftiMap> maps;
  double step_s = std::numeric_limits<double>::quiet_NaN();
};

// The two dimensions, along a row first. ErrorKind::input, naming the file, when the text is no
// XML, no CIFTI-2, or contradicts itself or `lengths`.
[[nodiscard]] std::array<CiftiDimension, 2>
parse_cifti_xml(std::string_view xml, const std::array<std::size_t, 2>& lengths,
                const std::string& file);

} // namespace boldmill::image_io
