// boldmill stage {alff,reho,seed_map,signal_quality} BOLD.nii.gz --mask M.nii.gz ...
#include <cmath>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "pipeline/bids/text.hpp"
#include "pipeline/bids/tsv.hpp"
#include "pipeline/cli/stage_command.hpp"
#include "pipeline/image_io/columns.hpp"
#include "pipeline/image_io/nifti.hpp"
#include "stages/connectivity/alff.hpp"
#include "stages/connectivity/reho.hpp"
#include "stages/connectivity/seed_map.hpp"
#include "stages/connectivity/signal_quality.hpp"

namespace boldmill::cli {
namespace {

// The image, its mask and the volumes to use, as every stage here takes them.
struct Source {
  std::string bold, mask, keep;
};

struct Data {
  Mask mask;
  Eigen::MatrixXf columns; // volumes x voxels of the mask
  std::vector<std::uint8_t> keep;
  double tr_s = 0.0;

  [[nodiscard]] Eigen::Map<const Eigen::MatrixXf> map() const {
    return {columns.data(), columns.rows(), columns.cols()};
  }
};

CLI::App* add_source(CLI::App& stage_app, const StageInfo& stage, Source& source) {
  CLI::App* app = stage_app.add_subcommand(std::string(stage.name), std::string(stage.summary));
  app->add_option("bold", source.bold, "4-D image, .nii or .nii.gz")->required();
  app->add_option("--mask", source.mask, "voxels to use, on the grid of the image")->required();
  app->add_option("--keep", source.keep,
                  "table of one column, a row a volume: 1 kept, 0 censored (TSV)");
  return app;
}

Data read(const Source& source, const Context& context) {
  const image_io::NiftiHeader header = image_io::read_header(source.bold);
  Data data;
  data.mask = image_io::read_mask(source.mask);
  if (!data.mask.grid.same_as(header.grid)) {
    throw Error(ErrorKind::input, source.mask + ": not on the grid of " + source.bold);
  }
  data.tr_s = header.tr_s;
  const std::vector<std::size_t> voxels = indices_of(data.mask);
  data.columns = image_io::read_columns(source.bold, voxels, 0, context);
  if (!source.keep.empty()) {
    for (const double value : bids::read_tsv(source.keep).numbers(std::size_t{0})) {
      data.keep.push_back(value != 0.0 ? 1 : 0);
    }
  }
  return data;
}

// 0 outside the mask and where there is no value.
void write_map(const std::string& path, const Mask& mask, std::span<const float> values) {
  Volume volume(mask.grid);
  const std::vector<std::size_t> voxels = indices_of(mask);
  for (std::size_t v = 0; v < voxels.size(); ++v) {
    volume.data[voxels[v]] = std::isfinite(values[v]) ? values[v] : 0.0F;
  }
  image_io::write_volume(path, volume);
}

} // namespace

void add_alff(CLI::App& stage_app) {
  struct Options {
    Source source;
    double tr_s = 0.0;
    std::string out, out_fraction;
    alff::Params params;
  };
  const auto options = std::make_shared<Options>();
  CLI::App* app = add_source(stage_app, alff::kStage, options->source);
  app->add_option("--tr", options->tr_s, "repetition time [s] (default: the image's)");
  app->add_option("--out", options->out, "ALFF, in units of the image")->required();
  app->add_option("--falff", options->out_fraction, "fraction of the whole spectrum, 0 to 1");
  add_params(*app, options->params);
  app->callback([options] {
    const Context context = process_context();
    const Data data = read(options->source, context);
    options->params.fraction = !options->out_fraction.empty();
    const double tr_s = options->tr_s > 0.0 ? options->tr_s : data.tr_s;
    const alff::Outputs out = alff::run({data.map(), data.keep, tr_s}, options->params, context);
    write_map(options->out, data.mask, out.alff);
    if (options->params.fraction) write_map(options->out_fraction, data.mask, out.falff);
  });
}

void add_reho(CLI::App& stage_app) {
  struct Options {
    Source source;
    std::string out;
    reho::Params params;
  };
  const auto options = std::make_shared<Options>();
  CLI::App* app = add_source(stage_app, reho::kStage, options->source);
  app->add_option("--out", options->out, "Kendall's W, 0 to 1")->required();
  add_params(*app, options->params);
  app->callback([options] {
    const Context context = process_context();
    const Data data = read(options->source, context);
    const reho::Outputs out =
        reho::run({data.map(), &data.mask, data.keep}, options->params, context);
    write_map(options->out, data.mask, out.reho);
  });
}

void add_seed_map(CLI::App& stage_app) {
  struct Options {
    Source source;
    std::string seeds, seed, out, out_z;
    seed_map::Params params;
  };
  const auto options = std::make_shared<Options>();
  CLI::App* app = add_source(stage_app, seed_map::kStage, options->source);
  app->add_option("--seeds", options->seeds, "table of volumes by regions (TSV)")->required();
  app->add_option("--seed", options->seed, "its column (default: the first)");
  app->add_option("--out", options->out, "Pearson r of every voxel with the seed")->required();
  app->add_option("--out-z", options->out_z, "Fisher's z");
  add_params(*app, options->params);
  app->callback([options] {
    const Context context = process_context();
    const bids::Table table = bids::read_tsv(options->seeds);
    const std::string name = options->seed.empty() ? table.names().at(0) : options->seed;
    const Eigen::MatrixXf seed = table.matrix({name}).cast<float>();
    const Data data = read(options->source, context);
    const seed_map::Outputs out = seed_map::run(
        {{seed.data(), seed.rows(), seed.cols()}, data.map(), data.keep}, options->params, context);
    const auto values = [](const Eigen::MatrixXf& m) {
      return std::span<const float>(m.data(), static_cast<std::size_t>(m.size()));
    };
    write_map(options->out, data.mask, values(out.correlation));
    if (!options->out_z.empty()) write_map(options->out_z, data.mask, values(out.fisher_z));
  });
}

void add_signal_quality(CLI::App& stage_app) {
  struct Options {
    Source source;
    std::string out;
    signal_quality::Params params;
  };
  const auto options = std::make_shared<Options>();
  CLI::App* app = add_source(stage_app, signal_quality::kStage, options->source);
  app->add_option("--out", options->out, "tSNR of every voxel");
  add_params(*app, options->params);
  app->callback([options] {
    const Context context = process_context();
    const Data data = read(options->source, context);
    const signal_quality::Outputs out =
        signal_quality::run({data.map(), data.keep}, options->params, context);
    std::cout << "tsnr\t" << bids::format_number(out.median_tsnr) << "\ngcor\t"
              << bids::format_number(out.gcor) << "\nn_volumes\t" << out.n_volumes << '\n';
    if (!options->out.empty()) write_map(options->out, data.mask, out.tsnr);
  });
}

} // namespace boldmill::cli
