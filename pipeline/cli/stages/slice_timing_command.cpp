// boldmill stage slice_timing BOLD.nii.gz --sidecar BOLD.json --out OUT.nii.gz
#include <iostream>
#include <memory>
#include <string>

#include "pipeline/bids/metadata.hpp"
#include "pipeline/bids/sidecar.hpp"
#include "pipeline/cli/stage_command.hpp"
#include "pipeline/image_io/nifti.hpp"
#include "stages/functional/dummy_scans.hpp"
#include "stages/functional/slice_timing.hpp"

namespace boldmill::cli {
namespace {

struct Options {
  std::string bold;
  std::string sidecar;
  std::string out;
  int n_dummies = -1;
  slice_timing::Params params;
};

void run_slice_timing(const Options& options) {
  const Context context = process_context();
  const std::filesystem::path json(options.sidecar);
  const bids::Sidecar sidecar =
      bids::make_sidecar(options.bold, {options.sidecar},
                         bids::read_json_object(json.parent_path(), json.filename().string()));
  Series bold = image_io::read_series(options.bold, context, {.nonfinite_to_zero = true});
  bold.tr_s = bids::resolve_repetition_time(sidecar, image_io::read_header(options.bold).tr_s).tr_s;
  slice_timing::Timing slices;
  const std::string& direction = sidecar.slice_encoding_direction;
  if (!direction.empty()) slices.axis = direction[0] - 'i';
  slices.reversed = direction.ends_with('-');
  const int n_slices = bold.grid.shape.at(static_cast<std::size_t>(slices.axis));
  slices.times_s = bids::resolve_slice_timing(sidecar, n_slices, bold.tr_s);
  const int n_dummies = options.n_dummies >= 0
                            ? options.n_dummies
                            : dummy_scans::run({bold}, dummy_scans::Params{}, context).n_dummies;
  const auto out = slice_timing::run({bold, slices, n_dummies}, options.params, context);
  image_io::write_series(options.out, bold);
  std::cout << "volumes stand for " << out.reference_s << " s after their start\n";
}

} // namespace

void add_slice_timing(CLI::App& stage_app) {
  const auto options = std::make_shared<Options>();
  CLI::App* app = stage_app.add_subcommand(std::string(slice_timing::kStage.name),
                                           std::string(slice_timing::kStage.summary));
  app->add_option("bold", options->bold, "4-D image, .nii or .nii.gz")->required();
  app->add_option("--sidecar", options->sidecar,
                  "JSON with SliceTiming, RepetitionTime, SliceEncodingDirection")
      ->required();
  app->add_option("--out", options->out, "series to write")->required();
  app->add_option("--dummy-scans", options->n_dummies,
                  "volumes before steady state [from the data]")
      ->check(CLI::NonNegativeNumber);
  add_params(*app, options->params);
  app->callback([options] { run_slice_timing(*options); });
}

} // namespace boldmill::cli
