// CIFTI-2 files: dense and parcellated series, dense labels. A NIfTI-2 header, an XML extension
// that says what the rows and columns of the matrix are, and the matrix. Source: CIFTI-2 main
// specification, 1 March 2014 (https://www.nitrc.org/projects/cifti).
//
// Errors: ErrorKind::input when the file is missing, truncated, corrupt, of another CIFTI kind than
// asked for, or when its XML and its header disagree. Nothing is allocated beyond what the size of
// the file allows.
#pragma once

#include <Eigen/Dense>
#include <array>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "stages/core/image.hpp"
#include "stages/core/stage_info.hpp"

namespace boldmill::image_io {

// Consecutive grayordinates of one structure: vertices of a surface, or voxels.
struct BrainModel {
  std::string structure; // "CORTEX_LEFT": without CIFTI_STRUCTURE_
  std::size_t offset = 0;
  std::size_t count = 0;
  int n_surface_vertices = 0;             // of the whole surface; 0 for voxels
  std::vector<int> vertices;              // of the surface, `count`, or empty
  std::vector<std::array<int, 3>> voxels; // indices in `volume`, `count`, or empty

  [[nodiscard]] bool is_surface() const { return n_surface_vertices > 0; }
};

struct BrainModels {
  std::vector<BrainModel> models; // in order, without gaps
  std::optional<Grid> volume;     // of the voxels, RAS mm

  [[nodiscard]] std::size_t n_grayordinates() const {
    return models.empty() ? 0 : models.back().offset + models.back().count;
  }
};

struct DenseSeries {
  BrainModels models;
  std::vector<std::size_t> columns;                       // ascending grayordinates that were read
  Eigen::MatrixXf series;                                 // T x columns
  double tr_s = std::numeric_limits<double>::quiet_NaN(); // NaN: the series is not one in time
};
struct ParcelSeries {
  std::vector<std::string> names;
  Eigen::MatrixXf series; // T x parcels
  double tr_s = std::numeric_limits<double>::quiet_NaN();
};
struct CiftiLabel {
  int key = 0;
  std::string name;
};
struct DenseLabels {
  BrainModels models;
  std::vector<std::int32_t> keys; // of each grayordinate
  std::vector<CiftiLabel> table;  // in the order of the file
  std::string map_name;
  int n_maps = 0; // in the file
};

// By the name: .dtseries.nii, .ptseries.nii, .dlabel.nii.
enum class CiftiKind { none, dense_series, parcel_series, dense_labels };
[[nodiscard]] CiftiKind cifti_kind(const std::filesystem::path& path);

struct DenseShape {
  std::size_t n_volumes = 0;
  std::size_t n_grayordinates = 0;
  double tr_s = std::numeric_limits<double>::quiet_NaN(); // NaN: not stated
};
// Of a dense series, from its header.
[[nodiscard]] DenseShape read_dense_shape(const std::filesystem::path& path);
// What the columns of a dense series are, without its numbers.
[[nodiscard]] BrainModels read_brain_models(const std::filesystem::path& path);
// `wanted`: 1 for each grayordinate that is kept, null for all. Memory: 4 T bytes for each.
[[nodiscard]] DenseSeries read_dense_series(const std::filesystem::path& path,
                                            const Context& context,
                                            const std::vector<std::uint8_t>* wanted = nullptr);
[[nodiscard]] ParcelSeries read_parcel_series(const std::filesystem::path& path,
                                              const Context& context);
// `map`: from 0.
[[nodiscard]] DenseLabels read_dense_labels(const std::filesystem::path& path, int map = 0);

} // namespace boldmill::image_io
