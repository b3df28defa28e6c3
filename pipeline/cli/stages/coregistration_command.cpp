// boldmill stage coregistration BOLDREF.nii.gz --t1w T1W --t1w-mask MASK --xfm OUT.txt
#include <iostream>
#include <memory>
#include <string>

#include "pipeline/bids/tsv.hpp"
#include "pipeline/cli/stage_command.hpp"
#include "pipeline/image_io/itk_transform.hpp"
#include "pipeline/image_io/nifti.hpp"
#include "stages/core/interpolate.hpp"
#include "stages/functional/bold_mask.hpp"
#include "stages/functional/coregistration.hpp"

namespace boldmill::cli {
namespace {

struct Options {
  std::string boldref;
  std::string bold_mask;
  std::string t1w;
  std::string t1w_mask;
  std::string xfm;
  std::string out_t1w;
  std::string quality;
  coregistration::Params params;
};

void write_quality(const std::string& path, const coregistration::Outputs& out) {
  bids::TableWriter table;
  const auto number = [&](const char* name, double value) {
    table.numbers(name, std::span<const double>(&value, 1));
  };
  number("cost", out.cost);
  number("dice", out.dice);
  number("t1w_coverage", out.t1w_coverage);
  number("header_displacement_mm", out.header_displacement_mm);
  number("header_rotation_deg", out.header_rotation_deg);
  number("refinement_mm", out.refinement_mm);
  number("edge_contrast", out.edge_contrast);
  table.text("start", {out.start}).text("reason", {out.reason});
  table.write(path);
}

void run_coregistration(const Options& options) {
  const Context context = process_context();
  const Volume boldref = image_io::read_volume(options.boldref);
  const Mask bold_mask =
      options.bold_mask.empty()
          ? bold_mask::run({&boldref, nullptr}, bold_mask::Params{}, context).mask
          : image_io::read_mask(options.bold_mask);
  const Volume t1w = image_io::read_volume(options.t1w);
  const Mask t1w_mask = image_io::read_mask(options.t1w_mask);
  const coregistration::Outputs out =
      coregistration::run({&boldref, &bold_mask, &t1w, &t1w_mask}, options.params, context);
  if (out.doubtful) std::cerr << "warning: doubtful: " << out.reason << '\n';
  if (options.xfm.ends_with(".txt")) {
    image_io::write_affine_xfm(options.xfm, out.bold_to_t1w.inverse());
  } else {
    bids::write_tsv(options.xfm, {"x", "y", "z", "shift"}, out.bold_to_t1w);
  }
  if (!options.quality.empty()) write_quality(options.quality, out);
  if (!options.out_t1w.empty()) {
    image_io::write_volume(options.out_t1w, resample(t1w, boldref.grid, PointMap{{out.bold_to_t1w}},
                                                     Interpolation::linear, context));
  }
}

} // namespace

void add_coregistration(CLI::App& stage_app) {
  const auto options = std::make_shared<Options>();
  CLI::App* app = stage_app.add_subcommand(std::string(coregistration::kStage.name),
                                           std::string(coregistration::kStage.summary));
  app->add_option("boldref", options->boldref, "BOLD reference volume")->required();
  app->add_option("--bold-mask", options->bold_mask, "its brain mask [made from the reference]");
  app->add_option("--t1w", options->t1w, "bias-corrected T1w")->required();
  app->add_option("--t1w-mask", options->t1w_mask, "its brain mask")->required();
  app->add_option(
         "--xfm", options->xfm,
         "to write: .txt an ITK transform as from-boldref_to-T1w_mode-image; else a table, "
         "the 4 x 4 map BOLD to T1w in RAS mm")
      ->required();
  app->add_option("--quality", options->quality, "table to write: cost, overlap, doubts (TSV)");
  app->add_option("--out-t1w", options->out_t1w, "T1w on the grid of the BOLD, to look at");
  add_params(*app, options->params);
  app->callback([options] { run_coregistration(*options); });
}

} // namespace boldmill::cli
