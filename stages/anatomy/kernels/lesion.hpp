// What a fit sees in place of a lesion.
#pragma once

#include "stages/core/image.hpp"
#include "stages/core/stage_info.hpp"

namespace boldmill::anatomy {

// `image` with each voxel of `lesion` (same grid) replaced by the Gaussian-weighted mean of the
// voxels outside it, so that nothing of the lesion reaches its neighbours by smoothing. The window
// widens until every voxel sees sound tissue; no voxel outside `lesion`: unchanged.
[[nodiscard]] Volume fill_lesion(const Volume& image, const Mask& lesion, const Context& context);

} // namespace boldmill::anatomy
