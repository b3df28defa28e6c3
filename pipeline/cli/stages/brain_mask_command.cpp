// boldmill stage brain_mask T1W.nii.gz --template BRAIN.nii.gz --out MASK.nii.gz
#include <iostream>
#include <memory>
#include <string>

#include "pipeline/cli/stage_command.hpp"
#include "pipeline/image_io/nifti.hpp"
#include "stages/anatomy/affine.hpp"
#include "stages/anatomy/brain_mask.hpp"
#include "stages/anatomy/template_mask.hpp"

namespace boldmill::cli {
namespace {

struct Options {
  std::string t1w;
  std::string brain;
  std::string mask;
  std::string lesion;
  std::string out;
  brain_mask::Params params;
};

void run_brain_mask(const Options& options) {
  const Context context = process_context();
  const Volume t1w = image_io::read_volume(options.t1w);
  const Volume brain = image_io::read_volume(options.brain);
  const Mask mask =
      options.mask.empty() ? template_mask(brain, context) : image_io::read_mask(options.mask);
  Mask lesion;
  if (!options.lesion.empty()) lesion = image_io::read_mask(options.lesion);
  const Mask* left_out = options.lesion.empty() ? nullptr : &lesion;
  const auto fit =
      affine::run({t1w, brain, mask, nullptr, nullptr, left_out}, affine::Params{}, context);
  const auto out =
      brain_mask::run({t1w, brain, mask, fit.t1w_to_template, left_out}, options.params, context);
  image_io::write_mask(options.out, out.mask);
  std::cout << "brain " << out.volume_ml << " ml" << (out.skull_stripped ? ", was stripped" : "")
            << '\n';
}

} // namespace

void add_brain_mask(CLI::App& stage_app) {
  const auto options = std::make_shared<Options>();
  CLI::App* app = stage_app.add_subcommand(std::string(brain_mask::kStage.name),
                                           std::string(brain_mask::kStage.summary));
  app->add_option("t1w", options->t1w, "T1-weighted image, bias-corrected")->required();
  app->add_option("--template", options->brain, "brain-only template")->required();
  app->add_option("--template-mask", options->mask, "its brain mask [from the template]");
  app->add_option("--lesion", options->lesion, "tissue of the T1w that decides nothing");
  app->add_option("--out", options->out, "mask to write")->required();
  add_params(*app, options->params);
  app->callback([options] { run_brain_mask(*options); });
}

} // namespace boldmill::cli
