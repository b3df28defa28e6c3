// Brain mask of a T1w head or brain: the template's mask carried by a coarse diffeomorphic fit,
// then corrected by the image (grey/white threshold, opening, largest component). See METHOD.md.
#pragma once

#include <cstddef>
#include <string_view>

#include "stages/core/image.hpp"
#include "stages/core/stage_info.hpp"
#include "stages/core/transform.hpp"

namespace boldmill::brain_mask {

inline constexpr std::string_view kReferences[] = {
    "Avants et al. 2008, Med Image Anal 12:26, doi:10.1016/j.media.2007.06.004"};
inline constexpr StageInfo kStage{.name = "brain_mask",
                                  .version = 2,
                                  .summary = "brain mask of a T1w image from a registered template",
                                  .references = kReferences};

struct Params {
  double finest_spacing_mm = 4.0;
  double margin_mm = 4.0;
  bool refine = true;
  bool operator==(const Params&) const = default;
};

template <class P, class F>
void for_each_field(P& params, F&& visit) {
  auto& [finest_spacing_mm, margin_mm, refine] = params;
  visit("finest_spacing_mm", finest_spacing_mm, "mm",
        "finest level of the fit that carries the template's mask", Limits::between(2.0, 8.0));
  visit("margin_mm", margin_mm, "mm",
        "how far inwards the image may move the carried edge; outwards half of it",
        Limits::between(0.0, 15.0));
  visit("refine", refine, "", "correct the carried mask by the image's intensities", Limits{});
}

struct Inputs {
  const Volume& t1w; // bias-corrected, with or without skull
  const Volume& template_brain;
  const Mask& template_mask;
  const Affine& t1w_to_template;
  const Mask* lesion = nullptr; // on the T1w's grid: decides nothing, and belongs to the brain
};

struct Outputs {
  Mask mask; // on the T1w's grid
  double volume_ml = 0.0;
  double carried_dice = 0.0;   // refined against carried mask: low means they disagree
  bool skull_stripped = false; // the input was already brain-only
};

struct Shape {
  std::size_t n_voxels = 0;
  std::size_t n_template_voxels = 0;
};

// Throws Error{input}: non-finite voxels, constant image, too few slices, an empty mask.
[[nodiscard]] Outputs run(const Inputs& inputs, const Params& params, const Context& context);
[[nodiscard]] std::size_t peak_bytes(const Shape& shape, const Params& params);

} // namespace boldmill::brain_mask
