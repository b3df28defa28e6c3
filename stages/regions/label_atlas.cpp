#include "stages/regions/label_atlas.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>

#include "stages/core/parallel.hpp"
#include "stages/regions/kernels/nearest_labels.hpp"

namespace boldmill::label_atlas {
namespace {

constexpr double kMidlineMm = 1e-3;
constexpr double kBilateralLabels = 0.9; // share of labels from which an atlas is bilateral
constexpr std::int32_t kMaxLabel = 1 << 30;

enum class Side { left, right, midline };

Side side_of(double x_mm) {
  if (std::abs(x_mm) < kMidlineMm) return Side::midline;
  return x_mm < 0.0 ? Side::left : Side::right;
}

struct SideCounts {
  std::size_t left = 0, right = 0, midline = 0;
};

// Voxels per label and side in the atlas image itself.
std::map<int, SideCounts> count_labels(const LabelImage& labels, std::string_view name) {
  std::map<int, SideCounts> counts;
  for (std::size_t v = 0; v < labels.data.size(); ++v) {
    const std::int32_t label = labels.data[v];
    if (label == 0) continue;
    if (label < 0 || label > kMaxLabel) {
      throw Error(ErrorKind::input, std::string(name) + ": found the label " +
                                        std::to_string(label) + ", expected 0 to 2^30");
    }
    const std::array<int, 3> at = labels.grid.coordinates(v);
    SideCounts& count = counts[label];
    switch (side_of(labels.grid.to_mm({at[0] * 1.0, at[1] * 1.0, at[2] * 1.0}).x())) {
    case Side::left: ++count.left; break;
    case Side::right: ++count.right; break;
    case Side::midline: ++count.midline; break;
    }
  }
  if (counts.empty()) {
    throw Error(ErrorKind::input, std::string(name) + ": found no label, expected at least one");
  }
  return counts;
}

bool labels_both_hemispheres(const std::map<int, SideCounts>& counts, double bilateral_share) {
  std::size_t bilateral = 0;
  for (const auto& [label, n] : counts) {
    const double smaller = static_cast<double>(std::min(n.left, n.right));
    const double sides = static_cast<double>(n.left + n.right);
    if (smaller > 0.0 && smaller >= bilateral_share * sides) ++bilateral;
  }
  return static_cast<double>(bilateral) >= kBilateralLabels * static_cast<double>(counts.size());
}

// What a target voxel becomes: 0, a label, or 2 * label - 1 (left), 2 * label (right) and
// -label (midline) when the atlas is split.
std::vector<std::int32_t> carry(const Inputs& inputs, bool split, const Context& context) {
  const Grid& target = *inputs.target;
  const NearestVoxel nearest(inputs.labels->grid);
  std::vector<std::int32_t> carried(target.n_voxels(), 0);
  parallel_blocks(context, carried.size(), 16384, [&](std::size_t begin, std::size_t end) {
    for (std::size_t v = begin; v < end; ++v) {
      const std::array<int, 3> at = target.coordinates(v);
      Eigen::Vector3d point = target.to_mm({at[0] * 1.0, at[1] * 1.0, at[2] * 1.0});
      if (inputs.target_to_atlas != nullptr) point = (*inputs.target_to_atlas)(point);
      const auto voxel = nearest(point);
      if (!voxel) continue;
      const std::int32_t label = inputs.labels->data[*voxel];
      if (label == 0 || !split) {
        carried[v] = label;
        continue;
      }
      switch (side_of(point.x())) {
      case Side::left: carried[v] = 2 * label - 1; break;
      case Side::right: carried[v] = 2 * label; break;
      case Side::midline: carried[v] = -label; break;
      }
    }
  });
  return carried;
}

std::map<int, std::string> names_of(std::span<const LabelRow> table) {
  std::map<int, std::string> names;
  for (const LabelRow& row : table) names.emplace(row.index, row.name);
  return names;
}

// Every region the atlas can have, without voxels, ascending.
std::vector<Region> empty_regions(const std::map<int, SideCounts>& counts,
                                  const std::map<int, std::string>& names, bool split) {
  std::vector<Region> regions;
  for (const auto& [label, n] : counts) {
    const auto row = names.find(label);
    const std::string name = row != names.end() ? row->second : "label-" + std::to_string(label);
    Region region;
    region.label = name;
    region.index = label;
    if (!split) {
      regions.push_back(region);
      continue;
    }
    if (n.left > 0) {
      region.label = name + "_L";
      region.index = 2 * label - 1;
      regions.push_back(region);
    }
    if (n.right > 0) {
      region.label = name + "_R";
      region.index = 2 * label;
      regions.push_back(region);
    }
  }
  return regions;
}

void collect_voxels(const std::vector<std::int32_t>& carried, std::vector<Region>& regions,
                    std::size_t& n_midline) {
  std::map<std::int32_t, Region*> by_index;
  for (Region& region : regions) by_index[region.index] = &region;
  std::int32_t last = 0;
  Region* current = nullptr;
  for (std::size_t v = 0; v < carried.size(); ++v) {
    const std::int32_t value = carried[v];
    if (value < 0) ++n_midline;
    if (value <= 0) continue;
    if (value != last) {
      const auto found = by_index.find(value);
      current = found == by_index.end() ? nullptr : found->second;
      last = value;
    }
    // A warp can bring a one-sided label's rim across the midline: it belongs to neither side.
    if (current != nullptr) current->voxels.push_back(v);
  }
}

std::string list(const std::vector<std::string>& names) {
  constexpr std::size_t kShown = 8;
  std::string text;
  for (std::size_t i = 0; i < std::min(names.size(), kShown); ++i) {
    text += (i == 0 ? "" : ", ") + names[i];
  }
  if (names.size() > kShown) text += " and " + std::to_string(names.size() - kShown) + " more";
  return text;
}

void add_notes(Outputs& out, const std::vector<std::string>& lost, int min_voxels) {
  std::vector<std::string>& notes = out.regions.notes;
  if (out.split) {
    notes.push_back("the atlas labels both hemispheres alike: its labels were split at x = 0 into "
                    "_L and _R; " +
                    std::to_string(out.n_midline_voxels) + " voxels at x = 0 were left out");
  }
  if (!lost.empty()) {
    notes.push_back("labels with fewer than " + std::to_string(min_voxels) +
                    " voxels on the target were left out: " + list(lost));
  }
  if (!out.labels_without_row.empty()) {
    notes.push_back(std::to_string(out.labels_without_row.size()) +
                    " labels have no row in the table and are named by their number");
  }
  if (!out.rows_without_voxels.empty()) {
    notes.push_back(std::to_string(out.rows_without_voxels.size()) +
                    " rows of the table have no voxel in the atlas image");
  }
}

} // namespace

Outputs run(const Inputs& inputs, const Params& params, const Context& context) {
  const std::map<int, SideCounts> counts = count_labels(*inputs.labels, inputs.name);
  const std::map<int, std::string> names = names_of(inputs.table);

  Outputs out;
  out.split = params.split_hemispheres == "always" ||
              (params.split_hemispheres == "auto" &&
               labels_both_hemispheres(counts, params.bilateral_share));
  for (const auto& [label, n] : counts) {
    if (!inputs.table.empty() && !names.contains(label)) out.labels_without_row.push_back(label);
  }
  for (const LabelRow& row : inputs.table) {
    if (!counts.contains(row.index)) out.rows_without_voxels.push_back(row.index);
  }

  std::vector<Region> regions = empty_regions(counts, names, out.split);
  collect_voxels(carry(inputs, out.split, context), regions, out.n_midline_voxels);

  RegionSet& set = out.regions;
  set.name = inputs.name;
  set.space = inputs.space;
  set.grid = *inputs.target;
  std::vector<std::string> lost;
  for (Region& region : regions) {
    if (region.voxels.size() < static_cast<std::size_t>(params.min_voxels)) {
      out.labels_lost.push_back(region.index);
      lost.push_back(region.label);
      continue;
    }
    measure_region(region, set.grid);
    set.regions.push_back(std::move(region));
  }
  if (set.regions.empty()) {
    throw Error(ErrorKind::input, set.name + ": found none of its " +
                                      std::to_string(counts.size()) +
                                      " labels on the target grid, expected an overlap");
  }
  name_regions(set);
  add_notes(out, lost, params.min_voxels);
  return out;
}

std::size_t peak_bytes(const Shape& shape, const Params&) {
  return shape.atlas_voxels * sizeof(std::int32_t) +
         shape.target_voxels * (sizeof(std::int32_t) + sizeof(std::size_t));
}

} // namespace boldmill::label_atlas
