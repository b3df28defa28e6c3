// Binary morphology in millimetres, by the exact Euclidean distance transform (Felzenszwalb &
// Huttenlocher 2012, Theory Comput. 8:415, doi:10.4086/toc.2012.v008a019). Distances are between
// voxel centres. Shear of the grid is ignored: edges count with their length.
#pragma once

#include "stages/core/image.hpp"
#include "stages/core/stage_info.hpp"

namespace boldmill::anatomy {

// Millimetres to the nearest voxel of the mask: 0 inside; 1e6 everywhere when the mask is empty.
[[nodiscard]] Volume distance_mm(const Mask& mask, const Context& context);
[[nodiscard]] Mask dilate(const Mask& mask, double mm, const Context& context);
// What lies beyond the image does not erode it: a brain cut by the field of view keeps its cut.
[[nodiscard]] Mask erode(const Mask& mask, double mm, const Context& context);
// 6-connected; the largest by voxel count, the first of equals.
[[nodiscard]] Mask largest_component(const Mask& mask);
// Background that cannot reach the border of the image (6-connected) becomes mask.
[[nodiscard]] Mask fill_holes(const Mask& mask);

} // namespace boldmill::anatomy
