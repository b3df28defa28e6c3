// What every anatomical stage asks of an image before it starts.
#pragma once

#include <string>

#include "stages/core/image.hpp"

namespace boldmill::anatomy {

// Throws Error{input} naming `what` unless the image is finite, not constant, at least 8 voxels and
// 30 mm along each axis, with an invertible affine.
void require_image(const Volume& image, const std::string& what);
// Throws Error{input} unless the mask is on `grid` and has at least `least` voxels.
void require_mask(const Mask& mask, const Grid& grid, const std::string& what,
                  std::size_t least = 100);

} // namespace boldmill::anatomy
