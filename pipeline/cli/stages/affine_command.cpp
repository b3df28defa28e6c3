// boldmill stage affine T1W.nii.gz --template BRAIN.nii.gz --xfm OUT.txt [--warped OUT.nii.gz]
#include <iomanip>
#include <iostream>
#include <memory>
#include <span>
#include <sstream>
#include <string>

#include "pipeline/cli/stage_command.hpp"
#include "pipeline/image_io/nifti.hpp"
#include "pipeline/image_io/output_file.hpp"
#include "stages/anatomy/affine.hpp"
#include "stages/anatomy/template_mask.hpp"
#include "stages/core/interpolate.hpp"

namespace boldmill::cli {
namespace {

struct Options {
  std::string t1w;
  std::string brain;
  std::string mask;
  std::string lesion;
  std::string xfm;
  std::string warped;
  affine::Params params;
};

// ITK's text format (LPS): holds the point map template to T1w, which resamples the T1w onto the
// template, as a file from-T1w_to-template_mode-image does.
std::string itk_text(const Affine& t1w_to_template) {
  const Eigen::Vector4d flip(-1.0, -1.0, 1.0, 1.0);
  const Affine map = flip.asDiagonal() * t1w_to_template.inverse() * flip.asDiagonal();
  std::ostringstream text;
  text << std::setprecision(17) << "#Insight Transform File V1.0\n#Transform 0\n"
       << "Transform: AffineTransform_double_3_3\nParameters:";
  for (int i = 0; i < 3; ++i) {
    for (int j = 0; j < 3; ++j) text << ' ' << map(i, j);
  }
  for (int i = 0; i < 3; ++i) text << ' ' << map(i, 3);
  text << "\nFixedParameters: 0 0 0\n";
  return text.str();
}

void run_affine(const Options& options) {
  const Context context = process_context();
  const Volume t1w = image_io::read_volume(options.t1w);
  const Volume brain = image_io::read_volume(options.brain);
  const Mask mask =
      options.mask.empty() ? template_mask(brain, context) : image_io::read_mask(options.mask);
  Mask lesion;
  if (!options.lesion.empty()) lesion = image_io::read_mask(options.lesion);
  const auto out =
      affine::run({t1w, brain, mask, nullptr, nullptr, options.lesion.empty() ? nullptr : &lesion},
                  options.params, context);
  std::cout << "correlation " << out.correlation << ", overlap " << out.overlap << ", rotation "
            << out.header_rotation_deg << " degrees\n";
  if (!options.xfm.empty()) {
    const std::string text = itk_text(out.t1w_to_template);
    image_io::OutputFile file(options.xfm);
    file.write(std::as_bytes(std::span(text)));
    file.commit();
  }
  if (!options.warped.empty()) {
    PointMap template_to_t1w;
    template_to_t1w.then(Affine(out.t1w_to_template.inverse()));
    image_io::write_volume(options.warped, resample(t1w, brain.grid, template_to_t1w,
                                                    Interpolation::cubic_bspline, context));
  }
}

} // namespace

void add_affine(CLI::App& stage_app) {
  const auto options = std::make_shared<Options>();
  CLI::App* app = stage_app.add_subcommand(std::string(affine::kStage.name),
                                           std::string(affine::kStage.summary));
  app->add_option("t1w", options->t1w, "T1-weighted image, with or without skull")->required();
  app->add_option("--template", options->brain, "brain-only template")->required();
  app->add_option("--template-mask", options->mask, "its brain mask [from the template]");
  app->add_option("--lesion", options->lesion, "tissue of the T1w that the fit leaves out");
  app->add_option("--xfm", options->xfm, "ITK text transform to write, T1w to template");
  app->add_option("--warped", options->warped, "T1w on the template's grid to write");
  add_params(*app, options->params);
  app->callback([options] { run_affine(*options); });
}

} // namespace boldmill::cli
