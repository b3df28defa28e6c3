#include "pipeline/image_io/cifti_xml.hpp"

#include <charconv>
#include <cmath>
#include <pugixml.hpp>
#include <set>

#include "stages/core/error.hpp"

namespace boldmill::image_io {
namespace {

constexpr std::int64_t kMostVertices = 50'000'000;
constexpr std::string_view kBlank = " \t\r\n";

[[noreturn]] void fail(const std::string& file, const std::string& what) {
  throw Error(ErrorKind::input, file + ": CIFTI: " + what);
}

std::string without(std::string text, std::string_view prefix) {
  return text.starts_with(prefix) ? text.substr(prefix.size()) : text;
}

// The numbers of a list separated by blanks.
template <class T>
std::vector<T> numbers(std::string_view text, const std::string& file, std::string_view what) {
  std::vector<T> values;
  for (std::size_t at = text.find_first_not_of(kBlank); at != std::string_view::npos;
       at = text.find_first_not_of(kBlank, at)) {
    const std::size_t end = std::min(text.find_first_of(kBlank, at), text.size());
    T value{};
    const auto [stop, status] = std::from_chars(text.data() + at, text.data() + end, value);
    if (status != std::errc{} || stop != text.data() + end) {
      fail(file, "found '" + std::string(text.substr(at, std::min<std::size_t>(end - at, 40))) +
                     "' in " + std::string(what) + ", expected numbers");
    }
    values.push_back(value);
    at = end;
  }
  return values;
}

std::int64_t whole(const pugi::xml_node& node, const char* attribute, const std::string& file,
                   std::int64_t largest) {
  const pugi::xml_attribute found = node.attribute(attribute);
  const std::vector<std::int64_t> values = numbers<std::int64_t>(found.value(), file, attribute);
  if (values.size() != 1 || values[0] < 0 || values[0] > largest) {
    fail(file, std::string(node.name()) + ": " + attribute + " is '" +
                   std::string(found.value()).substr(0, 40) + "', expected a whole number up to " +
                   std::to_string(largest));
  }
  return values[0];
}

Grid volume_of(const pugi::xml_node& node, const std::string& file) {
  std::string dims = node.attribute("VolumeDimensions").value();
  for (char& c : dims) c = c == ',' ? ' ' : c;
  const std::vector<int> shape = numbers<int>(dims, file, "VolumeDimensions");
  const pugi::xml_node matrix = node.child("TransformationMatrixVoxelIndicesIJKtoXYZ");
  const std::vector<double> values = numbers<double>(matrix.child_value(), file, matrix.name());
  Grid grid;
  if (shape.size() != 3 || values.size() != 16) {
    fail(file, "Volume: found " + std::to_string(shape.size()) + " dimensions and " +
                   std::to_string(values.size()) + " transform values, expected 3 and 16");
  }
  for (std::size_t axis = 0; axis < 3; ++axis) {
    if (shape[axis] < 1 || shape[axis] > 100'000) {
      fail(file, "VolumeDimensions are '" + dims + "', expected three sizes up to 100000");
    }
    grid.shape[axis] = shape[axis];
  }
  const double to_mm = std::pow(10.0, matrix.attribute("MeterExponent").as_int(-3) + 3);
  for (int i = 0; i < 12; ++i) {
    grid.affine(i / 4, i % 4) = values[static_cast<std::size_t>(i)] * to_mm;
  }
  if (!grid.affine.allFinite() ||
      !(std::abs(grid.affine.topLeftCorner<3, 3>().determinant()) > 1e-12)) {
    fail(file, "the transform of the volume cannot be inverted");
  }
  return grid;
}

void read_vertices(const pugi::xml_node& node, const std::string& file, BrainModel& model) {
  model.n_surface_vertices =
      static_cast<int>(whole(node, "SurfaceNumberOfVertices", file, kMostVertices));
  model.vertices = numbers<int>(node.child_value("VertexIndices"), file, "VertexIndices");
  std::set<int> seen;
  for (const int vertex : model.vertices) {
    if (vertex >= 0 && vertex < model.n_surface_vertices && seen.insert(vertex).second) continue;
    fail(file, model.structure + ": found the vertex " + std::to_string(vertex) + " of " +
                   std::to_string(model.n_surface_vertices) +
                   ", expected each once and within the surface");
  }
}

void read_voxels(const pugi::xml_node& node, const std::string& file, const Grid* volume,
                 BrainModel& model) {
  const std::vector<int> indices =
      numbers<int>(node.child_value("VoxelIndicesIJK"), file, "VoxelIndicesIJK");
  if (volume == nullptr) fail(file, model.structure + " has voxels, but there is no Volume");
  for (std::size_t i = 0; i + 2 < indices.size(); i += 3) {
    if (!volume->contains(indices[i], indices[i + 1], indices[i + 2])) {
      fail(file, model.structure + ": found a voxel outside the volume");
    }
    model.voxels.push_back({indices[i], indices[i + 1], indices[i + 2]});
  }
  if (indices.size() % 3 != 0) fail(file, model.structure + ": VoxelIndicesIJK are no triplets");
}

BrainModels models_of(const pugi::xml_node& map, const std::string& file, std::size_t length) {
  BrainModels all;
  if (const pugi::xml_node volume = map.child("Volume")) all.volume = volume_of(volume, file);
  for (const pugi::xml_node& node : map.children("BrainModel")) {
    BrainModel model;
    model.structure = without(node.attribute("BrainStructure").value(), "CIFTI_STRUCTURE_");
    const auto most = static_cast<std::int64_t>(length);
    model.offset = static_cast<std::size_t>(whole(node, "IndexOffset", file, most));
    model.count = static_cast<std::size_t>(whole(node, "IndexCount", file, most));
    const std::string type = node.attribute("ModelType").value();
    if (type == "CIFTI_MODEL_TYPE_SURFACE") {
      read_vertices(node, file, model);
    } else if (type == "CIFTI_MODEL_TYPE_VOXELS") {
      read_voxels(node, file, all.volume ? &*all.volume : nullptr, model);
    } else {
      fail(file, model.structure + ": found the ModelType '" + type.substr(0, 60) +
                     "', expected a surface or voxels");
    }
    const std::size_t listed = model.is_surface() ? model.vertices.size() : model.voxels.size();
    if (listed != model.count) {
      fail(file, model.structure + ": IndexCount is " + std::to_string(model.count) + ", but " +
                     std::to_string(listed) + " indices are listed");
    }
    all.models.push_back(std::move(model));
  }
  std::sort(all.models.begin(), all.models.end(),
            [](const BrainModel& a, const BrainModel& b) { return a.offset < b.offset; });
  std::size_t next = 0;
  for (const BrainModel& model : all.models) {
    if (model.offset != next) {
      fail(file, model.structure + " starts at grayordinate " + std::to_string(model.offset) +
                     ", expected " + std::to_string(next));
    }
    next += model.count;
  }
  if (next != length) {
    fail(file, "brain models hold " + std::to_string(next) + " grayordinates, the matrix " +
                   std::to_string(length));
  }
  return all;
}

double step_s(const pugi::xml_node& map, const std::string& file) {
  if (std::string_view(map.attribute("SeriesUnit").value()) != "SECOND") {
    return std::numeric_limits<double>::quiet_NaN();
  }
  const std::vector<double> step =
      numbers<double>(map.attribute("SeriesStep").value(), file, "SeriesStep");
  const double seconds =
      step.size() == 1 ? step[0] * std::pow(10.0, map.attribute("SeriesExponent").as_int(0)) : 0.0;
  return seconds > 0.0 && std::isfinite(seconds) ? seconds
                                                 : std::numeric_limits<double>::quiet_NaN();
}

std::vector<CiftiMap> maps_of(const pugi::xml_node& map, const std::string& file) {
  std::vector<CiftiMap> maps;
  for (const pugi::xml_node& node : map.children("NamedMap")) {
    CiftiMap named{node.child_value("MapName"), {}};
    std::set<int> seen;
    for (const pugi::xml_node& label : node.child("LabelTable").children("Label")) {
      const std::vector<int> key = numbers<int>(label.attribute("Key").value(), file, "Key");
      if (key.size() != 1 || !seen.insert(key[0]).second) {
        fail(file, "label '" + std::string(label.child_value()) +
                       "': expected one key that no other label has");
      }
      named.labels.push_back({key[0], label.child_value()});
    }
    maps.push_back(std::move(named));
  }
  return maps;
}

CiftiDimension dimension_of(const pugi::xml_node& map, const std::string& file,
                            std::size_t length) {
  CiftiDimension dimension;
  dimension.length = length;
  std::size_t stated = length;
  const std::string type =
      without(map.attribute("IndicesMapToDataType").value(), "CIFTI_INDEX_TYPE_");
  if (type == "BRAIN_MODELS") {
    dimension.axis = CiftiAxis::brain_models;
    dimension.models = models_of(map, file, length);
  } else if (type == "PARCELS") {
    dimension.axis = CiftiAxis::parcels;
    for (const pugi::xml_node& parcel : map.children("Parcel")) {
      dimension.parcels.emplace_back(parcel.attribute("Name").value());
    }
    stated = dimension.parcels.size();
  } else if (type == "SERIES") {
    dimension.axis = CiftiAxis::series;
    stated = static_cast<std::size_t>(
        whole(map, "NumberOfSeriesPoints", file, std::numeric_limits<int>::max()));
    dimension.step_s = step_s(map, file);
  } else if (type == "SCALARS" || type == "LABELS") {
    dimension.axis = type == "LABELS" ? CiftiAxis::labels : CiftiAxis::scalars;
    dimension.maps = maps_of(map, file);
    stated = dimension.maps.size();
  } else {
    fail(file, "found the dimension type '" + type.substr(0, 60) +
                   "', expected brain models, parcels, series, scalars or labels");
  }
  if (stated != length) {
    fail(file, std::string(axis_name(dimension.axis)) + ": the XML states " +
                   std::to_string(stated) + ", the header " + std::to_string(length));
  }
  return dimension;
}

} // namespace

std::string_view axis_name(CiftiAxis axis) {
  switch (axis) {
  case CiftiAxis::brain_models: return "brain models";
  case CiftiAxis::parcels: return "parcels";
  case CiftiAxis::series: return "series";
  case CiftiAxis::scalars: return "scalars";
  case CiftiAxis::labels: return "labels";
  }
  return "";
}

std::array<CiftiDimension, 2> parse_cifti_xml(std::string_view xml,
                                              const std::array<std::size_t, 2>& lengths,
                                              const std::string& file) {
  pugi::xml_document document;
  const pugi::xml_parse_result parsed = document.load_buffer(xml.data(), xml.size());
  if (!parsed) {
    fail(file, std::string("the XML is damaged or cut short: ") + parsed.description() +
                   " at byte " + std::to_string(parsed.offset) + " of " +
                   std::to_string(xml.size()));
  }
  const pugi::xml_node root = document.child("CIFTI");
  const std::string version = root.attribute("Version").value();
  if (!root || !version.starts_with("2")) {
    fail(file, "found " + (root ? "version '" + version.substr(0, 20) + "'" : "no CIFTI element") +
                   ", expected version 2");
  }
  std::array<CiftiDimension, 2> dimensions;
  std::array<bool, 2> found{};
  for (const pugi::xml_node& map : root.child("Matrix").children("MatrixIndicesMap")) {
    std::string applies = map.attribute("AppliesToMatrixDimension").value();
    for (char& c : applies) c = c == ',' ? ' ' : c;
    for (const int d : numbers<int>(applies, file, "AppliesToMatrixDimension")) {
      if (d < 0 || d > 1 || found[static_cast<std::size_t>(d)]) {
        fail(file, "AppliesToMatrixDimension is '" + applies.substr(0, 20) +
                       "', expected 0 and 1, each once");
      }
      const auto at = static_cast<std::size_t>(d);
      dimensions[at] = dimension_of(map, file, lengths[at]);
      found[at] = true;
    }
  }
  if (!found[0] || !found[1]) fail(file, "found no description of both dimensions of the matrix");
  return dimensions;
}

} // namespace boldmill::image_io
