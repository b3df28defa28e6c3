// From what is on the machine to regions on a target grid. Two steps, so that a caller can compute
// and cache the warps between them: *_route says what is needed (or refuses), then the build.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "pipeline/spaces/templates.hpp"
#include "pipeline/spaces/warps.hpp"
#include "stages/regions/circuit_regions.hpp"
#include "stages/regions/label_atlas.hpp"
#include "stages/regions/map_atlas.hpp"
#include "stages/regions/spheres.hpp"

namespace boldmill::spaces {

// A warp to compute with space_map(from, to, ...).
struct WarpRequest {
  TemplateInfo from, to;
};

// The space in which the circuit facts and the published masks are given.
inline constexpr std::string_view kCircuitSpace = "MNI152NLin6Asym";

// --- Label atlases
// --------------------------------------------------------------------------------
struct AtlasRoute {
  AtlasInfo atlas;
  TemplateInfo target;
  std::optional<WarpRequest> warp; // atlas's space -> target; absent when they are the same
};
// ErrorKind::usage when no template of the atlas's space is on the machine.
[[nodiscard]] AtlasRoute atlas_route(const AtlasInfo& atlas, const TemplateInfo& target,
                                     const std::vector<TemplateInfo>& templates);
// For atlases of other kinds than labels.
struct OtherAtlasParams {
  map_atlas::Params maps;
  spheres::Params spheres;
};
// `warp`: the computed route.warp, nullptr when none was asked for. Of an atlas of labels the
// regions with too few voxels are left out; of the other kinds every region is kept, the empty ones
// named in a note.
[[nodiscard]] RegionSet atlas_regions(const AtlasRoute& route, const SpaceMap* warp,
                                      const Grid& target_grid, const label_atlas::Params& params,
                                      const Context& context, const OtherAtlasParams& other = {});

// The rows of a label table for an image whose largest label is known (0: it is not).
[[nodiscard]] std::vector<LabelRow> read_label_table(const std::filesystem::path& path,
                                                     int n_labels);
// The maps of a series of images as regions on a grid, named by the table (rows 1 to the number of
// maps), else "map-<n>". One map at a time is in memory. A note says when they were interpolated.
// ErrorKind::input: a table of another length.
struct MapFiles {
  std::filesystem::path image;
  std::filesystem::path table; // empty: numbers
  std::string name;            // of the set
};
[[nodiscard]] RegionSet map_regions(const MapFiles& files, const Grid& target_grid,
                                    const PointMap* target_to_atlas,
                                    const map_atlas::Params& params, const Context& context);

// --- The 28 circuit regions
// -----------------------------------------------------------------------
enum class CircuitSource { facts, masks };

struct CircuitRoute {
  CircuitSource source = CircuitSource::facts;
  TemplateInfo target;
  std::filesystem::path mask_folder;     // source masks
  std::vector<Placement> table;          // facts: positions from configs/spaces; else empty
  std::optional<WarpRequest> facts_warp; // NLin6 -> target; absent with a table or equal spaces
  std::optional<AtlasRoute> amygdala;    // AAL; absent: spheres instead
  std::vector<std::string> notes;
};
// By the target's sha256 in configs/spaces/nlin6_points.tsv, else by a warp from an NLin6 template
// of the machine, else ErrorKind::usage saying what to provide. `mask_folder` "": from facts. Masks
// need the warp (or an NLin6 target).
[[nodiscard]] CircuitRoute circuit_route(const TemplateInfo& target,
                                         const std::vector<TemplateInfo>& templates,
                                         const std::vector<AtlasInfo>& atlases,
                                         const std::filesystem::path& mask_folder);
// `facts_warp`, `amygdala_warp`: the computed warps the route asks for, else nullptr.
[[nodiscard]] RegionSet circuit_region_set(const CircuitRoute& route, const SpaceMap* facts_warp,
                                           const SpaceMap* amygdala_warp, const Grid& target_grid,
                                           const circuit_regions::Params& params,
                                           const Context& context);

// The committed facts, configs/regions/circuit_regions.tsv.
[[nodiscard]] std::vector<CircuitFact> load_circuit_facts();

// Rows of configs/spaces/nlin6_points.tsv for the template with this sha256, in the order of
// `facts`; nothing when the template is not in the table.
[[nodiscard]] std::optional<std::vector<Placement>>
carried_placements(const std::string& sha256, const std::vector<CircuitFact>& facts);

} // namespace boldmill::spaces
