#include "pipeline/spaces/region_sources.hpp"

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
                        const label_atlas::Params& params, const Context& context) {
  const SpaceMap* map = required(route.warp, warp);
  const LabelImage labels = image_io::read_labels(route.atlas.image_path);
  std::vector<LabelRow> table;
  if (!route.atlas.table_path.empty()) {
    table = parse_label_table(read_text(route.atlas.table_path),
                              route.atlas.table_path.filename().string());
  }
  label_atlas::Outputs out =
      label_atlas::run({.labels = &labels,
                        .table = table,
                        .target = &target_grid,
                        .target_to_atlas = map == nullptr ? nullptr : &map->to_to_from,
                        .name = route.atlas.name,
                        .space = route.target.space},
                       params, context);
  add_note(out.regions, route.target.note);
  add_note(out.regions, route.atlas.note);
  if (map != nullptr) add_note(out.regions, describe(*map));
  return std::move(out.regions);
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
      throw Error(ErrorKind::usage, "circuit regions: found no template of their space " + space +
                                        " to carry them to " + target.name + " (" + target.space +
                                        "), expected one in TEMPLATEFLOW_HOME or given by path" +
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
