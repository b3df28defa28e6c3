// Regions of a label image on a target grid: each target voxel takes the label of the atlas voxel
// nearest to its place in the atlas's space, label(x) = L[round(A^-1 target_to_atlas(x))].
// An atlas that labels both hemispheres alike (90 % of its labels have a good part of their voxels
// on either side of x = 0) is split at x = 0 of the atlas's space into `<name>_L` and `<name>_R`,
// with indices 2 * label - 1 and 2 * label; voxels with |x| < 1e-3 mm belong to neither side.
// Background is 0. Cost: one point map and one look-up per target voxel.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "stages/core/image.hpp"
#include "stages/core/stage_info.hpp"
#include "stages/core/transform.hpp"
#include "stages/regions/label_table.hpp"
#include "stages/regions/region_set.hpp"

namespace boldmill::label_atlas {

inline constexpr std::string_view kReferences[] = {
    "Tzourio-Mazoyer et al. 2002, NeuroImage 15(1), doi:10.1006/nimg.2001.0978"};
inline constexpr StageInfo kStage{.name = "label_atlas",
                                  .version = 2,
                                  .summary = "regions of a label image on a target grid",
                                  .references = kReferences};

struct Params {
  std::string split_hemispheres = "auto"; // auto, always, never
  double bilateral_share = 0.15;
  int min_voxels = 1;
  bool operator==(const Params&) const = default;
};

template <class P, class F>
void for_each_field(P& params, F&& visit) {
  auto& [split_hemispheres, bilateral_share, min_voxels] = params;
  visit(
      "split_hemispheres", split_hemispheres, "",
      "split labels at x = 0 into _L and _R: auto does so for atlases that label both hemispheres "
      "alike",
      Limits::one_of({"auto", "always", "never"}));
  visit("bilateral_share", bilateral_share, "",
        "a label counts as bilateral when the smaller side holds at least this share of its voxels",
        Limits::between(0.0, 0.5));
  visit("min_voxels", min_voxels, "voxels",
        "labels with fewer voxels on the target are left out, with a note",
        Limits::between(1, 1000000));
}

struct Inputs {
  const LabelImage* labels = nullptr; // on its own grid
  std::span<const LabelRow> table;    // empty: labels are named "label-<index>"
  const Grid* target = nullptr;
  const PointMap* target_to_atlas = nullptr; // nullptr: both are in the same space
  std::string_view name = "atlas";           // of the atlas
  std::string_view space;                    // of the target
};

struct Outputs {
  RegionSet regions; // ascending label, left before right
  bool split = false;
  std::vector<int> labels_without_row;  // in the image, not in the table: named "label-<index>"
  std::vector<int> rows_without_voxels; // in the table, without a voxel in the atlas image
  std::vector<int> labels_lost;         // in the image, too few voxels on the target
  std::size_t n_midline_voxels = 0;     // target voxels at x = 0 that a split left out
};

// ErrorKind::input: a negative label or one above 2^30, no label at all, or nothing of the atlas on
// the target.
[[nodiscard]] Outputs run(const Inputs& inputs, const Params& params, const Context& context);

struct Shape {
  std::size_t atlas_voxels = 0;
  std::size_t target_voxels = 0;
};
[[nodiscard]] std::size_t peak_bytes(const Shape& shape, const Params& params);

} // namespace boldmill::label_atlas
