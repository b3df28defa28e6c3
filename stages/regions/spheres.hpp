// Spherical regions about points: the voxels whose centre lies within the radius of the point, and
// the voxel that holds the point. As nilearn's NiftiSpheresMasker (0.14.1). What to do where
// spheres meet: allow (a voxel may belong to several), refuse, or nearest (the nearest centre has
// it, of equally near ones the first). A point outside the grid gives a region without voxels.
// Cost: the voxels of each sphere's bounding box.
#pragma once

#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "stages/core/image.hpp"
#include "stages/core/stage_info.hpp"
#include "stages/regions/region_set.hpp"

namespace boldmill::spheres {

inline constexpr StageInfo kStage{.name = "spheres",
                                  .version = 1,
                                  .summary = "spherical regions about a table of points",
                                  .references = {}};

struct Params {
  double radius_mm = 5.0;
  std::string overlap = "allow"; // allow, refuse, nearest
  bool operator==(const Params&) const = default;
};

template <class P, class F>
void for_each_field(P& params, F&& visit) {
  auto& [radius_mm, overlap] = params;
  visit("radius_mm", radius_mm, "mm", "radius of the spheres that state none",
        Limits::between(0.0, 100.0));
  visit("overlap", overlap, "",
        "where spheres meet: voxels belong to several, it is an error, or to the nearest centre",
        Limits::one_of({"allow", "refuse", "nearest"}));
}

struct Seed {
  std::string label;
  int index = 0; // from 1
  Eigen::Vector3d center_mm{0.0, 0.0, 0.0};
  double radius_mm = std::numeric_limits<double>::quiet_NaN(); // NaN: the parameter's
};

// Seeds from a table: tab, semicolon, comma or blanks between cells. With a header: columns x, y, z
// and, as far as there are any, name|label|region, index|roi|number|id,
// radius|radius_mm|radius(mm)|r in any order and case. Without: "x y z", "label x y z" or "label x
// y z radius". Points without a name are called "sphere-<index>"; a name twice gets "_<index>"
// appended to each. ErrorKind::input: no rows, no such columns, a cell that is no number, a radius
// below 0.
[[nodiscard]] std::vector<Seed> parse_seeds(std::string_view text, std::string_view source);

struct Inputs {
  std::span<const Seed> seeds; // in mm of the target's space
  const Grid* target = nullptr;
  std::string_view name = "spheres";
  std::string_view space; // of the target
};

// A note names the points outside the grid. ErrorKind::input: no seeds, or with `refuse` the first
// two spheres that share a voxel.
[[nodiscard]] RegionSet run(const Inputs& inputs, const Params& params, const Context& context);

struct Shape {
  std::size_t target_voxels = 0;
  std::size_t n_region_voxels = 0;
};
[[nodiscard]] std::size_t peak_bytes(const Shape& shape, const Params& params);

} // namespace boldmill::spheres
