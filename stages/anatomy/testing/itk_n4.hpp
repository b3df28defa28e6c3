// ITK's N4 with our settings, to compare with: the log field on every voxel of the image.
#pragma once

#include "stages/anatomy/kernels/n4.hpp"

namespace boldmill::anatomy::testing {

// ITK's global maximum of threads must stay at least four times `threads`: its B-spline filter
// splits the points into that many units, and those over the maximum are never run (ITK 5.2).
[[nodiscard]] Volume itk_n4_log_field(const Volume& image, const Mask& mask,
                                      const N4Settings& settings, unsigned threads = 1);

} // namespace boldmill::anatomy::testing
