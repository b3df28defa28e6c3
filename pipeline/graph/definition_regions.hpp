// The regions of a circuit definition on the target's grid, in its order, under its codes. A
// region's `definition` says where it comes from:
//   "label ATLAS:NAME"  the region NAME of an atlas of target.atlases
//   "sphere"            the ball of volume_mm3 about center_of_mass_mm, in the definition's space
//   anything else       the published region of that code
#pragma once

#include <span>

#include "stages/circuits/taxonomy.hpp"
#include "stages/core/stage_info.hpp"
#include "stages/core/transform.hpp"
#include "stages/regions/region_set.hpp"

namespace boldmill::graph {

[[nodiscard]] bool has_spheres(const taxonomy::Taxonomy& taxonomy);

// `to_target`: from the definition's millimetres to the target's. Error{usage}: an atlas or label
// that is not there, a code that is not published, a sphere without volume or outside the grid.
[[nodiscard]] RegionSet definition_regions(const taxonomy::Taxonomy& taxonomy,
                                           const RegionSet& published,
                                           std::span<const RegionSet> atlases,
                                           const PointMap& to_target, const Context& context);

} // namespace boldmill::graph
