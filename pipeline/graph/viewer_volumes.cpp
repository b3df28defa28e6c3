#include "pipeline/graph/viewer_volumes.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "stages/core/interpolate.hpp"
#include "stages/figures/mosaic.hpp"

namespace boldmill::graph {
namespace {

store::VolumeRecord empty_record(const std::string& name, const std::string& space,
                                 const Grid& grid) {
  store::VolumeRecord out;
  out.name = name;
  out.space = space;
  out.shape = grid.shape;
  out.affine = grid.affine;
  return out;
}

// The grid as one picture: its axial planes one below the other, lines in the order of the voxels.
mosaic::Layout planes_of(const Grid& grid) {
  mosaic::Layout layout{grid.shape[0], grid.shape[1] * grid.shape[2], kViewerMm, {}};
  for (int k = 0; k < grid.shape[2]; ++k) {
    mosaic::Tile tile;
    tile.top = k * grid.shape[1];
    tile.grid = grid;
    tile.grid.shape[2] = 1;
    tile.grid.affine.col(3) += k * grid.affine.col(2);
    layout.tiles.push_back(tile);
  }
  return layout;
}

} // namespace

Grid viewer_grid(const TargetSpace& target) {
  const Mask& mask = target.mask;
  Eigen::Array3i first = Eigen::Array3i::Constant(std::numeric_limits<int>::max());
  Eigen::Array3i last = Eigen::Array3i::Constant(-1);
  const auto [nx, ny, nz] = mask.grid.shape;
  for (int k = 0; k < nz; ++k) {
    for (int j = 0; j < ny; ++j) {
      const std::uint8_t* row = mask.data.data() + mask.grid.index(0, j, k);
      const auto begin = static_cast<int>(std::find(row, row + nx, 1) - row);
      if (begin == nx) continue;
      int end = nx - 1;
      while (row[end] == 0) --end;
      first = first.min(Eigen::Array3i(begin, j, k));
      last = last.max(Eigen::Array3i(end, j, k));
    }
  }
  Eigen::Vector3d low = Eigen::Vector3d::Constant(std::numeric_limits<double>::infinity());
  Eigen::Vector3d high = -low;
  for (int corner = 0; corner < 8 && last[0] >= 0; ++corner) { // of the box, in whichever order
    const Eigen::Vector3d mm = mask.grid.to_mm(Eigen::Vector3d(
        (corner & 1) != 0 ? last[0] : first[0], (corner & 2) != 0 ? last[1] : first[1],
        (corner & 4) != 0 ? last[2] : first[2]));
    low = low.cwiseMin(mm);
    high = high.cwiseMax(mm);
  }
  Grid grid;
  if (!(low.array() <= high.array()).all()) return grid;
  for (int a = 0; a < 3; ++a) {
    grid.affine(a, a) = kViewerMm;
    grid.affine(a, 3) = kViewerMm * (std::floor(low[a] / kViewerMm) - 1.0);
    grid.shape[static_cast<std::size_t>(a)] =
        static_cast<int>(std::ceil((high[a] - grid.affine(a, 3)) / kViewerMm)) + 2;
  }
  return grid;
}

store::VolumeRecord grey_volume(const std::string& name, const Volume& image, const Mask& mask,
                                const TargetSpace& target, const PointMap& target_to_image,
                                const Context& context) {
  const Grid grid = viewer_grid(target);
  store::VolumeRecord out = empty_record(name, target.space, grid);
  out.grey =
      mosaic::picture_of({&image, &mask, nullptr}, planes_of(grid), target_to_image, {}, context)
          .pixels;
  return out;
}

std::vector<store::VolumeRecord> template_volumes(const TargetSpace& target,
                                                  const Context& context) {
  std::vector<store::VolumeRecord> out{
      grey_volume("template", target.brain, target.mask, target, {}, context)};
  const Grid grid = viewer_grid(target);
  for (const RegionSet& set : target.sets) {
    LabelImage labels(target.grid, 0);
    for (std::size_t r = 0; r < set.regions.size(); ++r) {
      for (const std::size_t v : set.regions[r].voxels) {
        if (v < labels.data.size()) labels.data[v] = static_cast<std::int32_t>(r) + 1;
      }
    }
    out.push_back(empty_record(set.name, target.space, grid));
    out.back().region = resample_labels(labels, grid, {}, context).data;
  }
  return out;
}

} // namespace boldmill::graph
