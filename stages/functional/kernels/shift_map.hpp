// The distortion of an echo-planar image on its own grid: shift along the phase-encoding axis and
// intensity factor, and what can be done with them. Equations: stages/functional/distortion.hpp.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "stages/core/image.hpp"
#include "stages/core/stage_info.hpp"
#include "stages/core/transform.hpp"
#include "stages/functional/kernels/phase_encoding.hpp"

namespace boldmill::distortion {

struct ShiftMap {
  Volume shift_voxels; // on the BOLD grid: undistorted voxel + shift along the axis = distorted
  Volume factor;       // 1 + ds/de, never below 0
  int axis = 1;
};

// The field (Hz, any grid, RAS mm) on `bold`; outside its grid its nearest value. Non-finite values
// of the field count as 0. Throws internal when the field is empty.
[[nodiscard]] ShiftMap from_field(const Volume& field_hz, const Grid& bold,
                                  const PhaseEncoding& encoding, const Affine& bold_to_field,
                                  const Context& context);

// From the shift alone: fills the factor.
[[nodiscard]] ShiftMap from_shift(Volume shift_voxels, int axis, const Context& context);

// The point map of the shift, for chains: RAS mm undistorted -> distorted.
[[nodiscard]] std::shared_ptr<const DisplacementField>
undistorted_to_distorted(const Volume& shift_voxels, int axis);

// The distorted image on its own grid as it would be without distortion; cubic B-spline.
[[nodiscard]] Volume unwarp(const Volume& distorted, const ShiftMap& shift, bool modulate,
                            const Context& context);
// The other way: an undistorted image on the grid of the shift as the scanner would have shown it.
// Every line is inverted by fixed-point iteration; intensities are divided by the factor.
[[nodiscard]] Volume warp(const Volume& undistorted, const ShiftMap& shift, const Context& context);

// Shift and factor (1 when not `modulate`) at voxels of `target`, linear in between; what
// bold_resampling takes.
struct AtVoxels {
  std::vector<float> shift_voxels;
  std::vector<float> factor;
};
[[nodiscard]] AtVoxels at_voxels(const ShiftMap& shift, bool modulate, const Grid& target,
                                 std::span<const std::size_t> voxels, const PointMap& target_to_ref,
                                 const Context& context);

} // namespace boldmill::distortion
