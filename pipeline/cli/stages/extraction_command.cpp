// boldmill stage extraction BOLD.nii.gz --atlas LABELS.nii.gz [--labels LABELS.tsv] --out TS.tsv
// boldmill stage extraction X.dtseries.nii --atlas Y.dlabel.nii --out TS.tsv
// boldmill stage extraction X.ptseries.nii --out TS.tsv
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <iostream>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "pipeline/bids/files.hpp"
#include "pipeline/bids/text.hpp"
#include "pipeline/bids/tsv.hpp"
#include "pipeline/cli/stage_command.hpp"
#include "pipeline/graph/region_series.hpp"
#include "pipeline/image_io/cifti.hpp"
#include "pipeline/image_io/nifti.hpp"
#include "pipeline/spaces/cifti_regions.hpp"
#include "pipeline/spaces/files.hpp"
#include "pipeline/spaces/region_sources.hpp"
#include "stages/regions/extraction.hpp"
#include "stages/regions/label_table.hpp"

namespace boldmill::cli {
namespace {

namespace fs = std::filesystem;

struct Options {
  std::string bold;
  std::vector<std::string> atlases;
  std::vector<std::string> labels; // of each atlas, "-" for none
  std::string mask;
  std::string out;
  std::string coverage;
  int map = 1;
  double smoothing_mm = 0.0;
  extraction::Params params;
  map_atlas::Params maps;
  spheres::Params spheres;
};

void warn(const std::string& text) {
  std::cerr << "warning: " << bids::display(text, 1000) << '\n';
}

std::string listed(const std::vector<std::string>& names) {
  constexpr std::size_t kShown = 8;
  std::string text;
  for (std::size_t i = 0; i < std::min(names.size(), kShown); ++i) {
    text += (i == 0 ? "" : ", ") + names[i];
  }
  return names.size() <= kShown ? text
                                : text + " and " + std::to_string(names.size() - kShown) + " more";
}

// Every row of the table, in its order; without a table every label of the image.
RegionSet label_set(const std::string& image, const std::string& table_path, const Grid& grid,
                    const Options& options, const Context& context) {
  RegionSet set;
  set.name = spaces::stem_of(image);
  set.grid = grid;
  const LabelImage own = image_io::read_labels(image);
  std::vector<LabelRow> table;
  if (!table_path.empty()) {
    const int largest = own.data.empty() ? 0 : std::ranges::max(own.data);
    table = parse_label_table(bids::read_file(table_path), table_path, std::max(largest, 0));
  }
  std::map<std::int32_t, bool> in_table; // labels of the image
  for (const std::int32_t label : own.data) {
    if (label != 0) in_table.emplace(label, false);
  }
  bool resampled = false;
  const LabelImage labels = extraction::labels_on_grid(own, grid, context, resampled);
  if (resampled) {
    warn(image + ": not on the grid of " + options.bold +
         "; labels are resampled to it (nearest neighbour)");
  }
  std::vector<std::int32_t> values;
  for (const LabelRow& row : table) values.push_back(row.index);
  set.regions = extraction::regions_from_labels(labels, values);
  for (std::size_t r = 0; r < table.size(); ++r) set.regions[r].label = table[r].name;
  if (set.regions.empty()) throw Error(ErrorKind::input, image + ": no label in the image");
  if (!table.empty()) {
    std::vector<std::string> without_voxels, without_row;
    for (const LabelRow& row : table) {
      const auto found = in_table.find(row.index);
      if (found == in_table.end()) {
        without_voxels.push_back(row.name);
      } else {
        found->second = true;
      }
    }
    for (const auto& [label, known] : in_table) {
      if (!known) without_row.push_back(std::to_string(label));
    }
    if (!without_voxels.empty()) {
      warn(table_path + ": rows without a voxel in the atlas: " + listed(without_voxels));
    }
    if (!without_row.empty()) {
      warn(table_path + ": labels of the atlas without a row are left out: " + listed(without_row));
    }
  }
  name_regions(set);
  return set;
}

RegionSet one_set(const std::string& path, const std::string& table, const Grid& grid,
                  const Options& options, const Context& context) {
  const std::string name = spaces::stem_of(path);
  const std::string extension = fs::path(path).extension().string();
  if (extension == ".tsv" || extension == ".csv" || extension == ".txt") {
    const std::vector<spheres::Seed> seeds = spheres::parse_seeds(bids::read_file(path), path);
    return spheres::run({.seeds = seeds, .target = &grid, .name = name}, options.spheres, context);
  }
  if (image_io::read_header(path).n_volumes > 1) {
    return spaces::map_regions({path, table, name}, grid, nullptr, options.maps, context);
  }
  return label_set(path, table, grid, options, context);
}

RegionSet read_regions(const Options& options, const Grid& grid, const Context& context) {
  if (!options.labels.empty() && options.labels.size() != options.atlases.size()) {
    throw Error(ErrorKind::usage, "--labels: found " + std::to_string(options.labels.size()) +
                                      " tables for " + std::to_string(options.atlases.size()) +
                                      " atlases, expected one for each (- for none)");
  }
  std::vector<RegionSet> sets;
  for (std::size_t i = 0; i < options.atlases.size(); ++i) {
    const std::string table =
        options.labels.empty() || options.labels[i] == "-" ? std::string() : options.labels[i];
    sets.push_back(one_set(options.atlases[i], table, grid, options, context));
  }
  RegionSet set = sets.size() == 1 ? std::move(sets.front()) : united(std::move(sets), "atlases");
  for (const std::string& note : set.notes) warn(note);
  return set;
}

void write_series(const std::string& path, const std::vector<std::string>& names,
                  const Eigen::MatrixXf& series) {
  bids::TableWriter table;
  const auto n_volumes = static_cast<std::size_t>(series.rows());
  for (std::size_t r = 0; r < names.size(); ++r) {
    const float* column = series.data() + r * n_volumes;
    table.numbers(names[r], std::span<const float>(column, n_volumes));
  }
  table.write(path);
}

void write_coverage(const std::string& path, const std::vector<Region>& regions,
                    const extraction::Outputs& outputs) {
  std::vector<std::int64_t> index;
  std::vector<std::string> names;
  for (const Region& region : regions) {
    index.push_back(region.index);
    names.push_back(region.label);
  }
  const std::vector<std::int64_t> n_voxels(outputs.n_voxels.begin(), outputs.n_voxels.end());
  const std::span<const double> coverage(outputs.coverage.data(), regions.size());
  bids::TableWriter table;
  table.integers("index", index).text("name", names);
  table.integers("n_voxels", n_voxels).numbers("coverage", coverage);
  table.write(path);
}

void write_outputs(const Options& options, const std::vector<Region>& regions,
                   const extraction::Outputs& outputs) {
  std::vector<std::string> names, missing;
  for (std::size_t r = 0; r < regions.size(); ++r) {
    names.push_back(regions[r].label);
    const auto column = outputs.parcel_series.col(static_cast<Eigen::Index>(r));
    if (column.array().isNaN().all()) missing.push_back(regions[r].label);
  }
  if (!missing.empty()) {
    warn(std::to_string(missing.size()) + " of " + std::to_string(regions.size()) +
         " regions are missing (no voxels, or coverage below " +
         bids::format_number(options.params.min_coverage) + "): " + listed(missing));
  }
  write_series(options.out, names, outputs.parcel_series);
  if (!options.coverage.empty()) write_coverage(options.coverage, regions, outputs);
}

void extract_volumes(const Options& options, const Context& context) {
  const image_io::NiftiHeader header = image_io::read_header(options.bold);
  const RegionSet set = read_regions(options, header.grid, context);
  std::optional<Mask> mask;
  if (!options.mask.empty()) {
    mask = image_io::read_mask(options.mask);
    if (!mask->grid.same_as(header.grid)) {
      throw Error(ErrorKind::input, options.mask + ": not on the grid of " + options.bold);
    }
  }
  std::vector<Region> regions = set.regions;
  std::vector<double> coverage; // of what is averaged, when that is smoothed
  if (options.smoothing_mm > 0.0) {
    if (options.params.statistic != "mean") {
      throw Error(ErrorKind::usage,
                  "--smoothing: found --statistic " + options.params.statistic + ", expected mean");
    }
    graph::smooth_regions(
        regions, mask ? std::span<const std::uint8_t>(mask->data) : std::span<const std::uint8_t>(),
        header.grid, options.smoothing_mm, options.params.min_coverage, coverage);
  }
  const bool masked = mask && coverage.empty();
  extraction::ParcelAccumulator accumulator(
      regions, header.grid.n_voxels(), masked ? &*mask : nullptr, header.n_volumes, options.params);
  const image_io::ReadReport seen =
      image_io::for_each_block(options.bold, context, [&](const image_io::SeriesBlock& block) {
        accumulator.add(block.volume, block.begin, block.values);
      });
  for (const std::string& note : seen.header.notes) warn(options.bold + ": " + note);
  extraction::Outputs outputs = accumulator.finish(context);
  for (std::size_t r = 0; r < coverage.size(); ++r) {
    outputs.coverage[static_cast<Eigen::Index>(r)] = coverage[r];
    outputs.n_voxels[r] = static_cast<int>(set.regions[r].voxels.size());
  }
  write_outputs(options, set.regions, outputs);
}

void extract_grayordinates(const Options& options, const Context& context) {
  if (options.atlases.size() != 1 ||
      image_io::cifti_kind(options.atlases[0]) != image_io::CiftiKind::dense_labels) {
    throw Error(ErrorKind::usage, options.bold + ": expected one --atlas, a .dlabel.nii");
  }
  if (!options.mask.empty() || !options.labels.empty()) {
    throw Error(ErrorKind::usage, options.bold +
                                      ": --mask and --labels are for volumes; a .dlabel.nii "
                                      "brings its own table");
  }
  const spaces::DenseParcels parcels = spaces::parcellate(
      {options.bold, options.atlases[0], options.map - 1}, options.params, context);
  for (const std::string& note : parcels.notes) warn(note);
  write_outputs(options, parcels.regions, parcels.outputs);
}

void extract_parcels(const Options& options, const Context& context) {
  if (!options.atlases.empty() || !options.mask.empty() || !options.coverage.empty()) {
    throw Error(ErrorKind::usage, options.bold + ": its parcels are written as they are, without "
                                                 "--atlas, --mask and --coverage");
  }
  const image_io::ParcelSeries parcels = image_io::read_parcel_series(options.bold, context);
  write_series(options.out, parcels.names, parcels.series);
}

void run_extraction(const Options& options) {
  const Context context = process_context();
  switch (image_io::cifti_kind(options.bold)) {
  case image_io::CiftiKind::dense_series: return extract_grayordinates(options, context);
  case image_io::CiftiKind::parcel_series: return extract_parcels(options, context);
  default: break;
  }
  if (options.atlases.empty()) {
    throw Error(ErrorKind::usage, options.bold + ": expected --atlas, found none");
  }
  extract_volumes(options, context);
}

} // namespace

void add_extraction(CLI::App& stage_app) {
  const auto options = std::make_shared<Options>();
  CLI::App* app = stage_app.add_subcommand(std::string(extraction::kStage.name),
                                           std::string(extraction::kStage.summary));
  app->add_option("bold", options->bold,
                  "4-D image, .nii or .nii.gz; or CIFTI-2, .dtseries.nii or .ptseries.nii")
      ->required();
  app->add_option(
      "--atlas", options->atlases,
      "label image (0 is background), 4-D image of one map a region, or table of points "
      "(.tsv, .csv, .txt: label x y z [radius], mm); several are one set of regions; "
      "for .dtseries.nii a .dlabel.nii");
  app->add_option("--labels", options->labels,
                  "table with the columns index and name for each atlas, - for none: the order and "
                  "names of the regions");
  app->add_option("--map", options->map, "map of the .dlabel.nii, from 1")
      ->check(CLI::Range(1, 1000000))
      ->capture_default_str();
  app->add_option("--mask", options->mask, "voxels that hold signal, on the grid of the series");
  app->add_option("--smoothing", options->smoothing_mm,
                  "width of the Gaussian applied to the volumes first, FWHM [mm]; 0 is none")
      ->check(CLI::Range(0.0, 100.0));
  app->add_option("--out", options->out, "table of volumes by regions (TSV)")->required();
  app->add_option("--coverage", options->coverage, "table of regions with their coverage (TSV)");
  add_params(*app, options->params);
  add_params(*app, options->maps);
  add_params(*app, options->spheres);
  app->callback([options] { run_extraction(*options); });
}

} // namespace boldmill::cli
