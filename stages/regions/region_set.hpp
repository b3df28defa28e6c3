// Regions on a grid. Regions may overlap, so a region is a list of voxels and not a label.
#pragma once

#include <Eigen/Dense>
#include <cstddef>
#include <limits>
#include <map>
#include <string>
#include <vector>

#include "stages/core/image.hpp"

namespace boldmill {

struct Region {
  std::string label;                        // unique in its set, e.g. "Amygdala_L", "D4"
  std::string description;                  // in words, may be empty
  int index = 0;                            // value in the label image, or running number from 1
  std::vector<std::size_t> voxels;          // ascending indices on the set's grid
  Eigen::Vector3d center_mm{0.0, 0.0, 0.0}; // mean of the voxel centres, RAS; NaN when empty
  double volume_mm3 = 0.0;
  // Dice that a region made this way reached with its published definition; NaN: not a stand-in.
  double expected_dice = std::numeric_limits<double>::quiet_NaN();
  // Membership of each voxel, in any unit, e.g. a probability; empty: all alike. A negative weight
  // is for least squares only.
  std::vector<float> weights;
};

template <class Archive>
void archive(Archive& a, Region& r) {
  a(r.label, r.description, r.index, r.voxels, r.center_mm, r.volume_mm3, r.expected_dice);
  a(r.weights);
}

struct RegionSet {
  std::string name;  // "circuits", "AAL"
  std::string space; // of the target, e.g. "MNI152NLin2009cAsym"
  Grid grid;
  std::vector<Region> regions;
  std::map<std::string, std::size_t> codes; // every name and alias -> position in `regions`
  std::vector<std::string> notes;           // sentences for the report, in a fixed order
};

template <class Archive>
void archive(Archive& a, RegionSet& s) {
  a(s.name, s.space, s.grid, s.regions, s.codes, s.notes);
}

// Fills center_mm (weighted by the size of the weights) and volume_mm3 from `voxels`, which are
// sorted first together with their weights.
void measure_region(Region& region, const Grid& grid);

// Adds each region's own label to `codes`. ErrorKind::input when a label occurs twice.
void name_regions(RegionSet& set);

// Several sets on one grid as one, in the order given. A label that occurs twice gets the name of
// its set before it ("<set>_<label>"); indices are numbered anew from 1 when two agree. Every set's
// notes are kept. ErrorKind::input: no set, other grids, or a label that stays ambiguous.
[[nodiscard]] RegionSet united(std::vector<RegionSet> sets, const std::string& name);

// The region of a code. ErrorKind::input when unknown, naming the code.
[[nodiscard]] const Region& region_of(const RegionSet& set, const std::string& code);

// 1 inside the region.
[[nodiscard]] Mask region_mask(const Region& region, const Grid& grid);

// As few label images as hold all regions without loss: each region is whole in exactly one image,
// under the value Region::index. First fit in the order of the set. Disjoint sets give one image.
struct LabelLayers {
  std::vector<LabelImage> images;
  std::vector<std::size_t> layer; // per region, position in `images`
};
[[nodiscard]] LabelLayers label_layers(const RegionSet& set);

} // namespace boldmill
