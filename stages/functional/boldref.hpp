// A robust reference volume: the voxelwise median of up to 20 steady-state volumes after each was
// scaled to a common mean and rigidly aligned. Shapes: bold V x T -> reference V. Voxels that are
// outside the field of view in some of the volumes use the others; where none is left, 0.
// Source: the reference of fMRIPrep (Esteban 2019, doi:10.1038/s41592-018-0235-4); differences in
// METHOD.md. Cost: about 20 alignments and 20 resampled volumes.
#pragma once

#include <vector>

#include "stages/core/stage_info.hpp"
#include "stages/core/transform.hpp"
#include "stages/functional/kernels/volume_source.hpp"

namespace boldmill::boldref {

inline constexpr std::string_view kReferences[] = {
    "Esteban 2019, Nature Methods 16:111, doi:10.1038/s41592-018-0235-4"};
inline constexpr StageInfo kStage{.name = "boldref",
                                  .version = 2,
                                  .summary = "robust reference volume of a BOLD run",
                                  .references = kReferences};

struct Params {
  int n_average = 20;
  int last_volume = 40;
  bool use_dummies = false;
  bool operator==(const Params&) const = default;
};
template <class P, class F>
void for_each_field(P& params, F&& visit) {
  auto& [n_average, last_volume, use_dummies] = params;
  visit("n_average", n_average, "volumes", "how many volumes enter the median",
        Limits::between(1, 1000));
  visit("last_volume", last_volume, "volumes",
        "the volumes averaged end before this one (the run's end if earlier)",
        Limits::between(1, 1000000));
  visit("use_dummies", use_dummies, "",
        "average the dummy volumes when there are two or more, as fMRIPrep does", Limits{});
}

struct Inputs {
  VolumeSource bold;
  int n_dummies = 0;
};
struct Outputs {
  Volume reference;                  // on the grid of the run
  std::vector<int> volumes;          // which volumes were used, ascending
  std::vector<Affine> ref_to_volume; // of those volumes
  bool aligned = true;               // false: some volume did not converge and was left out
};

struct Shape {
  std::size_t n_voxels = 0;
  std::size_t n_volumes = 0;
};

// Throws input when the run has no volume or the reference would be constant.
[[nodiscard]] Outputs run(const Inputs& inputs, const Params& params, const Context& context);
[[nodiscard]] std::size_t peak_bytes(const Shape& shape, const Params& params);

} // namespace boldmill::boldref
