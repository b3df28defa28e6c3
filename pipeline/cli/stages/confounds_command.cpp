// boldmill stage confounds MOTION.tsv --tr S [--bold B.nii.gz --mask M] [--csf C --white-matter W]
//                          --out CONFOUNDS.tsv
#include <memory>
#include <string>
#include <vector>

#include "pipeline/bids/tsv.hpp"
#include "pipeline/cli/stage_command.hpp"
#include "pipeline/image_io/nifti.hpp"
#include "stages/denoise/confounds.hpp"
#include "stages/denoise/dvars.hpp"
#include "stages/denoise/framewise_displacement.hpp"
#include "stages/denoise/tissue_signals.hpp"

namespace boldmill::cli {
namespace {

struct Options {
  std::string motion, bold, mask, csf, white_matter, out;
  double tr_s = 0.0;
  int n_dummy = 0;
  framewise_displacement::Params displacement;
  tissue_signals::Params tissue;
  confounds::Params params;
};

void add_image_signals(const Options& options, confounds::Inputs& inputs, const Context& context) {
  const Series bold = image_io::read_series(options.bold, context);
  if (bold.n_volumes != inputs.motion.rows()) {
    throw Error(ErrorKind::input, options.bold + ": found " + std::to_string(bold.n_volumes) +
                                      " volumes, expected the " +
                                      std::to_string(inputs.motion.rows()) + " of " +
                                      options.motion);
  }
  const Mask brain = image_io::read_mask(options.mask);
  const auto optional_mask = [](const std::string& path) {
    return path.empty() ? Mask() : image_io::read_mask(path);
  };
  const Mask csf = optional_mask(options.csf);
  const Mask white_matter = optional_mask(options.white_matter);
  const auto change = dvars::run({.bold = &bold, .mask = &brain}, {}, context);
  inputs.dvars = change.dvars;
  inputs.std_dvars = change.std_dvars;
  const auto signals = tissue_signals::run(
      {.bold = &bold, .csf = &csf, .white_matter = &white_matter, .brain = &brain}, options.tissue,
      context);
  inputs.global_signal = signals.global_signal.mean;
  if (!options.csf.empty()) inputs.csf = signals.csf.mean;
  if (!options.white_matter.empty()) inputs.white_matter = signals.white_matter.mean;
}

void run_confounds(const Options& options) {
  const Context context = process_context();
  const bids::Table table = bids::read_tsv(options.motion);
  const Eigen::MatrixXd motion =
      table.matrix({"trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z"});
  const Eigen::Map<const Eigen::MatrixXd> view(motion.data(), motion.rows(), motion.cols());
  confounds::Inputs inputs{.motion = view};
  inputs.framewise_displacement =
      framewise_displacement::run({view}, options.displacement, context).fd_mm;
  inputs.tr_s = options.tr_s;
  inputs.n_dummy = options.n_dummy;
  if (!options.bold.empty()) add_image_signals(options, inputs, context);
  const confounds::Outputs out = confounds::run(inputs, options.params, context);
  bids::write_tsv(options.out, out.names, out.values);
}

} // namespace

void add_confounds(CLI::App& stage_app) {
  const auto options = std::make_shared<Options>();
  CLI::App* app = stage_app.add_subcommand(std::string(confounds::kStage.name),
                                           std::string(confounds::kStage.summary));
  app->add_option("motion", options->motion, "table with trans_x..z [mm] and rot_x..z [rad] (TSV)")
      ->required();
  app->add_option("--tr", options->tr_s, "repetition time [s]")->required();
  app->add_option("--n-dummy", options->n_dummy, "volumes before steady state");
  auto* bold = app->add_option("--bold", options->bold, "4-D image: adds dvars and tissue signals");
  auto* mask = app->add_option("--mask", options->mask, "brain mask on its grid")->needs(bold);
  bold->needs(mask);
  app->add_option("--csf", options->csf, "csf mask on its grid")->needs(bold);
  app->add_option("--white-matter", options->white_matter, "white matter mask on its grid")
      ->needs(bold);
  app->add_option("--out", options->out, "confounds table (TSV)")->required();
  add_params(*app, options->displacement);
  add_params(*app, options->tissue);
  add_params(*app, options->params);
  app->callback([options] { run_confounds(*options); });
}

} // namespace boldmill::cli
