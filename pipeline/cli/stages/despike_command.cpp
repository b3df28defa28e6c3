// boldmill stage despike BOLD.nii.gz --mask M --out OUT.nii.gz
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "pipeline/cli/stage_command.hpp"
#include "pipeline/image_io/nifti.hpp"
#include "stages/denoise/despike.hpp"
#include "stages/denoise/kernels/gather.hpp"

namespace boldmill::cli {
namespace {

struct Options {
  std::string bold, mask, out;
  int n_dummy = 0;
  despike::Params params;
};

void run_despike(const Options& options) {
  const Context context = process_context();
  Series bold = image_io::read_series(options.bold, context);
  const Mask mask = image_io::read_mask(options.mask);
  if (!mask.grid.same_as(bold.grid)) {
    throw Error(ErrorKind::input, options.mask + ": not on the grid of " + options.bold);
  }
  const std::vector<std::size_t> voxels = indices_of(mask);
  Eigen::MatrixXf series = gather_columns(bold, voxels);
  const auto counts = despike::run_in_place({series.data(), series.rows(), series.cols()},
                                            options.n_dummy, options.params, context);
  for (int t = 0; t < bold.n_volumes; ++t) {
    for (std::size_t v = 0; v < voxels.size(); ++v) {
      bold.volume(t)[voxels[v]] = series(t, static_cast<Eigen::Index>(v));
    }
  }
  std::cerr << counts.n_edits << " values changed, " << counts.n_large << " of them beyond "
            << options.params.cut_limit << " SD\n";
  image_io::write_series(options.out, bold);
}

} // namespace

void add_despike(CLI::App& stage_app) {
  const auto options = std::make_shared<Options>();
  CLI::App* app = stage_app.add_subcommand(std::string(despike::kStage.name),
                                           std::string(despike::kStage.summary));
  app->add_option("bold", options->bold, "4-D image")->required();
  app->add_option("--mask", options->mask, "voxels to despike, on its grid; others stay")
      ->required();
  app->add_option("--n-dummy", options->n_dummy, "volumes before steady state, left as they are");
  app->add_option("--out", options->out, "4-D image")->required();
  add_params(*app, options->params);
  app->callback([options] { run_despike(*options); });
}

} // namespace boldmill::cli
