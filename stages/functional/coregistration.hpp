// Rigid map from the BOLD reference to the T1w of the same person. Many starts (header first, then
// centres of mass and rotations) by normalised mutual information, coarse to fine, then refinement
// on the edge of white matter; with 9 or 12 degrees of freedom also scales along the axes of the
// BOLD grid and shears, on that edge alone. Shapes: two volumes on any grids -> one 4 x 4 map in
// RAS mm. Sources: Studholme 1999, doi:10.1016/S0031-3203(98)00091-0; Greve & Fischl 2009,
// doi:10.1016/j.neuroimage.2009.06.060. Differences in METHOD.md.
#pragma once

#include <string>

#include "stages/core/stage_info.hpp"
#include "stages/core/transform.hpp"

namespace boldmill::coregistration {

inline constexpr std::string_view kReferences[] = {
    "Studholme 1999, Pattern Recognition 32:71, doi:10.1016/S0031-3203(98)00091-0",
    "Greve & Fischl 2009, NeuroImage 48:63, doi:10.1016/j.neuroimage.2009.06.060"};
inline constexpr StageInfo kStage{.name = "coregistration",
                                  .version = 3,
                                  .summary = "linear map from the BOLD reference to the T1w",
                                  .references = kReferences};

struct Params {
  int degrees_of_freedom = 6;
  bool refine_on_edges = true;
  double max_refinement_mm = 15.0;
  double min_dice = 0.8;
  double max_header_rotation_deg = 30.0;
  double max_mirror_gain = 0.001;
  bool operator==(const Params&) const = default;
};
template <class P, class F>
void for_each_field(P& params, F&& visit) {
  auto& [degrees_of_freedom, refine_on_edges, max_refinement_mm, min_dice, max_header_rotation_deg,
         max_mirror_gain] = params;
  visit("degrees_of_freedom", degrees_of_freedom, "",
        "6 rigid; 9 with scales, 12 with scales and shears: for BOLD whose voxel size or "
        "distortion is "
        "wrong. Nothing between",
        Limits::between(6, 12));
  visit("refine_on_edges", refine_on_edges, "", "refine on the white-matter edge", Limits{});
  visit("max_refinement_mm", max_refinement_mm, "mm",
        "a refinement that moves the head further is rejected", Limits::between(0.0, 100.0));
  visit("min_dice", min_dice, "", "overlap of the brain masks below which a result is doubtful",
        Limits::between(0.0, 1.0));
  visit("max_header_rotation_deg", max_header_rotation_deg, "deg",
        "rotation against the headers above which a result is doubtful",
        Limits::between(0.0, 180.0));
  visit("max_mirror_gain", max_mirror_gain, "NMI",
        "a result is doubtful when it gets better by more with left and right exchanged",
        Limits::between(0.0, 1.0));
}

struct Inputs {
  const Volume* boldref = nullptr;
  const Mask* bold_mask = nullptr; // on the grid of boldref
  const Volume* t1w = nullptr;     // bias-corrected, with or without skull
  const Mask* t1w_mask = nullptr;  // brain, on the grid of t1w
  // Exchanges left and right of the T1w (mid_sagittal_reflection); null: not looked for.
  const Affine* t1w_mirror = nullptr;
};
struct Outputs {
  Affine bold_to_t1w = Affine::Identity(); // RAS mm of the BOLD reference -> RAS mm of the T1w
  double cost = 0.0;                       // 1 - NMI-based similarity at the end: lower is better
  double dice = 0.0;                       // BOLD mask and T1w mask inside the BOLD field of view
  double t1w_coverage = 0.0;               // share of the T1w brain inside the BOLD field of view
  double header_displacement_mm = 0.0;     // RMS over an 80 mm sphere against the headers
  double header_rotation_deg = 0.0;
  double refinement_mm = 0.0;   // how far the edge-based step moved it; 0 when not used
  double largest_stretch = 0.0; // of 9 and 12 degrees of freedom, share of length
  double edge_contrast = 0.0;   // grey/white contrast of the BOLD over the edge, %, NaN if unused
  // How much better the BOLD fits with left and right exchanged: NMI, and cost of the edge.
  double mirror_similarity_gain = 0.0; // 0 when not looked for
  double mirror_edge_gain = 0.0;
  std::string start; // the start that won: "header", "center_of_mass", ...
  bool edges_used = false;
  std::string edge_reason; // why the edge was not used, empty when it was
  bool doubtful = false;
  std::string reason; // why doubtful, empty otherwise
};

struct Shape {
  std::size_t n_bold_voxels = 0;
  std::size_t n_t1w_voxels = 0;
};

// Throws usage when degrees_of_freedom is none of 6, 9, 12; input when a mask is empty, on another
// grid, or an image is constant inside its mask.
[[nodiscard]] Outputs run(const Inputs& inputs, const Params& params, const Context& context);
[[nodiscard]] std::size_t peak_bytes(const Shape& shape, const Params& params);

} // namespace boldmill::coregistration
