#include "stages/anatomy/kernels/template_space.hpp"

#include <cmath>
#include <limits>

#include "stages/anatomy/kernels/block_average.hpp"
#include "stages/core/interpolate.hpp"

namespace boldmill::anatomy {

Grid working_grid(const Mask& template_mask, double spacing_mm, double pad_mm) {
  Eigen::Vector3d low = Eigen::Vector3d::Constant(std::numeric_limits<double>::infinity());
  Eigen::Vector3d high = -low;
  const auto& shape = template_mask.grid.shape;
  std::size_t v = 0;
  for (int k = 0; k < shape[2]; ++k) {
    for (int j = 0; j < shape[1]; ++j) {
      for (int i = 0; i < shape[0]; ++i, ++v) {
        if (template_mask.data[v] == 0) continue;
        const Eigen::Vector3d mm = template_mask.grid.to_mm(Eigen::Vector3d(i, j, k));
        low = low.cwiseMin(mm);
        high = high.cwiseMax(mm);
      }
    }
  }
  Grid grid;
  for (int axis = 0; axis < 3; ++axis) {
    const double length = high[axis] - low[axis] + 2.0 * pad_mm;
    const int n = static_cast<int>(std::ceil(length / spacing_mm)) + 1;
    grid.shape[static_cast<std::size_t>(axis)] = n;
    grid.affine(axis, axis) = spacing_mm;
    grid.affine(axis, 3) = 0.5 * (low[axis] + high[axis] - spacing_mm * (n - 1));
  }
  return grid;
}

Volume on_working_grid(const Volume& image, const Grid& grid, const Eigen::Matrix4d& grid_to_image,
                       const Context& context) {
  const double spacing = grid.spacing_mm()[0];
  PointMap map;
  map.then(grid_to_image);
  return resample(block_average(image, spacing, context), grid, map, Interpolation::linear,
                  context);
}

Volume membership_on_working_grid(const Mask& mask, const Grid& grid,
                                  const Eigen::Matrix4d& grid_to_mask, const Context& context) {
  Volume share(mask.grid);
  for (std::size_t v = 0; v < share.data.size(); ++v) share.data[v] = mask.data[v] != 0 ? 1.F : 0.F;
  return on_working_grid(share, grid, grid_to_mask, context);
}

} // namespace boldmill::anatomy
