// boldmill stage multi_echo ECHO1.nii.gz ECHO2.nii.gz ... --echo-times-s 0.013 0.03 ... --out
// OUT.nii.gz
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "pipeline/cli/stage_command.hpp"
#include "pipeline/image_io/nifti.hpp"
#include "stages/core/statistics.hpp"
#include "stages/functional/bold_mask.hpp"
#include "stages/functional/multi_echo.hpp"

namespace boldmill::cli {
namespace {

struct Options {
  std::vector<std::string> echoes;
  std::vector<double> times_s;
  std::string out;
  std::string t2star;
  multi_echo::Params params;
};

Volume mean_of(const Series& series) {
  Volume mean(series.grid);
  for (std::size_t v = 0; v < mean.data.size(); ++v) {
    double sum = 0.0;
    for (int t = 0; t < series.n_volumes; ++t) sum += static_cast<double>(series.volume(t)[v]);
    mean.data[v] = static_cast<float>(sum / series.n_volumes);
  }
  return mean;
}

void run_multi_echo(const Options& options) {
  const Context context = process_context();
  std::vector<Volume> means;
  for (const std::string& path : options.echoes) {
    means.push_back(mean_of(image_io::read_series(path, context, {.nonfinite_to_zero = true})));
  }
  const Mask brain = bold_mask::run({&means.front(), nullptr}, {}, context).mask;
  const auto fit = multi_echo::run({means, options.times_s, brain}, options.params, context);
  Series sum;
  for (std::size_t e = 0; e < options.echoes.size(); ++e) {
    Series echo = image_io::read_series(options.echoes[e], context, {.nonfinite_to_zero = true});
    if (e == 0) {
      sum = echo;
      std::fill(sum.data.begin(), sum.data.end(), 0.0F);
    }
    multi_echo::add_weighted(sum, echo, fit.weights[e], {}, context);
  }
  image_io::write_series(options.out, sum);
  if (!options.t2star.empty()) image_io::write_volume(options.t2star, fit.t2star_ms);
  std::vector<double> inside;
  for (const std::size_t v : indices_of(brain)) {
    inside.push_back(static_cast<double>(fit.t2star_ms.data[v]));
  }
  std::cout << "median T2* in the brain " << median(std::move(inside)) << " ms\n";
}

} // namespace

void add_multi_echo(CLI::App& stage_app) {
  const auto options = std::make_shared<Options>();
  CLI::App* app = stage_app.add_subcommand(std::string(multi_echo::kStage.name),
                                           std::string(multi_echo::kStage.summary));
  app->add_option("echoes", options->echoes, "4-D images, one per echo, aligned to each other")
      ->required()
      ->expected(2, 32);
  app->add_option("--echo-times-s", options->times_s, "EchoTime of each [s]")
      ->required()
      ->expected(2, 32);
  app->add_option("--out", options->out, "series to write")->required();
  app->add_option("--out-t2star", options->t2star, "T2* map to write [ms]");
  add_params(*app, options->params);
  app->callback([options] { run_multi_echo(*options); });
}

} // namespace boldmill::cli
