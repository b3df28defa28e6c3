// Regions of a dense label file on the grayordinates of a dense series, and their time series.
// Grayordinates are matched by structure and vertex, or structure and voxel, never by position in
// the file: series and atlas may have other structures, orders and medial walls.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "pipeline/image_io/cifti.hpp"
#include "stages/regions/extraction.hpp"

namespace boldmill::spaces {

// A region for every label of the table but the background (key 0 or the name "???"), in its order,
// without a place in space. Region::voxels are grayordinates of the series; those that the series
// lacks are numbered from n_grayordinates on, so that they count in the coverage.
struct DenseRegions {
  std::vector<Region> regions;
  std::size_t n_grayordinates = 0;
  std::vector<std::string> notes; // structures and labels that are absent
};
// ErrorKind::input, naming the structure: a surface with another number of vertices, voxels of
// another volume, a structure that is a surface in one and voxels in the other; no label at all.
[[nodiscard]] DenseRegions dense_regions(const image_io::DenseLabels& labels,
                                         const image_io::BrainModels& series,
                                         const std::string& atlas_name);

struct DenseParcels {
  std::vector<Region> regions;
  extraction::Outputs outputs;
  double tr_s = 0.0; // NaN: not stated
  std::vector<std::string> notes;
};
// Grayordinates that are 0 or missing in all volumes count as not covered, as in XCP-D. Memory:
// 4 bytes for each volume and each grayordinate that has a label.
struct DenseFiles {
  std::filesystem::path series;
  std::filesystem::path atlas;
  int map = 0; // of the atlas, from 0
};
[[nodiscard]] DenseParcels parcellate(const DenseFiles& files, const extraction::Params& params,
                                      const Context& context);

} // namespace boldmill::spaces
