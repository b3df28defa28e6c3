// The brain mask of a brain-only template.
#pragma once

#include "stages/core/image.hpp"
#include "stages/core/stage_info.hpp"

namespace boldmill {

// Voxels above a low threshold (a share of the tissue's median), closed, holes
// filled, largest component. For templates that are zero outside the brain. Throws Error{input}
// when nothing is left or when the image does not look brain-only (mask outside 0.6 to 3 litres).
[[nodiscard]] Mask template_mask(const Volume& brain_template, const Context& context);

} // namespace boldmill
