// boldmill stage tissue T1W.nii.gz --mask M.nii.gz --out-prefix P_
#include <iostream>
#include <memory>
#include <string>

#include "pipeline/cli/stage_command.hpp"
#include "pipeline/image_io/nifti.hpp"
#include "stages/anatomy/tissue.hpp"

namespace boldmill::cli {

void add_tissue(CLI::App& stage_app) {
  struct Options {
    std::string t1w;
    std::string mask;
    std::string prefix;
    std::string lesion;
    tissue::Params params;
  };
  const auto options = std::make_shared<Options>();
  CLI::App* app = stage_app.add_subcommand(std::string(tissue::kStage.name),
                                           std::string(tissue::kStage.summary));
  app->add_option("t1w", options->t1w, "T1-weighted image, bias-corrected")->required();
  app->add_option("--mask", options->mask, "brain mask on the same grid")->required();
  app->add_option("--out-prefix", options->prefix, "writes PREFIXlabel-{CSF,GM,WM}_probseg.nii.gz")
      ->required();
  app->add_option("--lesion", options->lesion, "mask of tissue that belongs to no class");
  add_params(*app, options->params);
  app->callback([options] {
    const Volume t1w = image_io::read_volume(options->t1w);
    const Mask mask = image_io::read_mask(options->mask);
    Mask lesion;
    if (!options->lesion.empty()) lesion = image_io::read_mask(options->lesion);
    const auto out = tissue::run({t1w, mask, nullptr, options->lesion.empty() ? nullptr : &lesion},
                                 options->params, process_context());
    image_io::write_volume(options->prefix + "label-CSF_probseg.nii.gz", out.csf);
    image_io::write_volume(options->prefix + "label-GM_probseg.nii.gz", out.gm);
    image_io::write_volume(options->prefix + "label-WM_probseg.nii.gz", out.wm);
    std::cout << "csf " << out.volume_ml[0] << " ml, grey " << out.volume_ml[1] << " ml, white "
              << out.volume_ml[2] << " ml\n";
    if (!out.converged) std::cerr << "warning: the mixture did not converge\n";
  });
}

} // namespace boldmill::cli
