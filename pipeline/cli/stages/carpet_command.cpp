// boldmill stage carpet BOLD.nii.gz --tissue LABELS.nii.gz --out CARPET.tsv
#include <memory>
#include <string>
#include <vector>

#include "pipeline/bids/tsv.hpp"
#include "pipeline/cli/stage_command.hpp"
#include "pipeline/image_io/nifti.hpp"
#include "stages/denoise/carpet.hpp"

namespace boldmill::cli {
namespace {

struct Options {
  std::string bold, tissue, out;
  carpet::Params params;
};

void run_carpet(const Options& options) {
  const Context context = process_context();
  const Series bold = image_io::read_series(options.bold, context);
  const LabelImage tissue = image_io::read_labels(options.tissue);
  const carpet::Outputs out = carpet::run({&bold, &tissue}, options.params, context);
  std::vector<std::string> names{"tissue"};
  Eigen::MatrixXd values(out.z.rows(), out.z.cols() + 1);
  for (Eigen::Index r = 0; r < out.z.rows(); ++r) {
    values(r, 0) = out.row_tissue[static_cast<std::size_t>(r)];
  }
  for (Eigen::Index c = 0; c < out.z.cols(); ++c) {
    names.push_back("volume" + std::to_string(c * out.volumes_per_column));
    values.col(c + 1) = out.z.col(c).cast<double>();
  }
  bids::write_tsv(options.out, names, values);
}

} // namespace

void add_carpet(CLI::App& stage_app) {
  const auto options = std::make_shared<Options>();
  CLI::App* app = stage_app.add_subcommand(std::string(carpet::kStage.name),
                                           std::string(carpet::kStage.summary));
  app->add_option("bold", options->bold, "4-D image")->required();
  app->add_option("--tissue", options->tissue, "labels on its grid; rows in ascending order")
      ->required();
  app->add_option("--out", options->out,
                  "table of rows: tissue, then 40 z of each column, -128 missing (TSV)")
      ->required();
  add_params(*app, options->params);
  app->callback([options] { run_carpet(*options); });
}

} // namespace boldmill::cli
