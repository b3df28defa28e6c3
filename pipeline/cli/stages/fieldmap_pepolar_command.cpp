// boldmill stage fieldmap_pepolar A.nii.gz B.nii.gz --direction j j- --readout 0.03 0.03
// --field OUT.nii.gz
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "pipeline/cli/stage_command.hpp"
#include "pipeline/image_io/nifti.hpp"
#include "stages/functional/fieldmap_pepolar.hpp"

namespace boldmill::cli {
namespace {

struct Options {
  std::vector<std::string> images;
  std::vector<std::string> direction;
  std::vector<double> readout;
  std::string field;
  std::string reference;
  fieldmap_pepolar::Params params;
};

void run_fieldmap_pepolar(const Options& options) {
  const std::size_t n = options.images.size();
  if (options.direction.size() != n || options.readout.size() != n) {
    throw Error(ErrorKind::usage,
                "--direction and --readout: found " + std::to_string(options.direction.size()) +
                    " and " + std::to_string(options.readout.size()) +
                    ", expected one of each for each of the " + std::to_string(n) + " images");
  }
  std::vector<Volume> volumes;
  for (const std::string& path : options.images) volumes.push_back(image_io::read_volume(path));
  fieldmap_pepolar::Inputs inputs;
  for (std::size_t k = 0; k < n; ++k) {
    inputs.images.push_back(
        {&volumes[k], distortion::phase_encoding(options.direction[k], options.readout[k])});
  }
  const auto out = fieldmap_pepolar::run(inputs, options.params, process_context());
  if (!out.usable) std::cerr << "warning: " << out.reason << '\n';
  std::cout << "correlation " << out.correlation_before << " -> " << out.correlation_after
            << ", largest shift " << out.max_shift_mm << " mm\n";
  image_io::write_volume(options.field, out.field_hz);
  if (!options.reference.empty()) image_io::write_volume(options.reference, out.reference);
}

} // namespace

void add_fieldmap_pepolar(CLI::App& stage_app) {
  const auto options = std::make_shared<Options>();
  CLI::App* app = stage_app.add_subcommand(std::string(fieldmap_pepolar::kStage.name),
                                           std::string(fieldmap_pepolar::kStage.summary));
  app->add_option("images", options->images, "3-D images; the field is in the pose of the first")
      ->required()
      ->expected(2, 16);
  app->add_option("--direction", options->direction, "PhaseEncodingDirection of each image")
      ->required()
      ->expected(2, 16);
  app->add_option("--readout", options->readout, "TotalReadoutTime of each image [s]")
      ->required()
      ->expected(2, 16);
  app->add_option("--field", options->field, "field to write [Hz]")->required();
  app->add_option("--out-reference", options->reference, "mean of the undistorted images");
  add_params(*app, options->params);
  app->callback([options] { run_fieldmap_pepolar(*options); });
}

} // namespace boldmill::cli
