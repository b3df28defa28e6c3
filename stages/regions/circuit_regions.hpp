// The 28 circuit regions on a target grid, from facts or from the published masks.
//
// From facts: a region of volume v with peak p and centre of mass c is the round(v / voxel volume)
// voxels nearest to c among those within `peak_radius_mm` of p (ties: nearer to p, then lower
// index); at least one voxel. That is the sphere about c cut by the sphere about p, with its radius
// chosen so that the volume is the mask's. Regions of shape `sphere` are not cut. Regions of shape
// `atlas` are the label of that name of the atlas given, or a sphere, with a note, without one.
// From masks: each mask carried through the point map, trilinear membership >= 0.5.
//
// Source of the masks: Goldstein-Piekarski et al. 2022 and Tozzi et al. 2024; the spheres are ours.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "stages/core/image.hpp"
#include "stages/core/stage_info.hpp"
#include "stages/core/transform.hpp"
#include "stages/regions/circuit_facts.hpp"
#include "stages/regions/region_set.hpp"

namespace boldmill::circuit_regions {

inline constexpr std::string_view kReferences[] = {
    "Goldstein-Piekarski et al. 2022, Biol Psychiatry 91(6), doi:10.1016/j.biopsych.2021.06.024",
    "Tozzi et al. 2024, Nat Med 30, doi:10.1038/s41591-024-03057-9"};
inline constexpr StageInfo kStage{.name = "circuit_regions",
                                  .version = 1,
                                  .summary = "the 28 circuit regions on a target grid",
                                  .references = kReferences};

struct Params {
  double peak_radius_mm = 10.0;
  double low_dice = 0.7;
  bool operator==(const Params&) const = default;
};

template <class P, class F>
void for_each_field(P& params, F&& visit) {
  auto& [peak_radius_mm, low_dice] = params;
  visit("peak_radius_mm", peak_radius_mm, "mm", "regions stay within this distance of their peak",
        Limits::between(1.0, 50.0));
  visit("low_dice", low_dice, "",
        "warn of regions whose spheres agree less with the published masks",
        Limits::between(0.0, 1.0));
}

struct Inputs {
  std::span<const CircuitFact> facts;
  std::span<const Placement> placements; // one per fact, millimetres of the target space
  const Grid* target = nullptr;
  const RegionSet* atlas = nullptr; // AAL on the target grid; nullptr: spheres instead
  std::string_view space;           // of the target
};

// ErrorKind::input when the sizes disagree, the atlas is on another grid or lacks a label, or a
// region has no voxel within the target grid.
[[nodiscard]] RegionSet run(const Inputs& inputs, const Params& params, const Context& context);

struct MaskInputs {
  std::span<const CircuitFact> facts;
  std::span<const Mask> masks; // one per fact, any grids
  const Grid* target = nullptr;
  const PointMap* target_to_masks = nullptr; // nullptr: same space
  std::string_view space;                    // of the target
};
[[nodiscard]] RegionSet from_masks(const MaskInputs& inputs, const Context& context);

// Peaks and centres of mass carried by a point map from the facts' space to the target's.
[[nodiscard]] std::vector<Placement> placements(std::span<const CircuitFact> facts,
                                                const PointMap& facts_to_target);

struct Shape {
  std::size_t target_voxels = 0;
  std::size_t n_regions = 28;
  std::size_t mask_voxels = 0; // of the largest mask given
};
[[nodiscard]] std::size_t peak_bytes(const Shape& shape, const Params& params);

} // namespace boldmill::circuit_regions
