// Local standardisation: makes images with different bias fields and contrasts comparable.
#pragma once

#include "stages/core/image.hpp"
#include "stages/core/stage_info.hpp"

namespace boldmill::anatomy {

// (image - local mean) / sqrt(local variance + (floor * global SD)^2) over a Gaussian window.
[[nodiscard]] Volume local_contrast(const Volume& image, double sigma_mm, double floor,
                                    const Context& context);

} // namespace boldmill::anatomy
