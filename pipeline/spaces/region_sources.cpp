#include "pipeline/spaces/region_sources.hpp"

#include <algorithm>
#include <map>

#include "pipeline/image_io/nifti.hpp"
#include "pipeline/spaces/files.hpp"
#include "stages/regions/kernels/text_table.hpp"

namespace boldmill::spaces {
namespace {

namespace fs = std::filesystem;

const fs::path kFactsTable = "regions/circuit_regions.tsv";
const fs::path kPointsTable = "spaces/nlin6_points.tsv";

std::optional<WarpRequest> warp_between(const TemplateInfo& from, const TemplateInfo& to) {
  if (from.space == to.space) return std::nullopt;
  return WarpRequest{from, to};
}

// The warp that was asked for. ErrorKind::internal when the caller did not compute it.
const SpaceMap* required(const std::optional<WarpRequest>& request, const SpaceMap* warp) {
  if (!request) return nullptr;
  if (warp == nullptr || warp->from_sha256 != request->from.sha256 ||
      warp->to_sha256 != request->to.sha256) {
    throw Error(ErrorKind::internal,
                "regions: found no warp " + request->from.name + " -> " + request->to.name);
  }
  return warp;
}

void add_note(RegionSet& set, const std::string& note) {
  if (!note.empty()) set.notes.push_back(note);
}

RegionSet label_regions(const AtlasInfo& atlas, const std::string& space, const PointMap* to_atlas,
                        const Grid& target_grid, const label_atlas::Params& params,
                        const Context& context) {
  const LabelImage labels = image_io::read_labels(atlas.image_path);
  std::vector<LabelRow> table;
  if (!atlas.table_path.empty()) {
    table = read_label_table(atlas.table_path, std::ranges::max(labels.data));
  }
  return label_atlas::run({.labels = &labels,
                           .table = table,
                           .target = &target_grid,
                           .target_to_atlas = to_atlas,
                           .name = atlas.name,
                           .space = space},
                          params, context)
      .regions;
}

std::vector<Mask> read_masks(const fs::path& folder, const std::vector<CircuitFact>& facts) {
  std::string missing;
  for (const CircuitFact& fact : facts) {
    if (!is_filled_file(folder / fact.mask_file)) {
      missing += (missing.empty() ? "" : ", ") + fact.mask_file;
    }
  }
  if (!missing.empty()) {
    throw Error(ErrorKind::usage, folder.string() + ": found no " + missing +
                                      ", expected the published masks of all " +
                                      std::to_string(facts.size()) + " regions");
  }
  std::vector<Mask> masks;
  for (const CircuitFact& fact : facts) {
    masks.push_back(image_io::read_mask(folder / fact.mask_file));
    // Empty or whole-image masks are damaged files; the published ones are within rounding of this.
    const double volume_mm3 =
        static_cast<double>(count(masks.back())) * masks.back().grid.voxel_volume_mm3();
    if (!(volume_mm3 > 0.5 * fact.volume_mm3 && volume_mm3 < 2.0 * fact.volume_mm3)) {
      throw Error(ErrorKind::input, fact.mask_file + ": found " + std::to_string(volume_mm3) +
                                        " mm3, expected about " + std::to_string(fact.volume_mm3));
    }
  }
  return masks;
}

} // namespace

std::vector<LabelRow> read_label_table(const fs::path& path, int n_labels) {
  return parse_label_table(read_text(path), path.filename().string(), n_labels);
}

RegionSet map_regions(const MapFiles& files, const Grid& target_grid,
                      const PointMap* target_to_atlas, const map_atlas::Params& params,
                      const Context& context) {
  const image_io::NiftiHeader header = image_io::read_header(files.image);
  std::map<int, std::string> names;
  if (!files.table.empty()) {
    for (const LabelRow& row : read_label_table(files.table, header.n_volumes)) {
      names[row.index] = row.name;
    }
    const bool fits = static_cast<int>(names.size()) == header.n_volumes &&
                      names.rbegin()->first == header.n_volumes;
    if (!fits) {
      throw Error(ErrorKind::input, files.table.filename().string() + ": found " +
                                        std::to_string(names.size()) + " rows up to " +
                                        std::to_string(names.rbegin()->first) +
                                        ", expected one for each of the " +
                                        std::to_string(header.n_volumes) + " maps");
    }
  }
  RegionSet set;
  set.name = files.name;
  set.grid = target_grid;
  std::string empty;
  bool resampled = false;
  Volume map(header.grid);
  const auto add = [&](int t, std::span<const float> values) {
    map.data.assign(values.begin(), values.end());
    const std::string label = names.empty() ? "map-" + std::to_string(t + 1) : names.at(t + 1);
    map_atlas::Outputs out = map_atlas::run({.map = &map,
                                             .target = &target_grid,
                                             .target_to_atlas = target_to_atlas,
                                             .label = label,
                                             .index = t + 1},
                                            params, context);
    resampled = resampled || out.resampled;
    if (out.region.voxels.empty()) empty += (empty.empty() ? "" : ", ") + label;
    set.regions.push_back(std::move(out.region));
  };
  (void)image_io::for_each_volume(files.image, context, add);
  if (resampled) set.notes.push_back(set.name + ": maps were interpolated linearly to the grid");
  if (!empty.empty()) set.notes.push_back(set.name + ": maps without voxels: " + empty);
  name_regions(set);
  return set;
}

AtlasRoute atlas_route(const AtlasInfo& atlas, const TemplateInfo& target,
                       const std::vector<TemplateInfo>& templates) {
  AtlasRoute route{atlas, target, std::nullopt};
  if (atlas.space == target.space) return route;
  const auto source = template_of_space(templates, atlas.space);
  if (!source) {
    throw Error(ErrorKind::usage, "atlas " + atlas.name + ": found no template of its space " +
                                      atlas.space + " to carry it to " + target.space +
                                      ", expected one in TEMPLATEFLOW_HOME or given by path");
  }
  route.warp = warp_between(*source, target);
  return route;
}

RegionSet atlas_regions(const AtlasRoute& route, const SpaceMap* warp, const Grid& target_grid,
                        const label_atlas::Params& params, const Context& context,
                        const OtherAtlasParams& other) {
  const SpaceMap* map = required(route.warp, warp);
  const AtlasInfo& atlas = route.atlas;
  const PointMap* to_atlas = map == nullptr ? nullptr : &map->to_to_from;
  RegionSet set;
  if (atlas.kind == AtlasKind::labels) {
    set = label_regions(atlas, route.target.space, to_atlas, target_grid, params, context);
  } else if (atlas.kind == AtlasKind::maps) {
    set = map_regions({atlas.image_path, atlas.table_path, atlas.name}, target_grid, to_atlas,
                      other.maps, context);
  } else {
    std::vector<spheres::Seed> seeds =
        spheres::parse_seeds(read_text(atlas.image_path), atlas.image_path.filename().string());
    for (spheres::Seed& seed : seeds) {
      if (map != nullptr) seed.center_mm = map->from_to_to(seed.center_mm);
    }
    set = spheres::run({.seeds = seeds, .target = &target_grid, .name = atlas.name}, other.spheres,
                       context);
  }
  set.space = route.target.space;
  add_note(set, route.target.note);
  add_note(set, atlas.note);
  if (map != nullptr) add_note(set, describe(*map));
  return set;
}

std::vector<CircuitFact> load_circuit_facts() {
  return parse_circuit_facts(read_text(find_config(kFactsTable)),
                             "configs/" + kFactsTable.string());
}

std::optional<std::vector<Placement>> carried_placements(const std::string& sha256,
                                                         const std::vector<CircuitFact>& facts) {
  const text_table::Table table =
      text_table::read(read_text(find_config(kPointsTable)), "configs/" + kPointsTable.string());
  const auto column = [&table](const char* name) { return table.column(name); };
  const std::size_t digest = column("target_sha256"), code = column("code");
  std::map<std::string, Placement> by_code;
  for (const std::vector<std::string>& row : table.rows) {
    if (row[digest] != sha256) continue;
    const auto value = [&](const char* name) {
      return text_table::number(row[column(name)], table.source + ": " + row[code] + ": " + name);
    };
    by_code[row[code]] = {{value("peak_x"), value("peak_y"), value("peak_z")},
                          {value("com_x"), value("com_y"), value("com_z")}};
  }
  if (by_code.empty()) return std::nullopt;
  std::vector<Placement> placements;
  for (const CircuitFact& fact : facts) {
    const auto found = by_code.find(fact.codes.front());
    if (found == by_code.end()) {
      throw Error(ErrorKind::input, table.source + ": found no row for " + fact.codes.front() +
                                        " of the template " + sha256.substr(0, 12));
    }
    placements.push_back(found->second);
  }
  return placements;
}

CircuitRoute circuit_route(const TemplateInfo& target, const std::vector<TemplateInfo>& templates,
                           const std::vector<AtlasInfo>& atlases, const fs::path& mask_folder) {
  CircuitRoute route;
  route.target = target;
  route.mask_folder = mask_folder;
  route.source = mask_folder.empty() ? CircuitSource::facts : CircuitSource::masks;
  const std::string space(kCircuitSpace);
  if (target.space != space) {
    const auto table = route.source == CircuitSource::facts
                           ? carried_placements(target.sha256, load_circuit_facts())
                           : std::nullopt;
    const auto source = template_of_space(templates, space);
    if (table) {
      route.table = *table;
      route.notes.push_back("positions carried from " + space + " to " + target.name +
                            " by the warp recorded in configs/" + kPointsTable.string());
    } else if (source) {
      route.facts_warp = warp_between(*source, target);
    } else {
      throw Error(ErrorKind::usage,
                  "circuit regions: found no template of their space " + space +
                      " to carry them to " + target.name + " (" + target.space +
                      "), expected one in TEMPLATEFLOW_HOME or --path nlin6_brain=FILE" +
                      (mask_folder.empty() ? "" : ", or no mask folder"));
    }
  }
  if (route.source == CircuitSource::facts) {
    for (const AtlasInfo& atlas : atlases) {
      if (atlas.name != "AAL") continue;
      if (atlas.space == target.space || template_of_space(templates, atlas.space)) {
        route.amygdala = atlas_route(atlas, target, templates);
      }
    }
  }
  return route;
}

RegionSet circuit_region_set(const CircuitRoute& route, const SpaceMap* facts_warp,
                             const SpaceMap* amygdala_warp, const Grid& target_grid,
                             const circuit_regions::Params& params, const Context& context) {
  const SpaceMap* map = required(route.facts_warp, facts_warp);
  const std::vector<CircuitFact> facts = load_circuit_facts();
  RegionSet set;
  if (route.source == CircuitSource::masks) {
    const std::vector<Mask> masks = read_masks(route.mask_folder, facts);
    set =
        circuit_regions::from_masks({.facts = facts,
                                     .masks = masks,
                                     .target = &target_grid,
                                     .target_to_masks = map == nullptr ? nullptr : &map->to_to_from,
                                     .space = route.target.space},
                                    context);
  } else {
    const PointMap here;
    const std::vector<Placement> places =
        !route.table.empty()
            ? route.table
            : circuit_regions::placements(facts, map == nullptr ? here : map->from_to_to);
    std::optional<RegionSet> atlas;
    if (route.amygdala) {
      atlas = atlas_regions(*route.amygdala, amygdala_warp, target_grid, {}, context);
    }
    set = circuit_regions::run({.facts = facts,
                                .placements = places,
                                .target = &target_grid,
                                .atlas = atlas ? &*atlas : nullptr,
                                .space = route.target.space},
                               params, context);
    if (route.amygdala && route.amygdala->warp) {
      add_note(set, "AAL amygdalae: " + describe(*amygdala_warp));
    }
  }
  add_note(set, route.target.note);
  for (const std::string& note : route.notes) add_note(set, note);
  if (map != nullptr) add_note(set, describe(*map));
  return set;
}

} // namespace boldmill::spaces
