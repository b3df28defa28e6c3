// boldmill stage head_motion BOLD.nii.gz --motion OUT.tsv [--out-bold OUT.nii.gz]
// boldmill stage dummy_scans, boldref, bold_mask: the steps before it, alone.
#include <cmath>
#include <iostream>
#include <memory>
#include <numeric>
#include <string>
#include <vector>

#include "pipeline/bids/tsv.hpp"
#include "pipeline/cli/stage_command.hpp"
#include "pipeline/image_io/nifti.hpp"
#include "stages/functional/bold_mask.hpp"
#include "stages/functional/bold_resampling.hpp"
#include "stages/functional/boldref.hpp"
#include "stages/functional/dummy_scans.hpp"
#include "stages/functional/head_motion.hpp"

namespace boldmill::cli {
namespace {

constexpr int kFromData = -1;

struct MotionOptions {
  std::string bold;
  std::string motion;
  std::string transforms;
  std::string reference;
  std::string out_reference;
  std::string out_bold;
  int n_dummies = kFromData;
  head_motion::Params params;
};

Volume make_reference(const Series& bold, int n_dummies, const Context& context) {
  if (n_dummies == kFromData) {
    n_dummies = dummy_scans::run({bold}, dummy_scans::Params{}, context).n_dummies;
  }
  return boldref::run({bold, n_dummies}, boldref::Params{}, context).reference;
}

void write_motion(const std::string& path, const head_motion::Outputs& out) {
  const std::vector<std::string> names{"trans_x", "trans_y", "trans_z", "rot_x",
                                       "rot_y",   "rot_z",   "rmsd"};
  Eigen::MatrixXd table(out.motion.rows(), 7);
  table << out.motion, out.rmsd_mm;
  bids::write_tsv(path, names, table);
}

// One row a volume: the 16 values of ref_to_volume (RAS mm), row by row.
void write_transforms(const std::string& path, const std::vector<Affine>& maps) {
  std::vector<std::string> names;
  for (int i = 0; i < 16; ++i) {
    names.push_back("m" + std::to_string(i / 4) + std::to_string(i % 4));
  }
  Eigen::MatrixXd table(static_cast<Eigen::Index>(maps.size()), 16);
  for (std::size_t t = 0; t < maps.size(); ++t) {
    const Affine transposed = maps[t].transpose();
    table.row(static_cast<Eigen::Index>(t)) =
        Eigen::Map<const Eigen::RowVectorXd>(transposed.data(), 16);
  }
  bids::write_tsv(path, names, table);
}

void write_realigned(const std::string& path, const Series& bold, const std::vector<Affine>& maps,
                     const Context& context) {
  std::vector<std::size_t> voxels(bold.grid.n_voxels());
  std::iota(voxels.begin(), voxels.end(), std::size_t{0});
  image_io::SeriesWriter writer(path, bold.grid, bold.n_volumes, bold.tr_s);
  std::vector<float> volume;
  bold_resampling::for_each_volume({bold, bold.grid, voxels, PointMap{}, maps}, context,
                                   [&](int, std::span<const float> values) {
                                     volume.assign(values.begin(), values.end());
                                     for (float& v : volume) v = std::isnan(v) ? 0.0F : v;
                                     writer.append(volume);
                                   });
  writer.close();
}

void run_head_motion(const MotionOptions& options) {
  const Context context = process_context();
  const Series bold = image_io::read_series(options.bold, context);
  const Volume reference = options.reference.empty()
                               ? make_reference(bold, options.n_dummies, context)
                               : image_io::read_volume(options.reference);
  const head_motion::Outputs out = head_motion::run({bold, &reference}, options.params, context);
  if (out.n_failed > 0) {
    std::cerr << "warning: " << out.n_failed << " of " << bold.n_volumes
              << " volumes could not be aligned\n";
  }
  write_motion(options.motion, out);
  if (!options.transforms.empty()) write_transforms(options.transforms, out.ref_to_volume);
  if (!options.out_reference.empty()) image_io::write_volume(options.out_reference, reference);
  if (!options.out_bold.empty()) {
    write_realigned(options.out_bold, bold, out.ref_to_volume, context);
  }
}

struct ReferenceOptions {
  std::string bold;
  std::string out;
  int n_dummies = kFromData;
  boldref::Params params;
};

void run_boldref(const ReferenceOptions& options) {
  const Context context = process_context();
  const Series bold = image_io::read_series(options.bold, context);
  int n_dummies = options.n_dummies;
  if (n_dummies == kFromData) {
    n_dummies = dummy_scans::run({bold}, dummy_scans::Params{}, context).n_dummies;
  }
  const boldref::Outputs out = boldref::run({bold, n_dummies}, options.params, context);
  if (!out.aligned) std::cerr << "warning: volumes that could not be aligned were left out\n";
  image_io::write_volume(options.out, out.reference);
}

struct MaskOptions {
  std::string reference;
  std::string prior;
  std::string out;
  bold_mask::Params params;
};

void run_bold_mask(const MaskOptions& options) {
  const Context context = process_context();
  const Volume reference = image_io::read_volume(options.reference);
  Mask prior;
  if (!options.prior.empty()) prior = image_io::read_mask(options.prior);
  const bold_mask::Outputs out = bold_mask::run(
      {&reference, options.prior.empty() ? nullptr : &prior}, options.params, context);
  if (out.doubtful) std::cerr << "warning: the size of the mask is not that of a brain\n";
  image_io::write_mask(options.out, out.mask);
}

} // namespace

void add_dummy_scans(CLI::App& stage_app) {
  struct Options {
    std::string bold;
    dummy_scans::Params params;
  };
  const auto options = std::make_shared<Options>();
  CLI::App* app = stage_app.add_subcommand(std::string(dummy_scans::kStage.name),
                                           std::string(dummy_scans::kStage.summary));
  app->add_option("bold", options->bold, "4-D image, .nii or .nii.gz")->required();
  add_params(*app, options->params);
  app->callback([options] {
    const Context context = process_context();
    const Series bold = image_io::read_series(options->bold, context);
    std::cout << dummy_scans::run({bold}, options->params, context).n_dummies << '\n';
  });
}

void add_boldref(CLI::App& stage_app) {
  const auto options = std::make_shared<ReferenceOptions>();
  CLI::App* app = stage_app.add_subcommand(std::string(boldref::kStage.name),
                                           std::string(boldref::kStage.summary));
  app->add_option("bold", options->bold, "4-D image, .nii or .nii.gz")->required();
  app->add_option("--out", options->out, "reference volume to write")->required();
  app->add_option("--dummy-scans", options->n_dummies,
                  "volumes before steady state [from the data]")
      ->check(CLI::NonNegativeNumber);
  add_params(*app, options->params);
  app->callback([options] { run_boldref(*options); });
}

void add_head_motion(CLI::App& stage_app) {
  const auto options = std::make_shared<MotionOptions>();
  CLI::App* app = stage_app.add_subcommand(std::string(head_motion::kStage.name),
                                           std::string(head_motion::kStage.summary));
  app->add_option("bold", options->bold, "4-D image, .nii or .nii.gz")->required();
  app->add_option("--motion", options->motion, "table to write: six motion columns and rmsd (TSV)")
      ->required();
  app->add_option("--transforms", options->transforms,
                  "table to write: the map reference to volume, RAS mm, one row a volume (TSV)");
  app->add_option("--reference", options->reference, "reference volume [made from the run]");
  app->add_option("--out-reference", options->out_reference, "reference volume to write");
  app->add_option("--out-bold", options->out_bold, "realigned run to write");
  app->add_option("--dummy-scans", options->n_dummies,
                  "volumes before steady state [from the data]")
      ->check(CLI::NonNegativeNumber);
  add_params(*app, options->params);
  app->callback([options] { run_head_motion(*options); });
}

void add_bold_mask(CLI::App& stage_app) {
  const auto options = std::make_shared<MaskOptions>();
  CLI::App* app = stage_app.add_subcommand(std::string(bold_mask::kStage.name),
                                           std::string(bold_mask::kStage.summary));
  app->add_option("reference", options->reference, "BOLD reference volume")->required();
  app->add_option("--prior", options->prior, "brain mask on the same grid that bounds the result");
  app->add_option("--out", options->out, "mask to write")->required();
  add_params(*app, options->params);
  app->callback([options] { run_bold_mask(*options); });
}

} // namespace boldmill::cli
