// Mean BOLD signal in cerebrospinal fluid, white matter and the brain: csf(t), white_matter(t),
// global_signal(t), each T. The two tissue masks are eroded (6 neighbours) on the BOLD grid before
// averaging, because partial volume carries grey matter signal; when erosion would leave fewer than
// `min_voxels`, fewer steps are taken and the output says how many. Non-finite voxels are ignored.
// Source: the columns of fMRIPrep 20+ (means in eroded masks); how masks are made differs, see
// METHOD.md. Cost O(T V).
#pragma once

#include <Eigen/Dense>
#include <array>
#include <cstddef>

#include "stages/core/image.hpp"
#include "stages/core/stage_info.hpp"

namespace boldmill::tissue_signals {

inline constexpr std::array<std::string_view, 1> kReferences{
    "Behzadi 2007, NeuroImage, doi:10.1016/j.neuroimage.2007.04.042"};
inline constexpr StageInfo kStage{.name = "tissue_signals",
                                  .version = 1,
                                  .summary = "mean signal of csf, white matter and the brain",
                                  .references = kReferences};

struct Params {
  int csf_erosion_steps = 1;
  int white_matter_erosion_steps = 1;
  int min_voxels = 20;
  bool operator==(const Params&) const = default;
};
template <class P, class F>
void for_each_field(P& params, F&& visit) {
  auto& [csf_erosion_steps, white_matter_erosion_steps, min_voxels] = params;
  visit("csf_erosion_steps", csf_erosion_steps, "voxels", "erosion of the csf mask",
        Limits::between(0, 10));
  visit("white_matter_erosion_steps", white_matter_erosion_steps, "voxels",
        "erosion of the white matter mask", Limits::between(0, 10));
  visit("min_voxels", min_voxels, "voxels", "erosion stops before fewer than this are left",
        Limits::between(1, 1e6));
}

struct Inputs {
  const Series* bold = nullptr;
  const Mask* csf = nullptr;          // may be null or empty: the signal is then NaN
  const Mask* white_matter = nullptr; // may be null or empty: the signal is then NaN
  const Mask* brain = nullptr;        // required
};
struct Signal {
  Eigen::VectorXd mean;     // T
  std::size_t n_voxels = 0; // of the eroded mask
  int erosion_steps = 0;    // taken
};
struct Outputs {
  Signal csf, white_matter, global_signal;
};
// Throws input: no brain mask, empty brain mask, grids differ.
[[nodiscard]] Outputs run(const Inputs& inputs, const Params& params, const Context& context);

// The mask without its outer layer of voxels (6 neighbours; outside the grid counts as outside).
[[nodiscard]] Mask erode(const Mask& mask);

struct Shape {
  std::size_t n_voxels = 0;
  std::size_t n_volumes = 0;
};
[[nodiscard]] std::size_t peak_bytes(const Shape& shape, const Params& params);

} // namespace boldmill::tissue_signals
