// Distortion without a field map: the BOLD reference is moved along its phase-encoding axis until
// it agrees with the T1w of inverted contrast. With m(x) the reference at x + b(x) e and f the
// inverted T1w at x, minimises
//   - sum_x r2(x) + alpha/2 |grad b|^2,   r2: squared correlation of f and m in a window about x
// coarse to fine by damped Newton steps with conjugate gradients; the gradient of r2 is exact.
// Shapes: two volumes and a rigid map -> shift on the grid of the BOLD. Missing data: non-finite
// voxels count as 0. The same along the two axes without distortion tells what chance makes: only
// shifts beyond that stay, and nothing is corrected, with the reason, when r2 gains no more.
// Sources: Studholme 2000, doi:10.1109/42.896788 (idea); Avants 2008,
// doi:10.1016/j.media.2007.06.004 (measure); differences in METHOD.md. Cost: about 40 evaluations
// on the finest grid.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "stages/core/image.hpp"
#include "stages/core/stage_info.hpp"
#include "stages/core/transform.hpp"

namespace boldmill::fieldmap_free {

inline constexpr std::string_view kReferences[] = {
    "Studholme 2000, IEEE Trans. Med. Imaging 19:1115, doi:10.1109/42.896788",
    "Avants 2008, Med. Image Anal. 12:26, doi:10.1016/j.media.2007.06.004"};
inline constexpr StageInfo kStage{.name = "fieldmap_free",
                                  .version = 2,
                                  .summary = "distortion estimated against the T1w",
                                  .references = kReferences};

struct Params {
  std::vector<double> level_spacing_mm{6.0, 3.0};
  int window_radius = 2;
  double smoothness = 3.0;
  double max_shift_mm = 15.0;
  double min_gain = 0.02;
  double control_quantile = 0.99;
  double control_factor = 1.0;
  double min_shift_voxels = 0.2;
  int max_iterations = 15;
  bool operator==(const Params&) const = default;
};
template <class P, class F>
void for_each_field(P& params, F&& visit) {
  auto& [level_spacing_mm, window_radius, smoothness, max_shift_mm, min_gain, control_quantile,
         control_factor, min_shift_voxels, max_iterations] = params;
  visit("level_spacing_mm", level_spacing_mm, "mm",
        "voxel size of each level, coarse first; never finer than the BOLD",
        Limits::between(0.5, 64.0));
  visit("window_radius", window_radius, "voxels", "half width of the correlation window",
        Limits::between(1, 10));
  visit("smoothness", smoothness, "", "weight of the squared gradient of the shift in mm",
        Limits::between(1e-6, 1000.0));
  visit("max_shift_mm", max_shift_mm, "mm", "no shift is larger", Limits::between(0.1, 100.0));
  visit("min_gain", min_gain, "",
        "nothing is corrected when the mean squared correlation gains less",
        Limits::between(0.0, 1.0));
  visit("control_quantile", control_quantile, "",
        "share of the brain whose shift along the axes without distortion sets the threshold",
        Limits::between(0.0, 1.0));
  visit("control_factor", control_factor, "",
        "factor on that threshold, below which a shift is taken for chance; 0 keeps all",
        Limits::between(0.0, 100.0));
  visit("min_shift_voxels", min_shift_voxels, "voxels", "a smaller shift is left alone",
        Limits::between(0.0, 10.0));
  visit("max_iterations", max_iterations, "", "cap on the steps of one level",
        Limits::between(1, 1000));
}

struct Inputs {
  const Volume* boldref = nullptr; // distorted
  const Mask* bold_mask = nullptr; // on its grid
  const Volume* t1w = nullptr;     // bias-corrected
  const Mask* t1w_mask = nullptr;  // brain, on the grid of t1w
  Affine bold_to_t1w = Affine::Identity();
  int axis = 1; // phase encoding, of the BOLD's grid
};
struct Outputs {
  Volume shift_voxels; // on the BOLD grid, undistorted -> distorted; 0 when not corrected
  double r2_before = 0.0;
  double r2_after = 0.0;     // of the estimate, before it is shrunk
  double control_gain = 0.0; // of r2 along the axes without distortion, the larger one
  double control_mm = 0.0;   // shift that chance makes there
  double max_shift_mm = 0.0;
  bool corrected = false;
  std::string reason; // why not corrected
};

struct Shape {
  std::size_t n_bold_voxels = 0;
  std::size_t n_t1w_voxels = 0;
};

// Throws input when a mask is empty or on another grid, or the images do not overlap.
[[nodiscard]] Outputs run(const Inputs& inputs, const Params& params, const Context& context);
[[nodiscard]] std::size_t peak_bytes(const Shape& shape, const Params& params);

} // namespace boldmill::fieldmap_free
