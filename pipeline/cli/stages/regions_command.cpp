// boldmill stage regions {circuits | AAL | FILE} --out PREFIX [--target TEMPLATE]
#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "pipeline/bids/text.hpp"
#include "pipeline/bids/tsv.hpp"
#include "pipeline/cli/stage_command.hpp"
#include "pipeline/image_io/nifti.hpp"
#include "pipeline/spaces/region_sources.hpp"

namespace boldmill::cli {
namespace {

namespace fs = std::filesystem;

struct Options {
  std::string what = "circuits";
  std::string what_space;
  std::string labels;
  std::string masks;
  std::string target = "default";
  std::string target_space;
  std::string nlin6_brain;
  double spacing_mm = 2.0;
  std::string out;
  label_atlas::Params atlas;
  spaces::OtherAtlasParams other;
  circuit_regions::Params circuits;
};

void warn(const std::string& text) { std::cerr << "note: " << bids::display(text, 2000) << '\n'; }

bool is_file(const std::string& text) { return fs::is_regular_file(text); }

// What is on the machine, and the template regions are wanted on.
struct Places {
  std::vector<spaces::TemplateInfo> templates;
  std::vector<spaces::AtlasInfo> atlases;
  spaces::TemplateInfo target;
};

Places places_of(const Options& options) {
  const spaces::SearchPath search = spaces::default_search_path();
  Places places{spaces::find_templates(search), spaces::find_atlases(search), {}};
  if (!options.nlin6_brain.empty()) {
    spaces::TemplateInfo nlin6 = spaces::template_from_files(
        {.brain = options.nlin6_brain, .space = std::string(spaces::kCircuitSpace)});
    places.templates.push_back(std::move(nlin6));
  }
  places.target =
      is_file(options.target)
          ? spaces::template_from_files({.brain = options.target, .space = options.target_space})
          : spaces::select_template(places.templates, options.target);
  return places;
}

std::optional<spaces::SpaceMap> computed(const std::optional<spaces::WarpRequest>& request,
                                         const Context& context) {
  if (!request) return std::nullopt;
  return spaces::space_map(request->from, request->to, {}, context);
}

RegionSet build(const Options& options, const Places& places, const Context& context) {
  const Grid grid =
      regular_grid_over(image_io::read_header(places.target.brain_path).grid, options.spacing_mm);
  if (options.what == "circuits") {
    const spaces::CircuitRoute route =
        spaces::circuit_route(places.target, places.templates, places.atlases, options.masks);
    const auto facts = computed(route.facts_warp, context);
    const auto amygdala = route.amygdala ? computed(route.amygdala->warp, context) : std::nullopt;
    return spaces::circuit_region_set(route, facts ? &*facts : nullptr,
                                      amygdala ? &*amygdala : nullptr, grid, options.circuits,
                                      context);
  }
  const spaces::AtlasInfo atlas =
      is_file(options.what)
          ? spaces::atlas_from_files(
                {.image = options.what, .table = options.labels, .space = options.what_space})
          : spaces::select_atlas(places.atlases, options.what, places.target.space);
  const spaces::AtlasRoute route = spaces::atlas_route(atlas, places.target, places.templates);
  const auto warp = computed(route.warp, context);
  return spaces::atlas_regions(route, warp ? &*warp : nullptr, grid, options.atlas, context,
                               options.other);
}

std::string aliases_of(const RegionSet& set, std::size_t region) {
  std::string text;
  for (const auto& [code, at] : set.codes) {
    if (at != region || code == set.regions[region].label) continue;
    text += (text.empty() ? "" : ",") + code;
  }
  return text;
}

void write_table(const std::string& path, const RegionSet& set, const LabelLayers& layers) {
  std::vector<std::int64_t> index, layer, n_voxels;
  std::vector<std::string> name, aliases, description;
  std::vector<double> x, y, z, volume, expected;
  for (std::size_t r = 0; r < set.regions.size(); ++r) {
    const Region& region = set.regions[r];
    index.push_back(region.index);
    layer.push_back(static_cast<std::int64_t>(layers.layer[r]) + 1);
    n_voxels.push_back(static_cast<std::int64_t>(region.voxels.size()));
    name.push_back(region.label);
    aliases.push_back(aliases_of(set, r));
    description.push_back(region.description);
    x.push_back(region.center_mm.x());
    y.push_back(region.center_mm.y());
    z.push_back(region.center_mm.z());
    volume.push_back(region.volume_mm3);
    expected.push_back(region.expected_dice);
  }
  bids::TableWriter table;
  table.integers("index", index).text("name", name);
  table.text("aliases", aliases).text("description", description);
  table.integers("layer", layer).integers("n_voxels", n_voxels);
  table.numbers("x", x).numbers("y", y).numbers("z", z);
  table.numbers("volume_mm3", volume).numbers("expected_dice", expected);
  table.write(path);
}

void run_regions(const Options& options) {
  const Context context = process_context();
  const Places places = places_of(options);
  const RegionSet set = build(options, places, context);
  const LabelLayers layers = label_layers(set);
  const image_io::WriteOptions how{.space_code = 4, .description = "space " + set.space};
  for (std::size_t l = 0; l < layers.images.size(); ++l) {
    const std::string layer =
        layers.images.size() == 1 ? "" : "_desc-layer" + std::to_string(l + 1);
    image_io::write_labels(options.out + layer + "_dseg.nii.gz", layers.images[l], how);
  }
  write_table(options.out + "_dseg.tsv", set, layers);
  std::cout << set.regions.size() << " regions of " << set.name << " in " << set.space << " on "
            << places.target.name << ", " << layers.images.size() << " label image"
            << (layers.images.size() == 1 ? "" : "s") << '\n';
  for (const std::string& note : set.notes) warn(note);
}

} // namespace

void add_regions(CLI::App& stage_app) {
  const auto options = std::make_shared<Options>();
  CLI::App* app = stage_app.add_subcommand(
      "regions", "the regions of an atlas or the circuit regions as label images on a template");
  app->add_option(
         "set", options->what,
         "circuits, an atlas of this machine by name, a label image, a 4-D image of one map a "
         "region, or a table of points (.tsv, .csv, .txt: label x y z [radius], mm)")
      ->capture_default_str();
  app->add_option("--set-space", options->what_space,
                  "space of the label image; by default from space- or tpl- of its name");
  app->add_option("--labels", options->labels, "table with the names of the label image");
  app->add_option("--masks", options->masks, "folder with the 28 published masks, for circuits");
  app->add_option("--target", options->target,
                  "template by name or space, or a brain image with its space in --target-space")
      ->capture_default_str();
  app->add_option("--target-space", options->target_space, "space of the target image");
  app->add_option("--nlin6-brain", options->nlin6_brain,
                  "MNI152NLin6Asym brain that carries regions of that space to the target");
  app->add_option("--spacing-mm", options->spacing_mm, "voxel size of the result [mm]")
      ->capture_default_str()
      ->check(CLI::Range(0.5, 10.0));
  app->add_option("--out", options->out, "prefix of PREFIX_dseg.nii.gz and PREFIX_dseg.tsv")
      ->required();
  add_params(*app, options->atlas);
  add_params(*app, options->other.maps);
  add_params(*app, options->other.spheres);
  add_params(*app, options->circuits);
  app->callback([options] { run_regions(*options); });
}

} // namespace boldmill::cli
