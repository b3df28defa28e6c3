// boldmill stage motion_filter CONFOUNDS.tsv --tr S --type notch --out OUT.tsv
#include <iostream>
#include <memory>
#include <string>

#include "pipeline/bids/tsv.hpp"
#include "pipeline/cli/stage_command.hpp"
#include "pipeline/image_io/nifti.hpp"
#include "stages/denoise/framewise_displacement.hpp"
#include "stages/denoise/motion_filter.hpp"

namespace boldmill::cli {
namespace {

struct Options {
  std::string table, mask, out;
  double tr_s = 0.0;
  double head_radius_mm = 50.0;
  motion_filter::Params params;
};

void run_motion_filter(const Options& options) {
  const Context context = process_context();
  const bids::Table table = bids::read_tsv(options.table);
  Eigen::MatrixXd values = table.matrix();
  const double radius =
      options.mask.empty()
          ? options.head_radius_mm
          : framewise_displacement::brain_radius_mm(image_io::read_mask(options.mask));
  const auto out = motion_filter::filter_table(table.names(), values, options.tr_s, radius,
                                               options.params, context);
  if (!out.warning.empty()) std::cerr << "warning: " << out.warning << '\n';
  bids::write_tsv(options.out, table.names(), values);
}

} // namespace

void add_motion_filter(CLI::App& stage_app) {
  const auto options = std::make_shared<Options>();
  CLI::App* app = stage_app.add_subcommand(std::string(motion_filter::kStage.name),
                                           std::string(motion_filter::kStage.summary));
  app->add_option("table", options->table,
                  "confounds with trans_x..z [mm], rot_x..z [rad] (TSV); derivatives, squares and "
                  "framewise_displacement in it are replaced")
      ->required();
  app->add_option("--tr", options->tr_s, "repetition time [s]")->required();
  app->add_option("--head-radius", options->head_radius_mm, "for framewise_displacement [mm]")
      ->capture_default_str();
  app->add_option("--mask", options->mask, "brain mask: its volume gives the head radius instead");
  app->add_option("--out", options->out, "the same table, filtered (TSV)")->required();
  add_params(*app, options->params);
  app->callback([options] { run_motion_filter(*options); });
}

} // namespace boldmill::cli
