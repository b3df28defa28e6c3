#include "stages/regions/circuit_regions.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

#include "stages/core/interpolate.hpp"

namespace boldmill::circuit_regions {
namespace {

struct Candidate {
  double to_center_mm2 = 0.0;
  double to_peak_mm2 = 0.0;
  std::size_t voxel = 0;

  bool operator<(const Candidate& other) const {
    if (to_center_mm2 != other.to_center_mm2) return to_center_mm2 < other.to_center_mm2;
    if (to_peak_mm2 != other.to_peak_mm2) return to_peak_mm2 < other.to_peak_mm2;
    return voxel < other.voxel;
  }
};

// Voxels whose centre is within `radius_mm` of `about`, in memory order.
std::vector<Candidate> voxels_within(const Grid& grid, const Eigen::Vector3d& about,
                                     double radius_mm) {
  const Eigen::Vector3d center = grid.to_voxel(about);
  const Eigen::Matrix3d inverse = grid.affine.topLeftCorner<3, 3>().inverse();
  std::array<int, 3> low{}, high{};
  for (int axis = 0; axis < 3; ++axis) {
    const std::size_t a = static_cast<std::size_t>(axis);
    const double reach = radius_mm * inverse.row(axis).norm();
    const double last = grid.shape[a] - 1;
    low[a] = static_cast<int>(std::clamp(std::ceil(center[axis] - reach), 0.0, last + 1.0));
    high[a] = static_cast<int>(std::clamp(std::floor(center[axis] + reach), -1.0, last));
  }
  std::vector<Candidate> found;
  for (int k = low[2]; k <= high[2]; ++k) {
    for (int j = low[1]; j <= high[1]; ++j) {
      for (int i = low[0]; i <= high[0]; ++i) {
        const double d2 = (grid.to_mm({i * 1.0, j * 1.0, k * 1.0}) - about).squaredNorm();
        if (d2 <= radius_mm * radius_mm * (1.0 + 1e-12)) {
          found.push_back({d2, 0.0, grid.index(i, j, k)});
        }
      }
    }
  }
  return found;
}

// The voxels nearest to the centre of mass, as many as the volume needs, none farther from the peak
// than `cut_mm`.
std::vector<std::size_t> nearest_voxels(const Grid& grid, const Placement& place, double volume_mm3,
                                        double cut_mm) {
  const double wanted = std::max(1.0, std::round(volume_mm3 / grid.voxel_volume_mm3()));
  std::vector<Candidate> found;
  if (std::isinf(cut_mm)) {
    // A sphere of this radius holds the volume with two voxel diagonals to spare.
    const double radius = std::cbrt(volume_mm3 * 0.75 / std::numbers::pi);
    found = voxels_within(grid, place.com_mm, radius + 2.0 * grid.spacing_mm().norm());
  } else {
    found = voxels_within(grid, place.peak_mm, cut_mm);
  }
  for (Candidate& candidate : found) {
    const std::array<int, 3> at = grid.coordinates(candidate.voxel);
    const Eigen::Vector3d point = grid.to_mm({at[0] * 1.0, at[1] * 1.0, at[2] * 1.0});
    candidate.to_center_mm2 = (point - place.com_mm).squaredNorm();
    candidate.to_peak_mm2 = (point - place.peak_mm).squaredNorm();
  }
  std::sort(found.begin(), found.end());
  found.resize(std::min(found.size(), static_cast<std::size_t>(wanted)));
  std::vector<std::size_t> voxels;
  for (const Candidate& candidate : found) voxels.push_back(candidate.voxel);
  return voxels;
}

Region described(const CircuitFact& fact, std::size_t position) {
  Region region;
  region.label = fact.codes.front();
  region.description = fact.name + ", " + fact.hemisphere + " (" + fact.circuit + ")";
  region.index = static_cast<int>(position) + 1;
  return region;
}

void finish(RegionSet& set, std::span<const CircuitFact> facts) {
  name_regions(set);
  for (std::size_t r = 0; r < facts.size(); ++r) {
    for (const std::string& code : facts[r].codes) set.codes[code] = r;
  }
}

void check_not_empty(const Region& region, std::string_view space) {
  if (!region.voxels.empty()) return;
  throw Error(ErrorKind::input, "circuit region " + region.label + ": found no voxel of the " +
                                    std::string(space) + " target grid in it, expected at least 1");
}

std::string warning(const RegionSet& set, double low_dice) {
  std::string low;
  for (const Region& region : set.regions) {
    if (!(region.expected_dice < low_dice)) continue;
    const std::string dice = std::to_string(region.expected_dice).substr(0, 4);
    low += (low.empty() ? "" : ", ") + region.label + " " + dice;
  }
  if (low.empty()) return {};
  return "spheres stand in for the published masks and agree poorly with them in (Dice): " + low;
}

} // namespace

RegionSet run(const Inputs& inputs, const Params& params, const Context& context) {
  if (inputs.placements.size() != inputs.facts.size()) {
    throw Error(ErrorKind::input,
                "circuit regions: found " + std::to_string(inputs.placements.size()) +
                    " placements, expected " + std::to_string(inputs.facts.size()));
  }
  if (inputs.atlas != nullptr && !inputs.atlas->grid.same_as(*inputs.target)) {
    throw Error(ErrorKind::input, "circuit regions: found the atlas " + inputs.atlas->name +
                                      " on another grid, expected the target's");
  }
  RegionSet set;
  set.name = "circuits";
  set.space = inputs.space;
  set.grid = *inputs.target;
  std::string replaced;
  for (std::size_t r = 0; r < inputs.facts.size(); ++r) {
    context.check_stop();
    const CircuitFact& fact = inputs.facts[r];
    Region region = described(fact, r);
    region.expected_dice = fact.expected_dice;
    if (fact.shape == RegionShape::atlas && inputs.atlas != nullptr) {
      region.voxels = region_of(*inputs.atlas, fact.atlas_label).voxels;
    } else {
      if (fact.shape == RegionShape::atlas) {
        replaced += (replaced.empty() ? "" : ", ") + region.label;
      }
      const double cut_mm = fact.shape == RegionShape::cut_sphere
                                ? params.peak_radius_mm
                                : std::numeric_limits<double>::infinity();
      region.voxels = nearest_voxels(set.grid, inputs.placements[r], fact.volume_mm3, cut_mm);
    }
    check_not_empty(region, inputs.space);
    measure_region(region, set.grid);
    set.regions.push_back(std::move(region));
  }
  finish(set, inputs.facts);
  const std::string low = warning(set, params.low_dice);
  if (!low.empty()) set.notes.push_back(low);
  if (!replaced.empty()) {
    set.notes.push_back("no anatomical atlas was given: spheres stand in for " + replaced);
  }
  return set;
}

RegionSet from_masks(const MaskInputs& inputs, const Context& context) {
  if (inputs.masks.size() != inputs.facts.size()) {
    throw Error(ErrorKind::input, "circuit masks: found " + std::to_string(inputs.masks.size()) +
                                      ", expected " + std::to_string(inputs.facts.size()));
  }
  RegionSet set;
  set.name = "circuits";
  set.space = inputs.space;
  set.grid = *inputs.target;
  const PointMap same_space;
  const PointMap& map = inputs.target_to_masks != nullptr ? *inputs.target_to_masks : same_space;
  for (std::size_t r = 0; r < inputs.facts.size(); ++r) {
    Region region = described(inputs.facts[r], r);
    region.voxels = indices_of(resample_mask(inputs.masks[r], set.grid, map, context));
    check_not_empty(region, inputs.space);
    measure_region(region, set.grid);
    set.regions.push_back(std::move(region));
  }
  finish(set, inputs.facts);
  return set;
}

std::vector<Placement> placements(std::span<const CircuitFact> facts,
                                  const PointMap& facts_to_target) {
  std::vector<Placement> out;
  for (const CircuitFact& fact : facts) {
    out.push_back({facts_to_target(fact.peak_mm), facts_to_target(fact.com_mm)});
  }
  return out;
}

std::size_t peak_bytes(const Shape& shape, const Params&) {
  // One mask at a time, in single precision where it comes from, and lists that together are
  // smaller than one more image.
  return (shape.target_voxels + shape.mask_voxels) * sizeof(float) +
         shape.n_regions * 1024 * sizeof(Candidate);
}

} // namespace boldmill::circuit_regions
