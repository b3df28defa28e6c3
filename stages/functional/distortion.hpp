// From a field to where things lie in an echo-planar image. With f the field in Hz and r the total
// readout time, tissue that lies at voxel x of the undistorted image is found at
//   x + s(x) e,  s = +-r f (voxels),  e the phase-encoding axis, + for "j" and - for "j-"
// and the undistorted intensity is the distorted one times 1 + ds/de. Shapes: field on any grid ->
// shift and factor on the grid of the BOLD reference. Outside the field's grid its nearest value
// holds. Missing data: non-finite field values count as 0. Source: Jezzard & Balaban 1995,
// doi:10.1002/mrm.1910340111; differences in METHOD.md. Cost: one B-spline value a voxel.
#pragma once

#include <string_view>

#include "stages/core/image.hpp"
#include "stages/core/stage_info.hpp"
#include "stages/core/transform.hpp"
#include "stages/functional/kernels/shift_map.hpp"

namespace boldmill::distortion {

inline constexpr std::string_view kReferences[] = {
    "Jezzard & Balaban 1995, Magn. Reson. Med. 34:65, doi:10.1002/mrm.1910340111"};
inline constexpr StageInfo kStage{.name = "distortion",
                                  .version = 1,
                                  .summary = "susceptibility distortion of an EPI from a field",
                                  .references = kReferences};

struct Params {
  bool operator==(const Params&) const = default;
};
template <class P, class F>
void for_each_field(P&, F&&) {}

struct Inputs {
  const Volume* field_hz = nullptr;
  Grid bold; // of the BOLD reference
  PhaseEncoding encoding;
  Affine bold_to_field = Affine::Identity(); // RAS mm: undistorted BOLD reference -> field
};
using Outputs = ShiftMap;

struct Shape {
  std::size_t n_voxels = 0; // of the BOLD reference
  std::size_t n_field_voxels = 0;
};

[[nodiscard]] Outputs run(const Inputs& inputs, const Params& params, const Context& context);
[[nodiscard]] std::size_t peak_bytes(const Shape& shape, const Params& params);

} // namespace boldmill::distortion
