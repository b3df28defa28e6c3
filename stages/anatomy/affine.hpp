// 12-parameter registration of a T1w head or brain to a brain-only template: many starts (rotations
// included), Levenberg-Marquardt on the linear correlation inside the dilated template brain,
// coarse to fine. Reflections are never applied. See METHOD.md.
#pragma once

#include <cstddef>
#include <limits>
#include <string_view>
#include <vector>

#include "stages/core/image.hpp"
#include "stages/core/stage_info.hpp"
#include "stages/core/transform.hpp"

namespace boldmill::affine {

inline constexpr std::string_view kReferences[] = {
    "Friston et al. 1995, Hum Brain Mapp 3:165, doi:10.1002/hbm.460030303",
    "Jenkinson & Smith 2001, Med Image Anal 5:143, doi:10.1016/S1361-8415(01)00036-6"};
inline constexpr StageInfo kStage{.name = "affine",
                                  .version = 3,
                                  .summary =
                                      "multi-start affine registration of a T1w to a template",
                                  .references = kReferences};

struct Params {
  std::vector<double> level_spacing_mm{8.0, 4.0, 2.0};
  double mask_dilation_mm = 6.0;
  bool search_rotations = true;
  int iterations = 40;
  double convergence_mm = 0.01;
  bool operator==(const Params&) const = default;
};

template <class P, class F>
void for_each_field(P& params, F&& visit) {
  auto& [level_spacing_mm, mask_dilation_mm, search_rotations, iterations, convergence_mm] = params;
  visit("level_spacing_mm", level_spacing_mm, "mm", "sampling distance of each level, coarse first",
        Limits::between(1.0, 16.0));
  visit("mask_dilation_mm", mask_dilation_mm, "mm",
        "the correlation is taken inside the template brain dilated by this much",
        Limits::between(0.0, 30.0));
  visit("search_rotations", search_rotations, "",
        "also start from the 24 rotations by 90 degrees and from 25 degree tilts", Limits{});
  visit("iterations", iterations, "", "most iterations per level", Limits::between(1, 500));
  visit("convergence_mm", convergence_mm, "mm",
        "stop a level when a step moves an 80 mm sphere by less than this (RMS)",
        Limits::between(1e-6, 1.0));
}

struct Inputs {
  const Volume& t1w;            // finite; with or without skull; bias-corrected preferred
  const Volume& template_brain; // zero outside the brain
  const Mask& template_mask;    // on the template's grid, e.g. from template_mask()
  // Second pass, once the brain is known: only voxels within 4 mm of this mask count, on the
  // T1w's grid ...
  const Mask* t1w_mask = nullptr;
  // ... and the search is left out: all levels go on from here (t1w_to_template).
  const Affine* start = nullptr;
  const Mask* lesion = nullptr; // on the T1w's grid; the correlation leaves its voxels out
};

struct Outputs {
  Affine t1w_to_template = Affine::Identity(); // determinant > 0 always
  double correlation = 0.0;        // inside the dilated template brain, finest level, 0..1
  double other_correlation = 0.0;  // best rival that ended more than 15 mm away, coarsest level;
                                   // 0 when a start was given
  double coarse_correlation = 0.0; // of the winner at the same level, comparable with the rival
  double overlap = 0.0; // share of the dilated template brain inside the image and no lesion
  double header_rotation_deg = 0.0; // rotation of the result; above 60: orientation is doubtful
  int iterations = 0;               // at all levels, winner only
  // Second pass only, else NaN: the correlation of the same fit with left and right exchanged,
  // minus `correlation`. Positive: the T1w looks mirrored. Nothing is ever reflected.
  double mirror_gain = std::numeric_limits<double>::quiet_NaN();
  bool converged = false;
};

struct Shape {
  std::size_t n_voxels = 0; // of the T1w
  std::size_t n_template_voxels = 0;
};

// Throws Error{input}: non-finite voxels, constant image, too few slices, no overlap found.
[[nodiscard]] Outputs run(const Inputs& inputs, const Params& params, const Context& context);
[[nodiscard]] std::size_t peak_bytes(const Shape& shape, const Params& params);

} // namespace boldmill::affine
