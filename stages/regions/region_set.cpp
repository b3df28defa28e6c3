#include "stages/regions/region_set.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>

#include "stages/core/error.hpp"

namespace boldmill {
namespace {

void sort_voxels(Region& region) {
  if (region.weights.empty()) {
    std::sort(region.voxels.begin(), region.voxels.end());
    return;
  }
  if (region.weights.size() != region.voxels.size()) {
    throw Error(ErrorKind::internal, "region " + region.label + ": found " +
                                         std::to_string(region.weights.size()) + " weights of " +
                                         std::to_string(region.voxels.size()) + " voxels");
  }
  if (std::is_sorted(region.voxels.begin(), region.voxels.end())) return;
  std::vector<std::size_t> order(region.voxels.size());
  std::iota(order.begin(), order.end(), 0U);
  std::sort(order.begin(), order.end(),
            [&](std::size_t a, std::size_t b) { return region.voxels[a] < region.voxels[b]; });
  Region sorted;
  for (const std::size_t i : order) {
    sorted.voxels.push_back(region.voxels[i]);
    sorted.weights.push_back(region.weights[i]);
  }
  region.voxels = std::move(sorted.voxels);
  region.weights = std::move(sorted.weights);
}

} // namespace

void measure_region(Region& region, const Grid& grid) {
  sort_voxels(region);
  region.volume_mm3 = static_cast<double>(region.voxels.size()) * grid.voxel_volume_mm3();
  Eigen::Vector3d sum = Eigen::Vector3d::Zero();
  double total = 0.0;
  for (std::size_t i = 0; i < region.voxels.size(); ++i) {
    const std::array<int, 3> at = grid.coordinates(region.voxels[i]);
    const double weight =
        region.weights.empty() ? 1.0 : std::abs(static_cast<double>(region.weights[i]));
    sum += weight * Eigen::Vector3d(at[0], at[1], at[2]);
    total += weight;
  }
  if (region.voxels.empty()) {
    region.center_mm.setConstant(std::numeric_limits<double>::quiet_NaN());
  } else {
    region.center_mm = grid.to_mm(sum / total);
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

RegionSet united(std::vector<RegionSet> sets, const std::string& name) {
  if (sets.empty()) throw Error(ErrorKind::input, name + ": found no atlas, expected at least one");
  std::map<std::string, int> uses;
  std::set<int> indices;
  std::size_t n_regions = 0;
  for (const RegionSet& set : sets) {
    if (!set.grid.same_as(sets.front().grid)) {
      throw Error(ErrorKind::input, set.name + ": not on the grid of " + sets.front().name);
    }
    for (const Region& region : set.regions) {
      ++uses[region.label];
      indices.insert(region.index);
      ++n_regions;
    }
  }
  RegionSet all;
  all.name = name;
  all.space = sets.front().space;
  all.grid = sets.front().grid;
  for (RegionSet& set : sets) {
    for (Region& region : set.regions) {
      if (uses[region.label] > 1) region.label = set.name + "_" + region.label;
      if (indices.size() < n_regions) region.index = static_cast<int>(all.regions.size()) + 1;
      all.regions.push_back(std::move(region));
    }
    all.notes.insert(all.notes.end(), set.notes.begin(), set.notes.end());
  }
  name_regions(all);
  return all;
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
