// N4 intensity non-uniformity correction of a T1-weighted image. The log field is estimated on a
// coarse grid and evaluated exactly on every voxel. Source: Tustison et al. 2010, IEEE Trans. Med.
// Imaging 29(6):1310, doi:10.1109/TMI.2010.2046908. See METHOD.md.
#pragma once

#include <cstddef>
#include <string_view>

#include "stages/core/image.hpp"
#include "stages/core/stage_info.hpp"

namespace boldmill::bias_field {

inline constexpr std::string_view kReferences[] = {
    "Tustison et al. 2010, IEEE Trans Med Imaging 29:1310, doi:10.1109/TMI.2010.2046908"};
inline constexpr StageInfo kStage{.name = "bias_field",
                                  .version = 2,
                                  .summary =
                                      "N4 intensity non-uniformity correction of a T1w image",
                                  .references = kReferences};

struct Params {
  double working_spacing_mm = 2.0;
  double knot_spacing_mm = 200.0;
  int levels = 4;
  int iterations = 50;
  double convergence = 1e-4;
  bool operator==(const Params&) const = default;
};

template <class P, class F>
void for_each_field(P& params, F&& visit) {
  auto& [working_spacing_mm, knot_spacing_mm, levels, iterations, convergence] = params;
  visit("working_spacing_mm", working_spacing_mm, "mm",
        "voxel size at which the field is estimated", Limits::between(1.0, 12.0));
  visit("knot_spacing_mm", knot_spacing_mm, "mm",
        "distance of the spline knots at the first level, halved at each further level",
        Limits::between(20.0, 1000.0));
  visit("levels", levels, "", "number of levels", Limits::between(1, 6));
  visit("iterations", iterations, "", "most iterations per level", Limits::between(1, 500));
  visit("convergence", convergence, "",
        "stop a level when the coefficient of variation of the field's change is below this",
        Limits::between(0.0, 1.0));
}

struct Inputs {
  const Volume& t1w; // finite, any orientation, at least 8 voxels and 30 mm along each axis
  const Mask* lesion = nullptr; // same grid; its voxels do not enter the fit
};

struct Outputs {
  Volume corrected;       // t1w / field, same grid; the mean over the head is kept
  double field_min = 1.0; // range of the multiplicative field over the head, mean 1
  double field_max = 1.0;
  int levels_done = 0;
  int iterations_done = 0;  // over all levels
  double last_change = 0.0; // coefficient of variation of the field's last change
  bool converged = false;   // the last level ended before its cap of iterations
};

struct Shape {
  std::size_t n_voxels = 0;
};

// Throws Error{input}: non-finite voxels, a constant image, too few slices, no head (fewer than 500
// voxels above Otsu's threshold at the working spacing).
[[nodiscard]] Outputs run(const Inputs& inputs, const Params& params, const Context& context);
[[nodiscard]] std::size_t peak_bytes(const Shape& shape, const Params& params);

} // namespace boldmill::bias_field
