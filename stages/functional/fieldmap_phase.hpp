// The field from phase images of a gradient echo, or from a map in physical units.
//   f = (phi(TE2) - phi(TE1)) / (2 pi (TE2 - TE1))
// with the raw range brought to radians, unwrapped in 3-D along the most reliable paths first, the
// whole offset of 2 pi removed by the median, smoothed inside the mask and continued outside it.
// Shapes: volumes on one grid -> field on it. Missing data: non-finite voxels are outside the mask.
// Sources: Jezzard & Balaban 1995, doi:10.1002/mrm.1910340111; Abdul-Rahman 2007,
// doi:10.1364/AO.46.006623; differences in METHOD.md. Cost: a sort of three edges a voxel.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "stages/core/image.hpp"
#include "stages/core/stage_info.hpp"

namespace boldmill::fieldmap_phase {

inline constexpr std::string_view kReferences[] = {
    "Jezzard & Balaban 1995, Magn. Reson. Med. 34:65, doi:10.1002/mrm.1910340111",
    "Abdul-Rahman 2007, Appl. Opt. 46:6623, doi:10.1364/AO.46.006623"};
inline constexpr StageInfo kStage{.name = "fieldmap_phase",
                                  .version = 1,
                                  .summary = "field from phase images or from a direct map",
                                  .references = kReferences};

struct Params {
  double smoothing_fwhm_mm = 4.0;
  double max_hz = 1000.0;
  bool operator==(const Params&) const = default;
};
template <class P, class F>
void for_each_field(P& params, F&& visit) {
  auto& [smoothing_fwhm_mm, max_hz] = params;
  visit("smoothing_fwhm_mm", smoothing_fwhm_mm, "mm",
        "Gaussian smoothing of the field inside the mask", Limits::between(0.0, 30.0));
  visit("max_hz", max_hz, "Hz", "fields are cut beyond this", Limits::between(1.0, 1e5));
}

struct Inputs {
  std::vector<const Volume*> phase; // one difference, or the phases at the first and second echo
  const Volume* field = nullptr;    // instead of phase: a direct map
  std::string units = "Hz";         // of the direct map: Hz, rad/s or T
  const Mask* mask = nullptr;       // where there is signal, same grid
  double echo_time1_s = 0.0;
  double echo_time2_s = 0.0;
};
struct Outputs {
  Volume field_hz;
  std::vector<double> raw_range; // what one turn is in the units of each phase image
  double wrapped_share = 0.0;    // of the mask's voxels that unwrapping changed
  std::vector<std::string> warnings;
};

struct Shape {
  std::size_t n_voxels = 0;
};

// Throws input: grids differ, empty mask, constant phase, echo times that do not grow, unknown
// units; internal: no image.
[[nodiscard]] Outputs run(const Inputs& inputs, const Params& params, const Context& context);
[[nodiscard]] std::size_t peak_bytes(const Shape& shape, const Params& params);

// Adds whole turns to the phase (radians) so that neighbours in the mask differ by less than half a
// turn, the most reliable first. Pieces of the mask that do not touch are unwrapped each by itself.
void unwrap_in_place(Volume& phase, const Mask& mask, const Context& context);

} // namespace boldmill::fieldmap_phase
