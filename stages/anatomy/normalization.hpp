// Brain to template: symmetric diffeomorphic registration with local cross-correlation, coarse to
// fine. Source: Avants et al. 2008, Med. Image Anal. 12(1):26, doi:10.1016/j.media.2007.06.004.
// Used for a person's T1w and for template-to-template warps. See METHOD.md.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "stages/core/image.hpp"
#include "stages/core/stage_info.hpp"
#include "stages/core/transform.hpp"

namespace boldmill::normalization {

inline constexpr std::string_view kReferences[] = {
    "Avants et al. 2008, Med Image Anal 12:26, doi:10.1016/j.media.2007.06.004"};
inline constexpr StageInfo kStage{.name = "normalization",
                                  .version = 2,
                                  .summary = "diffeomorphic registration of a brain to a template",
                                  .references = kReferences};

struct Params {
  std::string method = "diffeomorphic";
  std::vector<double> level_spacing_mm{8.0, 4.0, 2.0};
  std::vector<int> iterations{100, 70, 30};
  int window_radius = 2;
  double update_sigma_voxels = 1.75;
  double total_sigma_voxels = 0.5;
  double step_voxels = 0.25;
  double convergence = 2e-5;
  bool operator==(const Params&) const = default;
};

template <class P, class F>
void for_each_field(P& params, F&& visit) {
  auto& [method, level_spacing_mm, iterations, window_radius, update_sigma_voxels,
         total_sigma_voxels, step_voxels, convergence] = params;
  visit("method", method, "", "affine keeps the affine map and only measures the fit",
        Limits::one_of({"affine", "diffeomorphic"}));
  visit("level_spacing_mm", level_spacing_mm, "mm",
        "voxel size of each level, coarse first; levels finer than the moving image's voxels are "
        "skipped",
        Limits::between(0.5, 32.0));
  visit("iterations", iterations, "", "most iterations, one number per level",
        Limits::between(0, 1000));
  visit("window_radius", window_radius, "voxels", "half width of the correlation window",
        Limits::between(1, 10));
  visit("update_sigma_voxels", update_sigma_voxels, "voxels", "Gaussian smoothing of each update",
        Limits::between(0.5, 10.0));
  visit("total_sigma_voxels", total_sigma_voxels, "voxels",
        "Gaussian smoothing of the whole field after each update", Limits::between(0.0, 10.0));
  visit("step_voxels", step_voxels, "voxels", "largest displacement of one update",
        Limits::between(0.01, 0.5));
  visit("convergence", convergence, "",
        "stop a level when the correlation gains less than this per iteration, over ten",
        Limits::between(0.0, 0.1));
}

struct Inputs {
  const Volume& moving;    // e.g. the bias-corrected T1w, skull on or off
  const Mask& moving_mask; // brain, on the grid of moving
  const Volume& template_brain;
  const Mask& template_mask; // on the grid of template_brain
  const Affine& moving_to_template;
  // On the grid of moving: tissue the template cannot match, which the warp only crosses smoothly
  // (cost function masking, Brett 2001, doi:10.1006/nimg.2001.0845). Null: none.
  const Mask* lesion = nullptr;
};

struct Outputs {
  PointMap moving_to_template;    // affine, then field; fields are in template space
  PointMap template_to_moving;    // field, then inverse affine: resamples moving onto the template
  double lesion_ml = 0.0;         // that did not count
  double dice = 0.0;              // of the masks, on the finest level's grid
  double correlation = 0.0;       // global, inside the union of both masks
  double local_correlation = 0.0; // mean squared local correlation, the fitted quantity, 0..1
  double min_jacobian = 1.0;      // of the field without the affine, inside the template mask
  double max_jacobian = 1.0;
  double max_displacement_mm = 0.0; // of the field without the affine
  double inverse_error_mm = 0.0;    // 99th percentile of |forward(backward(x)) - x| in the mask
  std::vector<int> iterations;      // done per level
  bool converged = false;           // at the finest level
};

struct Shape {
  std::size_t n_voxels = 0; // of moving
  std::size_t n_template_voxels = 0;
  double template_volume_ml = 3500.0; // of the template's field of view
};

// Throws Error{input}: non-finite or constant images, masks that are empty or on another grid, no
// overlap; Error{usage}: lists of different length, spacings not decreasing.
[[nodiscard]] Outputs run(const Inputs& inputs, const Params& params, const Context& context);
[[nodiscard]] std::size_t peak_bytes(const Shape& shape, const Params& params);

} // namespace boldmill::normalization
