#include "stages/regions/region_set.hpp"

#include <algorithm>

#include "stages/core/error.hpp"

namespace boldmill {

void measure_region(Region& region, const Grid& grid) {
  std::sort(region.voxels.begin(), region.voxels.end());
  region.volume_mm3 = static_cast<double>(region.voxels.size()) * grid.voxel_volume_mm3();
  Eigen::Vector3d sum = Eigen::Vector3d::Zero();
  for (const std::size_t voxel : region.voxels) {
    const std::array<int, 3> at = grid.coordinates(voxel);
    sum += Eigen::Vector3d(at[0], at[1], at[2]);
  }
  if (region.voxels.empty()) {
    region.center_mm.setConstant(std::numeric_limits<double>::quiet_NaN());
  } else {
    region.center_mm = grid.to_mm(sum / static_cast<double>(region.voxels.size()));
  }
}

void name_regions(RegionSet& set) {
  for (std::size_t r = 0; r < set.regions.size(); ++r) {
    const auto [at, inserted] = set.codes.emplace(set.regions[r].label, r);
    if (!inserted && at->second != r) {
      throw Error(ErrorKind::input,
                  set.name + ": found the region '" + at->first + "' twice, expected unique names");
    }
  }
}

const Region& region_of(const RegionSet& set, const std::string& code) {
  const auto found = set.codes.find(code);
  if (found == set.codes.end()) {
    throw Error(ErrorKind::input, set.name + ": found no region '" + code + "' among " +
                                      std::to_string(set.regions.size()));
  }
  return set.regions[found->second];
}

Mask region_mask(const Region& region, const Grid& grid) {
  Mask mask(grid);
  for (const std::size_t voxel : region.voxels) mask.data[voxel] = 1;
  return mask;
}

LabelLayers label_layers(const RegionSet& set) {
  LabelLayers layers;
  for (const Region& region : set.regions) {
    const auto is_free = [&region](const LabelImage& image) {
      return std::all_of(region.voxels.begin(), region.voxels.end(),
                         [&image](std::size_t voxel) { return image.data[voxel] == 0; });
    };
    auto image = std::find_if(layers.images.begin(), layers.images.end(), is_free);
    if (image == layers.images.end()) {
      layers.images.emplace_back(set.grid);
      image = layers.images.end() - 1;
    }
    for (const std::size_t voxel : region.voxels) image->data[voxel] = region.index;
    layers.layer.push_back(static_cast<std::size_t>(image - layers.images.begin()));
  }
  return layers;
}

} // namespace boldmill
