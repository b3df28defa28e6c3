// A region of a probabilistic atlas on a target grid: the voxels where the map exceeds a threshold
// in size, with the map as their weights. On another grid or in another space the map is
// interpolated linearly. Unit of the weights: the map's own (0 to 1, per cent, loadings).
// Cost: one pass over the target grid for each map.
#pragma once

#include <string>
#include <string_view>

#include "stages/core/image.hpp"
#include "stages/core/stage_info.hpp"
#include "stages/core/transform.hpp"
#include "stages/regions/region_set.hpp"

namespace boldmill::map_atlas {

inline constexpr StageInfo kStage{.name = "map_atlas",
                                  .version = 1,
                                  .summary = "regions of a probabilistic atlas on a target grid",
                                  .references = {}};

struct Params {
  double threshold = 0.0;
  bool operator==(const Params&) const = default;
};

template <class P, class F>
void for_each_field(P& params, F&& visit) {
  auto& [threshold] = params;
  visit("threshold", threshold, "unit of the map",
        "voxels belong to a region where its map is larger than this in size",
        Limits::between(0.0, 1e6));
}

struct Inputs {
  const Volume* map = nullptr; // on its own grid; NaN is 0
  const Grid* target = nullptr;
  const PointMap* target_to_atlas = nullptr; // nullptr: both are in the same space
  std::string_view label;                    // of the region
  int index = 1;
};

struct Outputs {
  Region region; // without voxels when the map does not reach the threshold on the target
  bool resampled = false;
};

[[nodiscard]] Outputs run(const Inputs& inputs, const Params& params, const Context& context);

struct Shape {
  std::size_t atlas_voxels = 0; // of one map
  std::size_t target_voxels = 0;
  std::size_t n_region_voxels = 0; // above the threshold, summed over the maps
};
[[nodiscard]] std::size_t peak_bytes(const Shape& shape, const Params& params);

} // namespace boldmill::map_atlas
