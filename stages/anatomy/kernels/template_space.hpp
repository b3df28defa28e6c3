// The regular working grid in template space that all registrations share.
#pragma once

#include "stages/core/image.hpp"
#include "stages/core/stage_info.hpp"

namespace boldmill::anatomy {

// Axis-aligned isotropic grid over the mask's bounding box and `pad_mm` around it.
[[nodiscard]] Grid working_grid(const Mask& template_mask, double spacing_mm, double pad_mm);
// The image reduced to about the grid's spacing and put on it by trilinear interpolation after
// `grid_to_image` (mm to mm). 0 outside.
[[nodiscard]] Volume on_working_grid(const Volume& image, const Grid& grid,
                                     const Eigen::Matrix4d& grid_to_image, const Context& context);
// Share of each grid voxel inside the mask, 0 to 1.
[[nodiscard]] Volume membership_on_working_grid(const Mask& mask, const Grid& grid,
                                                const Eigen::Matrix4d& grid_to_mask,
                                                const Context& context);

} // namespace boldmill::anatomy
