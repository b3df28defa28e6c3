// The data of a carpet plot: voxels in rows, sorted by tissue, volumes in columns, grey values in a
// byte. Each row loses its mean and linear trend over the volumes present and is divided by its SD
// (divisor n - 1); the byte is 40 z, cut at +-127, and -128 is missing. Of more voxels than
// `max_rows` evenly spaced ones are shown (so each tissue keeps its share), of more volumes than
// `max_columns` the means of as many consecutive ones. Source: Power 2017,
// doi:10.1016/j.neuroimage.2016.08.009. Cost O(T rows).
#pragma once

#include <Eigen/Dense>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "stages/core/image.hpp"
#include "stages/core/stage_info.hpp"

namespace boldmill::carpet {

inline constexpr std::array<std::string_view, 1> kReferences{
    "Power 2017, NeuroImage, doi:10.1016/j.neuroimage.2016.08.009"};
inline constexpr StageInfo kStage{.name = "carpet",
                                  .version = 1,
                                  .summary = "grey plot of voxels sorted by tissue, as bytes",
                                  .references = kReferences};
inline constexpr double kBytesPerSd = 40.0;
inline constexpr std::int8_t kMissing = -128;

struct Params {
  int max_rows = 400;
  int max_columns = 800;
  bool operator==(const Params&) const = default;
};
template <class P, class F>
void for_each_field(P& params, F&& visit) {
  auto& [max_rows, max_columns] = params;
  visit("max_rows", max_rows, "", "voxels shown at most", Limits::between(1, 100000));
  visit("max_columns", max_columns, "", "columns at most", Limits::between(1, 100000));
}

struct Inputs {
  const Series* bold = nullptr;
  const LabelImage* tissue = nullptr; // same grid; rows come in ascending label, 0 is left out
};
struct Outputs {
  Eigen::Matrix<std::int8_t, Eigen::Dynamic, Eigen::Dynamic> z; // rows x columns
  std::vector<std::int32_t> row_tissue;                         // rows, ascending
  std::vector<std::size_t> row_voxel;                           // rows, index into the grid
  int volumes_per_column = 1;                                   // the last column may have fewer
};
// Throws input: grids differ, no voxel with a label, no volume.
[[nodiscard]] Outputs run(const Inputs& inputs, const Params& params, const Context& context);

// Which of n voxels, sorted by tissue, become rows: positions in `tissue` (P labels, 0 left out).
[[nodiscard]] std::vector<std::size_t> chosen_rows(std::span<const std::int32_t> tissue,
                                                   int max_rows);
// The same picture of columns already in memory: T x rows, one per row, NaN is missing.
[[nodiscard]] Eigen::Matrix<std::int8_t, Eigen::Dynamic, Eigen::Dynamic>
bytes_of(const Eigen::MatrixXf& columns, const Params& params);

struct Shape {
  std::size_t n_voxels = 0;
  std::size_t n_volumes = 0;
};
[[nodiscard]] std::size_t peak_bytes(const Shape& shape, const Params& params);

} // namespace boldmill::carpet
