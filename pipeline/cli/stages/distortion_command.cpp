// boldmill stage distortion BOLD.nii.gz --field FIELD.nii.gz --direction j- --readout 0.03
// --out OUT.nii.gz [--shift OUT.nii.gz]
#include <memory>
#include <string>

#include "pipeline/cli/stage_command.hpp"
#include "pipeline/image_io/nifti.hpp"
#include "stages/functional/distortion.hpp"

namespace boldmill::cli {
namespace {

struct Options {
  std::string bold;
  std::string field;
  std::string direction;
  double readout_s = 0.0;
  bool modulate = false;
  std::string out;
  std::string shift;
};

void run_distortion(const Options& options) {
  const Context context = process_context();
  const auto encoding = distortion::phase_encoding(options.direction, options.readout_s);
  const Volume field = image_io::read_volume(options.field);
  const image_io::NiftiHeader header = image_io::read_header(options.bold);
  const auto map = distortion::run({&field, header.grid, encoding}, {}, context);
  if (!options.shift.empty()) image_io::write_volume(options.shift, map.shift_voxels);
  if (header.n_volumes == 1) {
    const Volume one = image_io::read_volume(options.bold, {.nonfinite_to_zero = true});
    image_io::write_volume(options.out, distortion::unwarp(one, map, options.modulate, context));
    return;
  }
  const Series bold = image_io::read_series(options.bold, context, {.nonfinite_to_zero = true});
  image_io::SeriesWriter writer(options.out, bold.grid, bold.n_volumes, bold.tr_s);
  Volume volume(bold.grid);
  for (int t = 0; t < bold.n_volumes; ++t) {
    std::copy_n(bold.volume(t), volume.data.size(), volume.data.begin());
    writer.append(distortion::unwarp(volume, map, options.modulate, context).data);
  }
  writer.close();
}

} // namespace

void add_distortion(CLI::App& stage_app) {
  const auto options = std::make_shared<Options>();
  CLI::App* app = stage_app.add_subcommand(std::string(distortion::kStage.name),
                                           std::string(distortion::kStage.summary));
  app->add_option("bold", options->bold, "distorted image, 3-D or 4-D")->required();
  app->add_option("--field", options->field, "field in the pose of the image [Hz]")->required();
  app->add_option("--direction", options->direction, "PhaseEncodingDirection of the image")
      ->required();
  app->add_option("--readout", options->readout_s, "TotalReadoutTime of the image [s]")->required();
  app->add_flag("--modulate", options->modulate, "multiply intensities by the change of volume");
  app->add_option("--out", options->out, "image without distortion")->required();
  app->add_option("--shift", options->shift, "shift to write [voxels]");
  app->callback([options] { run_distortion(*options); });
}

} // namespace boldmill::cli
