// boldmill stage fieldmap_phase PHASE.nii.gz [PHASE2.nii.gz] --mask MASK --echo-time1 S
// --echo-time2 S --field OUT.nii.gz, or DIRECT.nii.gz --units Hz --mask MASK --field OUT.nii.gz
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "pipeline/cli/stage_command.hpp"
#include "pipeline/image_io/nifti.hpp"
#include "stages/functional/fieldmap_phase.hpp"

namespace boldmill::cli {
namespace {

struct Options {
  std::vector<std::string> images;
  std::string mask;
  std::string units;
  double echo_time1_s = 0.0;
  double echo_time2_s = 0.0;
  std::string field;
  fieldmap_phase::Params params;
};

void run_fieldmap_phase(const Options& options) {
  std::vector<Volume> volumes;
  for (const std::string& path : options.images) volumes.push_back(image_io::read_volume(path));
  const Mask mask = image_io::read_mask(options.mask);
  fieldmap_phase::Inputs inputs;
  inputs.mask = &mask;
  if (options.units.empty()) {
    for (const Volume& volume : volumes) inputs.phase.push_back(&volume);
    inputs.echo_time1_s = options.echo_time1_s;
    inputs.echo_time2_s = options.echo_time2_s;
  } else {
    inputs.field = volumes.data();
    inputs.units = options.units;
  }
  const auto out = fieldmap_phase::run(inputs, options.params, process_context());
  for (const std::string& warning : out.warnings) std::cerr << "warning: " << warning << '\n';
  image_io::write_volume(options.field, out.field_hz);
}

} // namespace

void add_fieldmap_phase(CLI::App& stage_app) {
  const auto options = std::make_shared<Options>();
  CLI::App* app = stage_app.add_subcommand(std::string(fieldmap_phase::kStage.name),
                                           std::string(fieldmap_phase::kStage.summary));
  app->add_option("images", options->images,
                  "phase difference, or the phases of two echoes, or a direct map (--units)")
      ->required()
      ->expected(1, 2);
  app->add_option("--mask", options->mask, "where there is signal")->required();
  app->add_option("--echo-time1", options->echo_time1_s, "first echo time [s]");
  app->add_option("--echo-time2", options->echo_time2_s, "second echo time [s]");
  app->add_option("--units", options->units, "the image is a field in Hz, rad/s or T");
  app->add_option("--field", options->field, "field to write [Hz]")->required();
  add_params(*app, options->params);
  app->callback([options] { run_fieldmap_phase(*options); });
}

} // namespace boldmill::cli
