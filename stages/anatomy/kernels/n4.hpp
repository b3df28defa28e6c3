// N4 on a coarse image, returned as the spline of its log field. See METHOD.md.
#pragma once

#include <array>
#include <cstddef>

#include "stages/anatomy/kernels/bspline_field.hpp"
#include "stages/anatomy/kernels/intensity_sharpening.hpp"
#include "stages/core/image.hpp"
#include "stages/core/stage_info.hpp"

namespace boldmill::anatomy {

struct N4Settings {
  std::array<int, 3> first_spans{1, 1, 1}; // spline spans per axis at the first level
  int levels = 4;
  int iterations = 50;
  double convergence = 1e-4;
  SharpeningSettings sharpening;
};

struct N4Result {
  SplineField log_field;
  int iterations_done = 0;  // over all levels
  double last_change = 0.0; // coefficient of variation of the field's last change
  bool converged = false;   // the last level ended before its cap
};

// Voxels that are in the mask and positive count; the image is finite. No such voxel, or all with
// the same value: a zero field. Polls the stop token.
[[nodiscard]] N4Result n4(const Volume& image, const Mask& mask, const N4Settings& settings,
                          const Context& context);
// Bytes held for `n_voxels` of the image at most, without the image and the mask.
[[nodiscard]] std::size_t n4_peak_bytes(std::size_t n_voxels, double longest_axis,
                                        const N4Settings& settings);

} // namespace boldmill::anatomy
