// boldmill stage extraction BOLD.nii.gz --atlas LABELS.nii.gz [--labels LABELS.tsv] --out TS.tsv
#include <algorithm>
#include <cstdint>
#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "pipeline/bids/files.hpp"
#include "pipeline/bids/text.hpp"
#include "pipeline/bids/tsv.hpp"
#include "pipeline/cli/stage_command.hpp"
#include "pipeline/image_io/nifti.hpp"
#include "stages/regions/extraction.hpp"
#include "stages/regions/label_table.hpp"

namespace boldmill::cli {
namespace {

struct Options {
  std::string bold;
  std::string atlas;
  std::string labels;
  std::string mask;
  std::string out;
  std::string coverage;
  extraction::Params params;
};

void warn(const std::string& text) {
  std::cerr << "warning: " << bids::display(text, 1000) << '\n';
}

std::vector<Region> read_regions(const Options& options, const Grid& grid, const Context& context) {
  bool resampled = false;
  const LabelImage labels =
      extraction::labels_on_grid(image_io::read_labels(options.atlas), grid, context, resampled);
  if (resampled) {
    warn(options.atlas + ": not on the grid of " + options.bold +
         "; labels are resampled to it (nearest neighbour)");
  }
  if (options.labels.empty()) return extraction::regions_from_labels(labels);
  const std::vector<LabelRow> table =
      parse_label_table(bids::read_file(options.labels), options.labels);
  std::vector<std::int32_t> values;
  for (const LabelRow& row : table) values.push_back(row.index);
  std::vector<Region> regions = extraction::regions_from_labels(labels, values);
  for (std::size_t r = 0; r < regions.size(); ++r) regions[r].label = table[r].name;
  return regions;
}

void write_series(const std::string& path, const std::vector<Region>& regions,
                  const extraction::Outputs& outputs) {
  bids::TableWriter table;
  const auto n_volumes = static_cast<std::size_t>(outputs.parcel_series.rows());
  for (std::size_t r = 0; r < regions.size(); ++r) {
    const float* column = outputs.parcel_series.col(static_cast<Eigen::Index>(r)).data();
    table.numbers(regions[r].label, std::span<const float>(column, n_volumes));
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

void report(const Options& options, const std::vector<Region>& regions,
            const image_io::ReadReport& seen, const extraction::Outputs& outputs) {
  for (const std::string& note : seen.header.notes) warn(options.bold + ": " + note);
  std::size_t missing = 0;
  for (Eigen::Index r = 0; r < outputs.parcel_series.cols(); ++r) {
    missing += outputs.parcel_series.col(r).array().isNaN().all() ? 1U : 0U;
  }
  if (missing > 0) {
    warn(std::to_string(missing) + " of " + std::to_string(regions.size()) +
         " regions are missing: no voxels, or coverage below " +
         bids::format_number(options.params.min_coverage));
  }
}

void run_extraction(const Options& options) {
  const Context context = process_context();
  const image_io::NiftiHeader header = image_io::read_header(options.bold);
  const std::vector<Region> regions = read_regions(options, header.grid, context);
  if (regions.empty()) throw Error(ErrorKind::input, options.atlas + ": no label in the image");
  std::optional<Mask> mask;
  if (!options.mask.empty()) {
    mask = image_io::read_mask(options.mask);
    if (!mask->grid.same_as(header.grid)) {
      throw Error(ErrorKind::input, options.mask + ": not on the grid of " + options.bold);
    }
  }
  extraction::ParcelAccumulator accumulator(
      regions, header.grid.n_voxels(), mask ? &*mask : nullptr, header.n_volumes, options.params);
  const image_io::ReadReport seen =
      image_io::for_each_block(options.bold, context, [&](const image_io::SeriesBlock& block) {
        accumulator.add(block.volume, block.begin, block.values);
      });
  const extraction::Outputs outputs = accumulator.finish();
  report(options, regions, seen, outputs);
  write_series(options.out, regions, outputs);
  if (!options.coverage.empty()) write_coverage(options.coverage, regions, outputs);
}

} // namespace

void add_extraction(CLI::App& stage_app) {
  const auto options = std::make_shared<Options>();
  CLI::App* app = stage_app.add_subcommand(std::string(extraction::kStage.name),
                                           std::string(extraction::kStage.summary));
  app->add_option("bold", options->bold, "4-D image, .nii or .nii.gz")->required();
  app->add_option("--atlas", options->atlas, "label image; 0 is background")->required();
  app->add_option("--labels", options->labels,
                  "table with the columns index and name: the order and names of the regions");
  app->add_option("--mask", options->mask, "voxels that hold signal, on the grid of the series");
  app->add_option("--out", options->out, "table of volumes by regions (TSV)")->required();
  app->add_option("--coverage", options->coverage, "table of regions with their coverage (TSV)");
  add_params(*app, options->params);
  app->callback([options] { run_extraction(*options); });
}

} // namespace boldmill::cli
