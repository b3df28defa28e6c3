// boldmill stage bias_field T1W.nii.gz --out CORRECTED.nii.gz
#include <iostream>
#include <memory>
#include <string>

#include "pipeline/cli/stage_command.hpp"
#include "pipeline/image_io/nifti.hpp"
#include "stages/anatomy/bias_field.hpp"

namespace boldmill::cli {

void add_bias_field(CLI::App& stage_app) {
  struct Options {
    std::string t1w;
    std::string out;
    std::string lesion;
    bias_field::Params params;
  };
  const auto options = std::make_shared<Options>();
  CLI::App* app = stage_app.add_subcommand(std::string(bias_field::kStage.name),
                                           std::string(bias_field::kStage.summary));
  app->add_option("t1w", options->t1w, "T1-weighted image, .nii or .nii.gz")->required();
  app->add_option("--out", options->out, "corrected image to write")->required();
  app->add_option("--lesion", options->lesion, "mask of tissue that the fit leaves out");
  add_params(*app, options->params);
  app->callback([options] {
    const Volume t1w = image_io::read_volume(options->t1w);
    Mask lesion;
    if (!options->lesion.empty()) lesion = image_io::read_mask(options->lesion);
    const auto out = bias_field::run({t1w, options->lesion.empty() ? nullptr : &lesion},
                                     options->params, process_context());
    image_io::write_volume(options->out, out.corrected);
    std::cout << "field " << out.field_min << " to " << out.field_max << '\n';
  });
}

} // namespace boldmill::cli
