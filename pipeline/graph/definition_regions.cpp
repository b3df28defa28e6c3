#include "pipeline/graph/definition_regions.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "stages/regions/spheres.hpp"

namespace boldmill::graph {
namespace {

constexpr std::string_view kLabel = "label ";

[[noreturn]] void refuse(const taxonomy::Region& region, const std::string& why) {
  throw Error(ErrorKind::usage, "circuit definition: region " + region.code + ": " + why);
}

Region labelled(const taxonomy::Region& wanted, std::span<const RegionSet> atlases) {
  const std::string text = wanted.definition.substr(kLabel.size());
  const std::size_t colon = text.find(':');
  if (colon == std::string::npos) {
    refuse(wanted, "found definition '" + wanted.definition + "', expected label ATLAS:NAME");
  }
  const std::string name = text.substr(0, colon);
  const auto atlas = std::find_if(atlases.begin(), atlases.end(),
                                  [&](const RegionSet& set) { return set.name == name; });
  if (atlas == atlases.end()) {
    refuse(wanted, "atlas " + name + " is not among target.atlases");
  }
  const std::string label = text.substr(colon + 1);
  if (!atlas->codes.contains(label)) {
    refuse(wanted, "atlas " + name + " has no region " + label);
  }
  return region_of(*atlas, label);
}

Region sphere(const taxonomy::Region& wanted, const RegionSet& published, const PointMap& to_target,
              const Context& context) {
  if (!(wanted.volume_mm3 > 0.0)) refuse(wanted, "a sphere needs volume_mm3 above 0");
  const Eigen::Vector3d center(wanted.com_x_mm, wanted.com_y_mm, wanted.com_z_mm);
  const double radius_mm = std::cbrt(0.75 * wanted.volume_mm3 / std::numbers::pi);
  const std::vector<spheres::Seed> seeds{{wanted.code, 1, to_target(center), radius_mm}};
  const RegionSet made =
      spheres::run({seeds, &published.grid, "circuits", published.space}, {}, context);
  if (made.regions[0].voxels.empty()) refuse(wanted, "its sphere lies outside the target's grid");
  return made.regions[0];
}

} // namespace

bool has_spheres(const taxonomy::Taxonomy& taxonomy) {
  return std::any_of(taxonomy.regions.begin(), taxonomy.regions.end(),
                     [](const taxonomy::Region& region) { return region.definition == "sphere"; });
}

RegionSet definition_regions(const taxonomy::Taxonomy& taxonomy, const RegionSet& published,
                             std::span<const RegionSet> atlases, const PointMap& to_target,
                             const Context& context) {
  RegionSet set = published;
  set.name = "circuits";
  set.regions.clear();
  set.codes.clear();
  for (const taxonomy::Region& wanted : taxonomy::distinct_regions(taxonomy)) {
    Region region;
    if (wanted.definition.starts_with(kLabel)) {
      region = labelled(wanted, atlases);
    } else if (wanted.definition == "sphere") {
      region = sphere(wanted, published, to_target, context);
    } else if (published.codes.contains(wanted.code)) {
      region = region_of(published, wanted.code);
    } else {
      refuse(wanted, "no published region has this code, expected definition \"sphere\" or "
                     "\"label ATLAS:NAME\"");
    }
    region.label = wanted.code;
    region.index = static_cast<int>(set.regions.size()) + 1;
    set.regions.push_back(std::move(region));
  }
  name_regions(set);
  return set;
}

} // namespace boldmill::graph
