// boldmill stage fieldmap_free BOLDREF.nii.gz --bold-mask M --t1w T1W --t1w-mask M --direction j
// [--xfm COREG.tsv] --shift OUT.nii.gz [--out OUT.nii.gz]
#include <iostream>
#include <memory>
#include <string>

#include "pipeline/bids/tsv.hpp"
#include "pipeline/cli/stage_command.hpp"
#include "pipeline/image_io/nifti.hpp"
#include "stages/functional/distortion.hpp"
#include "stages/functional/fieldmap_free.hpp"

namespace boldmill::cli {
namespace {

struct Options {
  std::string boldref;
  std::string bold_mask;
  std::string t1w;
  std::string t1w_mask;
  std::string xfm;
  std::string direction;
  std::string shift;
  std::string out;
  fieldmap_free::Params params;
};

void run_fieldmap_free(const Options& options) {
  const Context context = process_context();
  const Volume boldref = image_io::read_volume(options.boldref);
  const Mask bold_mask = image_io::read_mask(options.bold_mask);
  const Volume t1w = image_io::read_volume(options.t1w);
  const Mask t1w_mask = image_io::read_mask(options.t1w_mask);
  Affine bold_to_t1w = Affine::Identity();
  if (!options.xfm.empty()) {
    const Eigen::MatrixXd table = bids::read_tsv(options.xfm).matrix();
    if (table.rows() != 4 || table.cols() != 4) {
      throw Error(ErrorKind::input, options.xfm + ": found " + std::to_string(table.rows()) +
                                        " x " + std::to_string(table.cols()) + ", expected 4 x 4");
    }
    bold_to_t1w = table;
  }
  const int axis = distortion::phase_encoding(options.direction, 1.0).axis;
  auto out = fieldmap_free::run({&boldref, &bold_mask, &t1w, &t1w_mask, bold_to_t1w, axis},
                                options.params, context);
  if (!out.corrected) std::cerr << "warning: not corrected: " << out.reason << '\n';
  std::cout << "r2 " << out.r2_before << " -> " << out.r2_after << ", largest shift "
            << out.max_shift_mm << " mm; along the other axes r2 gains " << out.control_gain
            << " by up to " << out.control_mm << " mm\n";
  image_io::write_volume(options.shift, out.shift_voxels);
  if (options.out.empty()) return;
  const auto map = distortion::from_shift(std::move(out.shift_voxels), axis, context);
  image_io::write_volume(options.out, distortion::unwarp(boldref, map, false, context));
}

} // namespace

void add_fieldmap_free(CLI::App& stage_app) {
  const auto options = std::make_shared<Options>();
  CLI::App* app = stage_app.add_subcommand(std::string(fieldmap_free::kStage.name),
                                           std::string(fieldmap_free::kStage.summary));
  app->add_option("boldref", options->boldref, "BOLD reference volume")->required();
  app->add_option("--bold-mask", options->bold_mask, "its brain mask")->required();
  app->add_option("--t1w", options->t1w, "bias-corrected T1w")->required();
  app->add_option("--t1w-mask", options->t1w_mask, "its brain mask")->required();
  app->add_option("--xfm", options->xfm,
                  "4 x 4 map BOLD to T1w as written by coregistration --xfm [identity]");
  app->add_option("--direction", options->direction, "PhaseEncodingDirection of the BOLD")
      ->required();
  app->add_option("--shift", options->shift, "shift to write [voxels]")->required();
  app->add_option("--out", options->out, "the reference without distortion");
  add_params(*app, options->params);
  app->callback([options] { run_fieldmap_free(*options); });
}

} // namespace boldmill::cli
