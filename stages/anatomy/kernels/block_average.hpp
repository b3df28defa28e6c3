// Reduction of an image by whole-number factors: the cheap first step of every coarse-to-fine
// method.
#pragma once

#include <array>

#include "stages/core/image.hpp"
#include "stages/core/stage_info.hpp"

namespace boldmill::anatomy {

// Whole-number factor per axis whose product with the voxel edge is nearest to `spacing_mm`, >= 1.
[[nodiscard]] std::array<int, 3> block_factors(const Grid& grid, double spacing_mm);
// Means of blocks of voxels; the last block of an axis may be partial. The grid keeps its axes.
[[nodiscard]] Volume block_average(const Volume& image, double spacing_mm, const Context& context);

} // namespace boldmill::anatomy
