#include "pipeline/graph/target_space.hpp"

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "pipeline/config/taxonomy_json.hpp"
#include "pipeline/graph/archives.hpp"
#include "pipeline/graph/definition_regions.hpp"
#include "pipeline/graph/region_series.hpp"
#include "pipeline/image_io/digest.hpp"
#include "pipeline/spaces/cifti_regions.hpp"
#include "pipeline/spaces/files.hpp"
#include "pipeline/spaces/region_sources.hpp"
#include "stages/core/interpolate.hpp"
#include "stages/core/morphology.hpp"

namespace boldmill::graph {
namespace fs = std::filesystem;
namespace {

std::string folder_digest(const fs::path& folder) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.is_regular_file()) files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  std::string text;
  for (const fs::path& file : files) {
    text += file.filename().string() + " " + image_io::digest_file(file).sha256 + "\n";
  }
  return cache::sha256_hex(text);
}

const config::ExternalFile* file_of(const config::Config& config, const std::string& role) {
  const auto found = config.files.find(role);
  return found == config.files.end() ? nullptr : &found->second;
}

// Each warp once.
class Warps {
public:
  Warps(const config::Config& config, const cache::Cache& cache, const Context& context)
      : config_(config), cache_(cache), context_(context) {}

  const spaces::SpaceMap* of(const std::optional<spaces::WarpRequest>& request) {
    if (!request) return nullptr;
    auto& map = maps_[request->from.sha256 + request->to.sha256];
    if (map.from_name.empty()) {
      map = template_warp(config_, cache_, request->from, request->to, context_);
    }
    return &map;
  }

private:
  const config::Config& config_;
  const cache::Cache& cache_;
  const Context& context_;
  std::map<std::string, spaces::SpaceMap> maps_;
};

// What is sampled: the voxels of any region, and those that smoothing mixes in.
void index_voxels(TargetSpace& target, double reach_mm, const Context& context) {
  Mask any(target.grid, 0);
  for (const RegionSet& set : target.sets) {
    for (const Region& region : set.regions) {
      for (const std::size_t voxel : region.voxels) any.data[voxel] = 1;
    }
  }
  // A separable filter reaches further along diagonals.
  if (reach_mm > 0.0) {
    const double step_mm = target.grid.spacing_mm().maxCoeff();
    any = dilate(any, std::sqrt(3.0) * (reach_mm + step_mm), context);
  }
  target.voxels = indices_of(any);
}

std::string digest_of(const TargetSpace& target, const std::string& template_sha256) {
  cache::Archive writer;
  std::string sha = template_sha256;
  Grid grid = target.grid;
  writer(sha, grid);
  for (const RegionSet& set : target.sets) {
    std::string name = set.name;
    writer(name);
    for (const Region& region : set.regions) {
      std::string label = region.label;
      std::vector<std::size_t> voxels = region.voxels;
      writer(label, voxels);
      if (std::vector<float> weights = region.weights; !weights.empty()) writer(weights);
    }
  }
  return cache::sha256_hex(writer.bytes());
}

struct RegionRequest {
  const config::Config& config;
  const taxonomy::Taxonomy& taxonomy;
  const cache::Cache& cache;
};

// The labels of a CIFTI file, by name only: they have no place in a volume.
RegionSet dense_set(const config::ExternalFile& file) {
  const image_io::DenseLabels labels = image_io::read_dense_labels(file.path);
  RegionSet set;
  set.name = spaces::stem_of(file.path);
  set.regions = spaces::dense_regions(labels, labels.models, file.name).regions;
  for (Region& region : set.regions) region.voxels.clear();
  set.notes.push_back("labels of grayordinates, map " + labels.map_name);
  return set;
}

// The atlases of the configuration, then the circuits, on a grid in the space of `chosen`.
std::vector<RegionSet> region_sets(const RegionRequest& request,
                                   const std::vector<spaces::TemplateInfo>& templates,
                                   const spaces::TemplateInfo& chosen, const Grid& grid,
                                   const Context& context) {
  const auto& [config, taxonomy, cache] = request;
  const auto atlases = spaces::find_atlases(spaces::default_search_path());
  std::vector<RegionSet> sets;
  Warps warps(config, cache, context);
  for (const std::string& name : config.target.atlases) {
    spaces::AtlasInfo atlas;
    if (config.input.file_format == "cifti") {
      sets.push_back(dense_set(config.files.at("atlas")));
      continue;
    }
    if (name == "file") {
      spaces::AtlasFiles files;
      if (!config.files.contains("atlas")) {
        throw Error(ErrorKind::usage, "target.atlases: \"file\" needs --path atlas=FILE");
      }
      files.image = config.files.at("atlas").path;
      if (config.files.contains("atlas_labels")) files.table = config.files.at("atlas_labels").path;
      // Without a space in its name an atlas is taken to be in the target's.
      if (spaces::declared_space(files.image).empty()) files.space = chosen.space;
      atlas = spaces::atlas_from_files(files);
    } else {
      atlas = spaces::select_atlas(atlases, name);
    }
    const auto route = spaces::atlas_route(atlas, chosen, templates);
    sets.push_back(
        spaces::atlas_regions(route, warps.of(route.warp), grid, config.label_atlas, context));
  }
  const auto* masks = file_of(config, "circuit_masks");
  const auto route = spaces::circuit_route(chosen, templates, atlases,
                                           masks == nullptr ? fs::path() : fs::path(masks->path));
  const spaces::SpaceMap* facts = warps.of(route.facts_warp);
  const spaces::SpaceMap* amygdala = route.amygdala ? warps.of(route.amygdala->warp) : nullptr;
  const RegionSet published =
      spaces::circuit_region_set(route, facts, amygdala, grid, config.circuit_regions, context);
  PointMap to_target; // of the definition's coordinates
  if (has_spheres(taxonomy) && taxonomy.space != chosen.space) {
    const auto source = spaces::template_of_space(templates, taxonomy.space);
    if (!source) {
      throw Error(ErrorKind::usage, "circuit definition " + taxonomy.name +
                                        ": its spheres are given in " + taxonomy.space +
                                        ", found no template of that space to carry them to " +
                                        chosen.space);
    }
    to_target = warps.of(spaces::WarpRequest{*source, chosen})->from_to_to;
  }
  sets.push_back(definition_regions(taxonomy, published, sets, to_target, context));
  return sets;
}

} // namespace

std::vector<spaces::TemplateInfo> installed_templates(const config::Config& config) {
  std::vector<spaces::TemplateInfo> templates =
      spaces::find_templates(spaces::default_search_path());
  if (const auto* brain = file_of(config, "nlin6_brain")) {
    spaces::TemplateFiles files;
    files.brain = brain->path;
    files.space = std::string(spaces::kCircuitSpace);
    templates.insert(templates.begin(), spaces::template_from_files(files));
  }
  return templates;
}

spaces::TemplateInfo target_template(const config::Config& config,
                                     const std::vector<spaces::TemplateInfo>& templates) {
  if (const auto* brain = file_of(config, "template_brain")) {
    spaces::TemplateFiles files;
    files.brain = brain->path;
    if (const auto* mask = file_of(config, "template_mask")) files.mask = mask->path;
    if (config.target.template_name != "auto") files.space = config.target.template_name;
    return spaces::template_from_files(files);
  }
  const std::string& name = config.target.template_name;
  return spaces::select_template(templates, name == "auto" ? "default" : name);
}

spaces::SpaceMap template_warp(const config::Config& config, const cache::Cache& cache,
                               const spaces::TemplateInfo& from, const spaces::TemplateInfo& to,
                               const Context& context) {
  spaces::WarpLimits limits;
  limits.min_dice = std::max(limits.min_dice, config.target.min_template_dice);
  const std::string key =
      cache::node_key("space_map", spaces::kSpaceMapVersion,
                      config::Json(std::vector<double>{limits.min_dice, limits.min_correlation,
                                                       limits.min_jacobian})
                          .dump(),
                      {from.sha256, to.sha256});
  return cache.value<spaces::SpaceMap>(
      key, [&] { return spaces::space_map(from, to, limits, context); });
}

void identify_file(const std::string& role, config::ExternalFile& file) {
  if (file.path.empty()) {
    throw Error(ErrorKind::usage, "files." + role + ": the stored configuration names " +
                                      file.name + " (sha256 " + file.sha256.substr(0, 12) +
                                      "), give it with --path " + role + "=FILE");
  }
  std::error_code code;
  if (!fs::exists(file.path, code)) {
    throw Error(ErrorKind::usage, "files." + role + ": " + file.name + " does not exist");
  }
  const std::string sha256 = fs::is_directory(file.path, code)
                                 ? folder_digest(file.path)
                                 : image_io::digest_file(file.path).sha256;
  if (!file.sha256.empty() && file.sha256 != sha256) {
    throw Error(ErrorKind::usage, "files." + role + ": " + file.name + " has sha256 " +
                                      sha256.substr(0, 12) + ", expected " +
                                      file.sha256.substr(0, 12));
  }
  file.sha256 = sha256;
}

namespace {

taxonomy::Taxonomy read_definition(config::Config& config) {
  if (config.files.contains("taxonomy")) {
    identify_file("taxonomy", config.files.at("taxonomy"));
    return config::read_taxonomy(config.files.at("taxonomy").path);
  }
  const std::string& name = config.input.taxonomy;
  if (name.find_first_of("/\\") != std::string::npos) {
    throw Error(ErrorKind::usage, "input.taxonomy: found \"" + name +
                                      "\", expected a name; give a file with --path taxonomy=FILE");
  }
  return config::read_taxonomy(config::data_file("configs/taxonomies/" + name + ".json"));
}

} // namespace

taxonomy::Taxonomy load_taxonomy(config::Config& config) {
  return config::with_task_names(read_definition(config), config.tasks);
}

TargetSpace prepare_target(config::Config& config, const taxonomy::Taxonomy& taxonomy,
                           const cache::Cache& cache, const Context& context) {
  for (auto& [role, file] : config.files) identify_file(role, file);
  const auto templates = installed_templates(config);
  const spaces::TemplateInfo chosen = target_template(config, templates);

  TargetSpace target;
  target.name = chosen.name;
  target.space = chosen.space;
  target.note = chosen.note;
  spaces::TemplateImages images = spaces::load_template(chosen);
  target.brain = std::move(images.brain);
  target.mask = std::move(images.mask);
  target.grid = regular_grid_over(target.brain.grid, config.target.spacing_mm);

  target.sets = region_sets({config, taxonomy, cache}, templates, chosen, target.grid, context);
  for (const RegionSet& set : target.sets) {
    target.notes.insert(target.notes.end(), set.notes.begin(), set.notes.end());
  }
  index_voxels(target, smoothing_reach_mm(config), context);
  cache::Archive mask_bytes;
  mask_bytes(target.mask);
  target.template_key = cache::sha256_hex(chosen.sha256 + cache::sha256_hex(mask_bytes.bytes()));
  target.key = digest_of(target, target.template_key);
  target.priors = cache.value<tissue::Priors>(
      cache::node_key("tissue_priors", tissue::kStage.version, "{}", {target.template_key}),
      [&] { return tissue::template_priors(target.brain, target.mask, context); });
  return target;
}

std::shared_ptr<const GridRegions::Sets> regions_on(const Study& study, const Grid& grid,
                                                    const Context& context) {
  if (auto known = study.grid_regions.find(grid)) return known;
  const auto templates = installed_templates(study.config);
  const spaces::TemplateInfo chosen = target_template(study.config, templates);
  const std::vector<RegionSet> made =
      region_sets({study.config, study.taxonomy, study.cache}, templates, chosen, grid, context);
  auto sets = std::make_shared<GridRegions::Sets>();
  for (std::size_t s = 0; s < study.target.sets.size(); ++s) {
    std::vector<Region>& regions = sets->emplace_back();
    for (const Region& wanted : study.target.sets[s].regions) {
      const auto found =
          std::find_if(made[s].regions.begin(), made[s].regions.end(),
                       [&](const Region& region) { return region.label == wanted.label; });
      Region& region = regions.emplace_back();
      if (found != made[s].regions.end()) region = *found;
      region.label = wanted.label;
      region.index = wanted.index;
    }
  }
  study.grid_regions.keep(grid, sets);
  return sets;
}

std::vector<store::AtlasRecord> atlas_records(const TargetSpace& target) {
  std::vector<store::AtlasRecord> records;
  for (const RegionSet& set : target.sets) {
    store::AtlasRecord record;
    record.name = set.name;
    record.space = target.space;
    for (const std::string& note : set.notes) {
      record.description += (record.description.empty() ? "" : "; ") + note;
    }
    if (!target.note.empty()) {
      record.description += (record.description.empty() ? "" : "; ") + target.note;
    }
    for (const Region& region : set.regions) {
      record.label.push_back(region.label);
      record.index.push_back(region.index);
      record.x_mm.push_back(region.center_mm[0]);
      record.y_mm.push_back(region.center_mm[1]);
      record.z_mm.push_back(region.center_mm[2]);
      record.n_voxels.push_back(static_cast<std::int32_t>(region.voxels.size()));
    }
    records.push_back(std::move(record));
  }
  return records;
}

} // namespace boldmill::graph
