// Spatial smoothness of a run's noise. With r_a the mean over pairs of neighbours on axis a of the
// temporal correlation of their series without mean and line,
//   FWHM_a = d_a sqrt(2 ln 2 / -ln r_a),   d_a the voxel size,
// the width of the Gaussian kernel that gives white noise this correlation. Signal that neighbours
// share counts as smoothness. Sources: Forman 1995, doi:10.1002/mrm.1910330508; AFNI 3dFWHMx's
// classic estimate, which pools differences of all voxels where this standardises each first.
#pragma once

#include "stages/core/image.hpp"
#include "stages/core/stage_info.hpp"

namespace boldmill::smoothness {

inline constexpr std::string_view kReferences[] = {
    "Forman 1995, Magn. Reson. Med. 33:636, doi:10.1002/mrm.1910330508"};
inline constexpr StageInfo kStage{.name = "smoothness",
                                  .version = 1,
                                  .summary = "spatial smoothness of a run's noise",
                                  .references = kReferences};

struct Inputs {
  const Series& bold; // motion-corrected
  const Mask& mask;   // on its grid
  int n_dummies = 0;
};
struct Outputs {
  Eigen::Vector3d fwhm_mm; // by axis of the grid; NaN without neighbours or correlation
  double mean_mm = 0.0;    // geometric mean of the axes that have a value
};

// Throws Error{input}: the mask is on another grid, fewer than 4 steady volumes.
[[nodiscard]] Outputs run(const Inputs& inputs, const Context& context);

} // namespace boldmill::smoothness
