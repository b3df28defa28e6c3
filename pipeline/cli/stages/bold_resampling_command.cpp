// boldmill stage bold_resampling BOLD.nii.gz --target T.nii.gz [--transforms HM.tsv] [--xfm X.tsv]
// --out OUT.nii.gz
#include <cmath>
#include <memory>
#include <numeric>
#include <string>
#include <vector>

#include "pipeline/bids/tsv.hpp"
#include "pipeline/cli/stage_command.hpp"
#include "pipeline/image_io/nifti.hpp"
#include "stages/functional/bold_resampling.hpp"

namespace boldmill::cli {
namespace {

struct Options {
  std::string bold;
  std::string target;
  std::string mask;
  std::string transforms;
  std::string xfm;
  std::string out;
  bold_resampling::Params params;
};

std::vector<Affine> read_transforms(const std::string& path, int n_volumes) {
  const Eigen::MatrixXd table = bids::read_tsv(path).matrix();
  if (table.cols() != 16 || table.rows() != n_volumes) {
    throw Error(ErrorKind::input, path + ": found " + std::to_string(table.rows()) + " x " +
                                      std::to_string(table.cols()) + ", expected " +
                                      std::to_string(n_volumes) + " x 16");
  }
  std::vector<Affine> maps;
  for (Eigen::Index t = 0; t < table.rows(); ++t) {
    Affine map;
    for (int i = 0; i < 16; ++i) map(i / 4, i % 4) = table(t, i);
    maps.push_back(map);
  }
  return maps;
}

// The file holds BOLD to target; resampling needs its inverse.
PointMap read_target_to_ref(const std::string& path) {
  const Eigen::MatrixXd table = bids::read_tsv(path).matrix();
  if (table.rows() != 4 || table.cols() != 4) {
    throw Error(ErrorKind::input, path + ": found " + std::to_string(table.rows()) + " x " +
                                      std::to_string(table.cols()) + ", expected 4 x 4");
  }
  const Affine bold_to_target = table;
  if (!(std::abs(bold_to_target.determinant()) > 1e-9)) {
    throw Error(ErrorKind::input, path + ": the map cannot be inverted");
  }
  return PointMap{{Affine(bold_to_target.inverse())}};
}

void run_bold_resampling(const Options& options) {
  const Context context = process_context();
  const Grid target = image_io::read_header(options.target).grid;
  std::vector<std::size_t> voxels(target.n_voxels());
  std::iota(voxels.begin(), voxels.end(), std::size_t{0});
  if (!options.mask.empty()) {
    const Mask mask = image_io::read_mask(options.mask);
    if (!mask.grid.same_as(target)) {
      throw Error(ErrorKind::input, options.mask + ": not on the grid of " + options.target);
    }
    voxels = indices_of(mask);
  }
  const Series bold = image_io::read_series(options.bold, context);
  std::vector<Affine> maps;
  if (!options.transforms.empty()) maps = read_transforms(options.transforms, bold.n_volumes);
  PointMap target_to_ref;
  if (!options.xfm.empty()) target_to_ref = read_target_to_ref(options.xfm);
  image_io::SeriesWriter writer(options.out, target, bold.n_volumes, bold.tr_s);
  std::vector<float> volume(target.n_voxels());
  bold_resampling::for_each_volume({bold, target, voxels, target_to_ref, maps}, context,
                                   [&](int, std::span<const float> values) {
                                     for (std::size_t p = 0; p < values.size(); ++p) {
                                       volume[voxels[p]] = std::isnan(values[p]) ? 0.0F : values[p];
                                     }
                                     writer.append(volume);
                                   });
  writer.close();
}

} // namespace

void add_bold_resampling(CLI::App& stage_app) {
  const auto options = std::make_shared<Options>();
  CLI::App* app = stage_app.add_subcommand(std::string(bold_resampling::kStage.name),
                                           std::string(bold_resampling::kStage.summary));
  app->add_option("bold", options->bold, "raw 4-D image, .nii or .nii.gz")->required();
  app->add_option("--target", options->target, "image whose grid is filled")->required();
  app->add_option("--mask", options->mask, "voxels wanted, on that grid [all]");
  app->add_option("--transforms", options->transforms,
                  "head motion as written by head_motion --transforms [none]");
  app->add_option("--xfm", options->xfm,
                  "4 x 4 map BOLD to target as written by coregistration --xfm [identity]");
  app->add_option("--out", options->out, "4-D image to write; 0 outside the field of view")
      ->required();
  add_params(*app, options->params);
  app->callback([options] { run_bold_resampling(*options); });
}

} // namespace boldmill::cli
