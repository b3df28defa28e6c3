// boldmill stage run_quality BOLD.nii.gz --mask M [--confounds C.tsv] --out QUALITY.tsv
#include <memory>
#include <string>
#include <vector>

#include "pipeline/bids/tsv.hpp"
#include "pipeline/cli/stage_command.hpp"
#include "pipeline/image_io/nifti.hpp"
#include "stages/denoise/run_quality.hpp"

namespace boldmill::cli {
namespace {

struct Options {
  std::string bold, mask, confounds, out;
  int n_dummy = 0;
  run_quality::Params params;
};

void run_run_quality(const Options& options) {
  const Context context = process_context();
  const Series bold = image_io::read_series(options.bold, context);
  const Mask brain = image_io::read_mask(options.mask);
  Eigen::MatrixXd motion;
  Eigen::VectorXd fd, rmsd, dvars, std_dvars;
  if (!options.confounds.empty()) {
    const bids::Table table = bids::read_tsv(options.confounds);
    motion = table.matrix({"trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z"});
    const auto column = [&](const std::string& name, Eigen::VectorXd& values) {
      if (table.has(name)) values = table.matrix({name});
    };
    column("framewise_displacement", fd);
    column("rmsd", rmsd);
    column("dvars", dvars);
    column("std_dvars", std_dvars);
  }
  const run_quality::Outputs out =
      run_quality::run({.bold = &bold,
                        .brain = &brain,
                        .motion = {motion.data(), motion.rows(), motion.cols()},
                        .fd_mm = fd,
                        .rmsd_mm = rmsd,
                        .dvars = dvars,
                        .std_dvars = std_dvars,
                        .n_dummy = options.n_dummy},
                       options.params, context);
  std::vector<std::string> names;
  std::vector<double> values;
  for (const auto& [name, value] : run_quality::named(out)) {
    names.push_back(name);
    values.push_back(value);
  }
  bids::write_tsv(options.out, names,
                  Eigen::Map<const Eigen::RowVectorXd>(values.data(),
                                                       static_cast<Eigen::Index>(values.size())));
}

} // namespace

void add_run_quality(CLI::App& stage_app) {
  const auto options = std::make_shared<Options>();
  CLI::App* app = stage_app.add_subcommand(std::string(run_quality::kStage.name),
                                           std::string(run_quality::kStage.summary));
  app->add_option("bold", options->bold, "4-D image, motion-corrected")->required();
  app->add_option("--mask", options->mask, "brain mask on its grid")->required();
  app->add_option("--confounds", options->confounds, "table with fMRIPrep's column names (TSV)");
  app->add_option("--n-dummy", options->n_dummy, "volumes before steady state, left out");
  app->add_option("--out", options->out, "one row of measures (TSV)")->required();
  add_params(*app, options->params);
  app->callback([options] { run_run_quality(*options); });
}

} // namespace boldmill::cli
