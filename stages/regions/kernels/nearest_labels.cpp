#include "stages/regions/kernels/nearest_labels.hpp"

#include <cmath>

#include "stages/core/parallel.hpp"

namespace boldmill {
namespace {

constexpr double kTie = 1e-6; // of a voxel: two grids meet half-way only to rounding

int nearest_index(double voxel, bool axis_runs_up) {
  return static_cast<int>(axis_runs_up ? std::floor(voxel + 0.5 + kTie)
                                       : std::ceil(voxel - 0.5 - kTie));
}

} // namespace

NearestVoxel::NearestVoxel(const Grid& grid) : grid_(grid), to_voxel_(grid.affine.inverse()) {
  for (int axis = 0; axis < 3; ++axis) {
    Eigen::Index along = 0;
    grid.affine.col(axis).head<3>().cwiseAbs().maxCoeff(&along);
    runs_up_[static_cast<std::size_t>(axis)] = grid.affine(along, axis) > 0.0;
  }
}

std::optional<std::size_t> NearestVoxel::operator()(const Eigen::Vector3d& point_mm) const {
  const Eigen::Vector3d voxel = (to_voxel_ * point_mm.homogeneous()).head<3>();
  if (!voxel.allFinite() || voxel.cwiseAbs().maxCoeff() > 1e6) return std::nullopt;
  const int i = nearest_index(voxel[0], runs_up_[0]);
  const int j = nearest_index(voxel[1], runs_up_[1]);
  const int k = nearest_index(voxel[2], runs_up_[2]);
  if (!grid_.contains(i, j, k)) return std::nullopt;
  return grid_.index(i, j, k);
}

LabelImage nearest_labels(const LabelImage& labels, const Grid& target,
                          const PointMap* target_to_labels, const Context& context) {
  const NearestVoxel nearest(labels.grid);
  LabelImage out(target, 0);
  parallel_blocks(context, out.data.size(), 16384, [&](std::size_t begin, std::size_t end) {
    for (std::size_t v = begin; v < end; ++v) {
      const std::array<int, 3> at = target.coordinates(v);
      Eigen::Vector3d point = target.to_mm({at[0] * 1.0, at[1] * 1.0, at[2] * 1.0});
      if (target_to_labels != nullptr) point = (*target_to_labels)(point);
      if (const auto voxel = nearest(point)) out.data[v] = labels.data[*voxel];
    }
  });
  return out;
}

} // namespace boldmill
