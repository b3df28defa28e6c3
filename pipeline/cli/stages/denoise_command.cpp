// boldmill stage denoise BOLD.nii.gz --mask M --confounds C.tsv --strategy 36P --tr S --out
// O.nii.gz
//   [--despike] [--alff A.nii.gz] [--reho R.nii.gz] [--smoothing MM --smoothed S.nii.gz]
// boldmill stage denoise TS.tsv --confounds C.tsv --tr S --out OUT.tsv
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "pipeline/bids/text.hpp"
#include "pipeline/bids/tsv.hpp"
#include "pipeline/cli/stage_command.hpp"
#include "pipeline/graph/voxel_path.hpp"
#include "pipeline/image_io/nifti.hpp"
#include "stages/denoise/nuisance_regression.hpp"

namespace boldmill::cli {
namespace {

namespace regression = nuisance_regression;

struct Options {
  std::string input, mask, confounds, out;
  std::string smoothed, alff, reho;
  std::vector<std::string> voxelwise; // series of the same shape, removed besides
  double tr_s = 0.0;
  double smoothing_mm = 0.0;
  int n_dummy = 0;
  bool despike = false;
  regression::Params params;
  despike::Params despike_params;
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
                                        .tr_s = options.tr_s,
                                        .n_voxelwise = static_cast<int>(options.voxelwise.size())};
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

std::vector<Eigen::Map<const Eigen::MatrixXf>> views(const std::vector<Eigen::MatrixXf>& series) {
  std::vector<Eigen::Map<const Eigen::MatrixXf>> out;
  for (const Eigen::MatrixXf& each : series)
    out.emplace_back(each.data(), each.rows(), each.cols());
  return out;
}

// Volumes not kept stay in a table as n/a: the time axis is whole.
void denoise_table(const Options& options, const Context& context) {
  const regression::Design design = design_of(options);
  const bids::Table table = bids::read_tsv(options.input);
  Eigen::MatrixXf series = table.matrix().cast<float>();
  check_length(options, design, table.n_rows());
  std::vector<Eigen::MatrixXf> more;
  for (const std::string& path : options.voxelwise) {
    more.push_back(bids::read_tsv(path).matrix(table.names()).cast<float>());
    if (more.back().rows() == series.rows()) continue;
    throw Error(ErrorKind::input, path + ": found " + std::to_string(more.back().rows()) +
                                      " volumes, expected " + std::to_string(series.rows()));
  }
  regression::run_in_place({series.data(), series.rows(), series.cols()}, design, options.params,
                           context, views(more));
  bids::write_tsv(options.out, table.names(), series.cast<double>());
}

// ALFF is taken over the pass band; without one over its default.
void denoise_image(const Options& options, const Context& context) {
  graph::VoxelPath path;
  path.bold = options.input;
  path.design = design_of(options);
  path.nuisance = options.params;
  path.voxelwise.assign(options.voxelwise.begin(), options.voxelwise.end());
  const image_io::NiftiHeader header = image_io::read_header(options.input);
  check_length(options, path.design, static_cast<std::size_t>(header.n_volumes));
  path.mask = image_io::read_mask(options.mask);
  if (!path.mask.grid.same_as(header.grid)) {
    throw Error(ErrorKind::input, options.mask + ": not on the grid of " + options.input);
  }
  path.mask.grid = header.grid;
  if (options.despike) path.despike = options.despike_params;
  path.smoothing_mm = options.smoothing_mm;
  if (options.params.high_pass_hz > 0.0) path.alff.low_hz = options.params.high_pass_hz;
  if (options.params.low_pass_hz > 0.0) path.alff.high_hz = options.params.low_pass_hz;
  graph::write_voxel_images(path, {options.out, options.smoothed, options.alff, options.reho},
                            context);
}

void run_denoise(const Options& options) {
  const Context context = process_context();
  if (options.input.ends_with(".tsv")) {
    if (options.despike || !(options.smoothed + options.alff + options.reho).empty()) {
      throw Error(ErrorKind::usage,
                  "--despike, --smoothed, --alff and --reho: found a table, expected an image");
    }
    return denoise_table(options, context);
  }
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
  app->add_option(
      "--voxelwise", options->voxelwise,
      "series of the same shape (images, or tables of the same regions) whose value in a "
      "voxel is removed from that voxel, such as rapidtide's desc-LFO_timeseries");
  app->add_option("--tr", options->tr_s, "repetition time [s]")->required();
  app->add_option("--dummy-scans", options->n_dummy, "volumes before steady state, dropped");
  app->add_option("--out", options->out, "image of the volumes kept, or table of all volumes")
      ->required();
  app->add_flag("--despike", options->despike, "image: pull in the spikes of every voxel first");
  app->add_option("--alff", options->alff,
                  "image: amplitude in the pass band, in units of the image (with --standardize "
                  "false)");
  app->add_option("--reho", options->reho, "image: Kendall's W of the denoised neighbours");
  CLI::Option* smoothing =
      app->add_option("--smoothing", options->smoothing_mm, "width of --smoothed, FWHM [mm]")
          ->check(CLI::Range(0.1, 100.0));
  app->add_option("--smoothed", options->smoothed, "image: the denoised volumes, smoothed")
      ->needs(smoothing);
  add_params(*app, options->params);
  add_params(*app, options->despike_params);
  app->callback([options] { run_denoise(*options); });
}

} // namespace boldmill::cli
