// boldmill stage compcor BOLD.nii.gz --mask M [--csf C --white-matter W --combined A --edge E] --tr
// S
//                        --out COMPONENTS.tsv [--metadata METADATA.tsv]
#include <memory>
#include <string>
#include <vector>

#include "pipeline/bids/tsv.hpp"
#include "pipeline/cli/stage_command.hpp"
#include "pipeline/image_io/nifti.hpp"
#include "stages/denoise/compcor.hpp"

namespace boldmill::cli {
namespace {

struct Options {
  std::string bold, mask, csf, white_matter, combined, edge, out, metadata;
  double tr_s = 0.0;
  int n_dummy = 0;
  compcor::Params params;
};

std::string column_name(const std::string& prefix, Eigen::Index k) {
  return prefix + (k < 10 ? "0" : "") + std::to_string(k);
}

void write_components(const Options& options, const compcor::Outputs& out, Eigen::Index n_rows) {
  std::vector<std::string> names;
  Eigen::MatrixXd values(n_rows, 0);
  for (const ComponentSet& set : out.sets) {
    const Eigen::Index first = values.cols();
    values.conservativeResize(Eigen::NoChange, first + set.components.cols());
    values.rightCols(set.components.cols()) = set.components;
    for (Eigen::Index k = 0; k < set.components.cols(); ++k) {
      names.push_back(column_name(set.prefix, k));
    }
  }
  bids::write_tsv(options.out, names, values);
}

void write_metadata(const Options& options, const compcor::Outputs& out) {
  std::vector<std::string> component, method, mask;
  std::vector<double> value, share, sum;
  for (const ComponentSet& set : out.sets) {
    for (Eigen::Index k = 0; k < set.components.cols(); ++k) {
      component.push_back(column_name(set.prefix, k));
      method.push_back(set.method);
      mask.push_back(set.mask);
      value.push_back(set.singular_value[k]);
      share.push_back(set.variance_explained[k]);
      sum.push_back(set.cumulative_variance_explained[k]);
    }
  }
  bids::TableWriter()
      .text("component", component)
      .text("Method", method)
      .text("Mask", mask)
      .numbers("SingularValue", value)
      .numbers("VarianceExplained", share)
      .numbers("CumulativeVarianceExplained", sum)
      .write(options.metadata);
}

void run_compcor(const Options& options) {
  const Context context = process_context();
  const Series bold = image_io::read_series(options.bold, context);
  const auto mask = [](const std::string& path) {
    return path.empty() ? Mask() : image_io::read_mask(path);
  };
  const Mask brain = mask(options.mask), csf = mask(options.csf), wm = mask(options.white_matter),
             combined = mask(options.combined), edge = mask(options.edge);
  const compcor::Outputs out =
      compcor::run({&bold, &brain, &csf, &wm, &combined, &edge, options.n_dummy, options.tr_s},
                   options.params, context);
  write_components(options, out, bold.n_volumes);
  if (!options.metadata.empty()) write_metadata(options, out);
}

} // namespace

void add_compcor(CLI::App& stage_app) {
  const auto options = std::make_shared<Options>();
  CLI::App* app = stage_app.add_subcommand(std::string(compcor::kStage.name),
                                           std::string(compcor::kStage.summary));
  app->add_option("bold", options->bold, "4-D image, motion-corrected")->required();
  app->add_option("--mask", options->mask, "brain mask on its grid")->required();
  app->add_option("--csf", options->csf, "csf mask on its grid: c_comp_cor");
  app->add_option("--white-matter", options->white_matter, "white matter mask: w_comp_cor");
  app->add_option("--combined", options->combined, "mask of both: a_comp_cor");
  app->add_option("--edge", options->edge, "crown of the brain: edge_comp");
  app->add_option("--tr", options->tr_s, "repetition time [s]")->required();
  app->add_option("--n-dummy", options->n_dummy, "volumes before steady state, left out");
  app->add_option("--out", options->out, "table of components (TSV)")->required();
  app->add_option("--metadata", options->metadata, "table of explained variance (TSV)");
  add_params(*app, options->params);
  app->callback([options] { run_compcor(*options); });
}

} // namespace boldmill::cli
