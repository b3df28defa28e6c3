// Several T1w images of one session to one: each further image is aligned rigidly to the first,
// brought to its grid and brightness, and averaged voxel by voxel. Shapes: K volumes on any grids
// -> one volume on the grid of the first. The first keeps its place and sharpness (its header is
// that of all later steps). Source of the idea: Reuter 2010, doi:10.1016/j.neuroimage.2010.07.020;
// departures in METHOD.md.
#pragma once

#include <span>
#include <vector>

#include "stages/core/image.hpp"
#include "stages/core/stage_info.hpp"
#include "stages/core/transform.hpp"

namespace boldmill::t1w_average {

inline constexpr std::string_view kReferences[] = {
    "Reuter 2010, NeuroImage 53:1181, doi:10.1016/j.neuroimage.2010.07.020"};
inline constexpr StageInfo kStage{.name = "t1w_average",
                                  .version = 1,
                                  .summary = "average of the T1w images of a session",
                                  .references = kReferences};

struct Params {
  bool enabled = true;
  double min_correlation = 0.9;
  double max_displacement_mm = 60.0;
  bool operator==(const Params&) const = default;
};
template <class P, class F>
void for_each_field(P& params, F&& visit) {
  auto& [enabled, min_correlation, max_displacement_mm] = params;
  visit("enabled", enabled, "", "average all T1w images of a session; false: the first alone",
        Limits{});
  visit("min_correlation", min_correlation, "",
        "images that correlate less with the first, after alignment, are left out",
        Limits::between(0.0, 1.0));
  visit("max_displacement_mm", max_displacement_mm, "mm",
        "images further from the first than this (RMS over an 80 mm sphere) are left out",
        Limits::between(0.0, 500.0));
}

struct Inputs {
  std::span<const Volume> images; // at least one, finite
};
struct Outputs {
  Volume average;                     // on the grid of the first image, its brightness
  std::vector<Affine> first_to_image; // K, RAS mm; the first is the identity
  std::vector<double> correlation;    // K, with the first
  std::vector<std::uint8_t> used;     // K
};
struct Shape {
  std::size_t n_voxels = 0; // of all images together
};

// Throws Error{input}: no image, an image that is constant or not finite.
[[nodiscard]] Outputs run(const Inputs& inputs, const Params& params, const Context& context);
[[nodiscard]] std::size_t peak_bytes(const Shape& shape, const Params& params);

} // namespace boldmill::t1w_average
