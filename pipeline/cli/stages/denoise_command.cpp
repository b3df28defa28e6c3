// boldmill stage denoise BOLD.nii.gz --mask M --confounds C.tsv --strategy 36P --tr S --out
// OUT.nii.gz boldmill stage denoise TS.tsv --confounds C.tsv --tr S --out OUT.tsv
#include <cmath>
#include <iostream>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "pipeline/bids/text.hpp"
#include "pipeline/bids/tsv.hpp"
#include "pipeline/cli/stage_command.hpp"
#include "pipeline/image_io/nifti.hpp"
#include "stages/denoise/nuisance_regression.hpp"

namespace boldmill::cli {
namespace {

namespace regression = nuisance_regression;

struct Options {
  std::string input, mask, confounds, out;
  double tr_s = 0.0;
  int n_dummy = 0;
  regression::Params params;
};

regression::Design design_of(const Options& options) {
  const bids::Table table = bids::read_tsv(options.confounds);
  std::vector<std::string> names;
  for (std::size_t c = 0; c < table.n_columns(); ++c) {
    if (table.is_numeric(c)) names.push_back(table.names()[c]);
  }
  const Eigen::MatrixXd values = table.matrix(names);
  const regression::DesignInputs inputs{.confound_names = &names,
                                        .confounds = {values.data(), values.rows(), values.cols()},
                                        .keep = {},
                                        .n_dummy = options.n_dummy,
                                        .tr_s = options.tr_s};
  regression::Design design = regression::make_design(inputs, options.params);
  for (const std::string& name : design.dropped) {
    std::cerr << "warning: column " << bids::display(name, 200) << " is linearly dependent\n";
  }
  if (!design.warning.empty()) std::cerr << "warning: " << design.warning << '\n';
  std::cerr << design.n_kept << " of " << design.keep.size() << " volumes kept, " << design.dof_left
            << " degrees of freedom left\n";
  return design;
}

void check_length(const Options& options, const regression::Design& design, std::size_t found) {
  if (found == design.keep.size()) return;
  throw Error(ErrorKind::input, options.input + ": found " + std::to_string(found) +
                                    " volumes, expected the " + std::to_string(design.keep.size()) +
                                    " rows of " + options.confounds);
}

// Volumes not kept stay in a table as n/a: the time axis is whole.
void denoise_table(const Options& options, const Context& context) {
  const regression::Design design = design_of(options);
  const bids::Table table = bids::read_tsv(options.input);
  Eigen::MatrixXf series = table.matrix().cast<float>();
  check_length(options, design, table.n_rows());
  regression::run_in_place({series.data(), series.rows(), series.cols()}, design, options.params,
                           context);
  bids::write_tsv(options.out, table.names(), series.cast<double>());
}

// The file holds the volumes kept, zero outside the mask and where a voxel is constant.
void denoise_image(const Options& options, const Context& context) {
  const regression::Design design = design_of(options);
  const image_io::NiftiHeader header = image_io::read_header(options.input);
  check_length(options, design, static_cast<std::size_t>(header.n_volumes));
  const Mask mask = image_io::read_mask(options.mask);
  if (!mask.grid.same_as(header.grid)) {
    throw Error(ErrorKind::input, options.mask + ": not on the grid of " + options.input);
  }
  const std::vector<std::size_t> voxels = indices_of(mask);
  Eigen::MatrixXf series(header.n_volumes, static_cast<Eigen::Index>(voxels.size()));
  image_io::for_each_volume(options.input, context, [&](int t, std::span<const float> volume) {
    for (std::size_t v = 0; v < voxels.size(); ++v) {
      series(t, static_cast<Eigen::Index>(v)) = volume[voxels[v]];
    }
  });
  regression::run_in_place({series.data(), series.rows(), series.cols()}, design, options.params,
                           context);
  // Gaps make a single repetition time untrue.
  const bool gaps = design.n_kept + design.n_dummy < header.n_volumes;
  const double tr_s = gaps ? std::numeric_limits<double>::quiet_NaN() : options.tr_s;
  image_io::SeriesWriter writer(options.out, header.grid, design.n_kept, tr_s);
  std::vector<float> volume(header.grid.n_voxels(), 0.0F);
  for (Eigen::Index t = 0; t < series.rows(); ++t) {
    if (design.keep[static_cast<std::size_t>(t)] == 0) continue;
    for (std::size_t v = 0; v < voxels.size(); ++v) {
      const float value = series(t, static_cast<Eigen::Index>(v));
      volume[voxels[v]] = std::isfinite(value) ? value : 0.0F;
    }
    writer.append(volume);
  }
  writer.close();
}

void run_denoise(const Options& options) {
  const Context context = process_context();
  if (options.input.ends_with(".tsv")) return denoise_table(options, context);
  if (options.mask.empty()) throw Error(ErrorKind::usage, "--mask is needed for an image");
  denoise_image(options, context);
}

} // namespace

void add_denoise(CLI::App& stage_app) {
  const auto options = std::make_shared<Options>();
  CLI::App* app = stage_app.add_subcommand("denoise", std::string(regression::kStage.summary));
  app->add_option("input", options->input, "4-D image, or a table of volumes by regions (.tsv)")
      ->required();
  app->add_option("--mask", options->mask, "voxels to denoise, on the grid of the image");
  app->add_option("--confounds", options->confounds, "table with fMRIPrep's column names (TSV)")
      ->required();
  app->add_option("--tr", options->tr_s, "repetition time [s]")->required();
  app->add_option("--dummy-scans", options->n_dummy, "volumes before steady state, dropped");
  app->add_option("--out", options->out, "image of the volumes kept, or table of all volumes")
      ->required();
  add_params(*app, options->params);
  app->callback([options] { run_denoise(*options); });
}

} // namespace boldmill::cli
