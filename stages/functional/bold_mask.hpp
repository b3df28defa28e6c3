// Brain mask of a BOLD reference: bias flattened, threshold from the histogram, opened, largest
// component, closed, holes filled. Works on slabs (faces of the field of view do not count as
// holes). With a prior (the T1w mask carried onto this grid) the mask is the prior, dilated, where
// there is signal. Missing data: non-finite and non-positive voxels are outside. Source: METHOD.md.
#pragma once

#include "stages/core/image.hpp"
#include "stages/core/stage_info.hpp"

namespace boldmill::bold_mask {

inline constexpr std::string_view kReferences[] = {
    "Otsu 1979, IEEE Trans. Syst. Man Cybern. 9:62, doi:10.1109/TSMC.1979.4310076"};
inline constexpr StageInfo kStage{.name = "bold_mask",
                                  .version = 1,
                                  .summary = "brain mask of a BOLD reference",
                                  .references = kReferences};

struct Params {
  double opening_mm = 6.0;
  double threshold_fraction = 0.9;
  double prior_dilation_mm = 3.0;
  bool operator==(const Params&) const = default;
};
template <class P, class F>
void for_each_field(P& params, F&& visit) {
  auto& [opening_mm, threshold_fraction, prior_dilation_mm] = params;
  visit("opening_mm", opening_mm, "mm", "radius of the opening that cuts scalp and eyes off",
        Limits::between(0.0, 30.0));
  visit("threshold_fraction", threshold_fraction, "",
        "threshold as a fraction of Otsu's between air and tissue", Limits::between(0.05, 2.0));
  visit("prior_dilation_mm", prior_dilation_mm, "mm", "how far the mask may exceed a given prior",
        Limits::between(0.0, 30.0));
}

struct Inputs {
  const Volume* reference = nullptr;
  const Mask* prior = nullptr; // same grid, or null
};
struct Outputs {
  Mask mask;
  double threshold = 0.0; // in the units of the reference
  double volume_ml = 0.0;
  bool doubtful = false; // under 5 % or over 90 % of the field of view
};

struct Shape {
  std::size_t n_voxels = 0;
};

// Throws input when the reference is empty or constant, or the prior is on another grid.
[[nodiscard]] Outputs run(const Inputs& inputs, const Params& params, const Context& context);
[[nodiscard]] std::size_t peak_bytes(const Shape& shape, const Params& params);

} // namespace boldmill::bold_mask
