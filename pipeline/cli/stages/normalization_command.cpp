// boldmill stage normalization T1W.nii.gz --template T.nii.gz --xfm OUT.h5 [--warped OUT.nii.gz]
#include <iostream>
#include <memory>
#include <string>

#include "pipeline/cli/stage_command.hpp"
#include "pipeline/image_io/itk_transform.hpp"
#include "pipeline/image_io/nifti.hpp"
#include "stages/anatomy/affine.hpp"
#include "stages/anatomy/brain_mask.hpp"
#include "stages/anatomy/normalization.hpp"
#include "stages/anatomy/template_mask.hpp"
#include "stages/core/interpolate.hpp"

namespace boldmill::cli {
namespace {

struct Options {
  std::string t1w;
  std::string mask;
  std::string lesion;
  std::string brain;
  std::string template_brain_mask;
  std::string xfm;
  std::string warped;
  normalization::Params params;
};

void run_normalization(const Options& options) {
  const Context context = process_context();
  const Volume t1w = image_io::read_volume(options.t1w);
  const Volume brain = image_io::read_volume(options.brain);
  const Mask template_brain = options.template_brain_mask.empty()
                                  ? template_mask(brain, context)
                                  : image_io::read_mask(options.template_brain_mask);
  Mask lesion;
  if (!options.lesion.empty()) lesion = image_io::read_mask(options.lesion);
  const Mask* left_out = options.lesion.empty() ? nullptr : &lesion;
  const auto fit = affine::run({t1w, brain, template_brain, nullptr, nullptr, left_out},
                               affine::Params{}, context);
  const Mask mask =
      options.mask.empty()
          ? brain_mask::run({t1w, brain, template_brain, fit.t1w_to_template, left_out}, {},
                            context)
                .mask
          : image_io::read_mask(options.mask);
  const auto out = normalization::run(
      {t1w, mask, brain, template_brain, fit.t1w_to_template, left_out}, options.params, context);
  std::cout << "dice " << out.dice << ", correlation " << out.correlation << ", jacobian "
            << out.min_jacobian << " to " << out.max_jacobian << ", displacement "
            << out.max_displacement_mm << " mm\n";
  if (!out.converged) std::cerr << "note: the last level used all its iterations\n";
  image_io::write_composite_xfm(options.xfm, out.template_to_moving);
  if (!options.warped.empty()) {
    image_io::write_volume(options.warped, resample(t1w, brain.grid, out.template_to_moving,
                                                    Interpolation::cubic_bspline, context));
  }
}

} // namespace

void add_normalization(CLI::App& stage_app) {
  const auto options = std::make_shared<Options>();
  CLI::App* app = stage_app.add_subcommand(std::string(normalization::kStage.name),
                                           std::string(normalization::kStage.summary));
  app->add_option("t1w", options->t1w, "image to normalise, bias-corrected")->required();
  app->add_option("--template", options->brain, "brain-only template")->required();
  app->add_option("--xfm", options->xfm, "ITK composite transform to write (.h5)")->required();
  app->add_option("--mask", options->mask, "brain mask of the image [from the template]");
  app->add_option("--lesion", options->lesion, "tissue of the image that the fit leaves out");
  app->add_option("--template-mask", options->template_brain_mask,
                  "brain mask of the template [from the template]");
  app->add_option("--warped", options->warped, "image on the template's grid to write");
  add_params(*app, options->params);
  app->callback([options] { run_normalization(*options); });
}

} // namespace boldmill::cli
