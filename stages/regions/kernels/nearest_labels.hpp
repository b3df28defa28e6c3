// The label of the nearest voxel. Of two equally near ones that which lies towards right, front or
// top is taken, so that the order in which either image is stored does not matter.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "stages/core/image.hpp"
#include "stages/core/stage_info.hpp"
#include "stages/core/transform.hpp"

namespace boldmill {

// Finds the voxel of a grid nearest to a point. Ties are seen to within 1e-6 of a voxel.
class NearestVoxel {
public:
  explicit NearestVoxel(const Grid& grid);
  // Nothing outside the grid, or for a point that is not finite.
  [[nodiscard]] std::optional<std::size_t> operator()(const Eigen::Vector3d& point_mm) const;

private:
  Grid grid_;
  Eigen::Matrix4d to_voxel_;
  std::array<bool, 3> runs_up_{};
};

// `labels` on `target`, 0 outside. target_to_labels: null for the same space.
[[nodiscard]] LabelImage nearest_labels(const LabelImage& labels, const Grid& target,
                                        const PointMap* target_to_labels, const Context& context);

} // namespace boldmill
