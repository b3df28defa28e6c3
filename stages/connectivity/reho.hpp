// Regional homogeneity: Kendall's W of a voxel's series with those of its neighbours in the mask.
//   R_t = sum over the k voxels of the rank of volume t,  S = sum_t (R_t - mean R)^2
//   W = 12 S / (k^2 (n^3 - n) - k sum_v T_v),   T_v = sum over tied groups of (size^3 - size)
// n: volumes kept. Without ties this is 3dReHo's and XCP-D's W; with ties it corrects for them,
// which XCP-D does not. k counts the voxels that are in the mask, finite and not constant.
// Sources: Zang 2004, doi:10.1016/j.neuroimage.2003.12.030; Kendall & Gibbons 1990. Ranks are held
// for three planes of the volume at a time; box sums are made along one axis after the other.
#pragma once

#include <Eigen/Dense>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "stages/core/image.hpp"
#include "stages/core/stage_info.hpp"

namespace boldmill::reho {

inline constexpr std::array<std::string_view, 1> kReferences{
    "Zang 2004, NeuroImage, doi:10.1016/j.neuroimage.2003.12.030"};
inline constexpr StageInfo kStage{.name = "reho",
                                  .version = 1,
                                  .summary = "Regional homogeneity (Kendall's W)",
                                  .references = kReferences};

struct Params {
  int neighbours = 27;
  int min_voxels = 2;
  int min_volumes = 10;
  bool operator==(const Params&) const = default;
};
template <class P, class F>
void for_each_field(P& params, F&& visit) {
  auto& [neighbours, min_voxels, min_volumes] = params;
  visit("neighbours", neighbours, "voxels",
        "the voxel with those sharing a face (7), an edge too (19), or a corner too (27)",
        Limits::between(7, 27));
  visit("min_voxels", min_voxels, "voxels", "fewer usable voxels in the neighbourhood give n/a",
        Limits::between(2, 27));
  visit("min_volumes", min_volumes, "volumes", "runs with fewer volumes kept are refused",
        Limits::between(4, 1e6));
}

struct Inputs {
  Eigen::Map<const Eigen::MatrixXf> columns; // T x P, the mask's voxels in ascending order
  const Mask* mask = nullptr;
  std::span<const std::uint8_t> keep; // T, or empty: all
};
struct Outputs {
  std::vector<float> reho; // P, 0..1; NaN where the voxel is not usable or has too few neighbours
  int n_volumes = 0;
};
// Throws input: neighbours not 7, 19 or 27, P other than the mask's count, keep of another length,
// more than 32767 volumes; gate: fewer volumes kept than min_volumes.
[[nodiscard]] Outputs run(const Inputs& inputs, const Params& params, const Context& context);

// The same on any neighbourhood, such as the vertices of a surface mesh: for column p, itself and
// neighbour[first[p]] .. neighbour[first[p + 1] - 1].
struct Neighbourhood {
  std::vector<std::size_t> first; // P + 1
  std::vector<std::size_t> neighbour;
};
[[nodiscard]] Outputs run(const Eigen::Map<const Eigen::MatrixXf>& columns,
                          const Neighbourhood& neighbourhood, std::span<const std::uint8_t> keep,
                          const Params& params, const Context& context);

struct Shape {
  std::size_t n_volumes = 0;
  std::size_t n_plane = 0; // voxels of one plane of the grid
  std::size_t n_columns = 0;
};
[[nodiscard]] std::size_t peak_bytes(const Shape& shape, const Params& params);

} // namespace boldmill::reho
