#include "pipeline/graph/echoes.hpp"

#include <cmath>
#include <numeric>

#include "pipeline/config/config.hpp"
#include "stages/core/error.hpp"
#include "stages/functional/bold_resampling.hpp"

namespace boldmill::graph {
namespace {

Series read_echo(const Study& study, const bids::BidsFile& file, const Series& like,
                 const Context& context) {
  Series echo =
      image_io::read_series(study.index.absolute(file), context, {.nonfinite_to_zero = true});
  if (echo.n_volumes != like.n_volumes || !echo.grid.same_as(like.grid, 0.01)) {
    throw Error(ErrorKind::input,
                file.path + ": found " + std::to_string(echo.n_volumes) +
                    " volumes or another grid, expected those of the other echoes");
  }
  return echo;
}

// Over the steady volumes, in the pose of the reference.
Volume mean_in_place(const Series& echo, const EchoInputs& inputs, const Context& context) {
  std::vector<std::size_t> voxels(echo.grid.n_voxels());
  std::iota(voxels.begin(), voxels.end(), std::size_t{0});
  const bold_resampling::Inputs resampling{echo, echo.grid, voxels, PointMap{},
                                           inputs.ref_to_volume};
  std::vector<double> sum(voxels.size(), 0.0);
  std::vector<int> n(voxels.size(), 0);
  bold_resampling::for_each_volume(resampling, context, [&](int t, std::span<const float> values) {
    if (t < inputs.n_dummies) return;
    for (std::size_t v = 0; v < values.size(); ++v) {
      if (std::isnan(values[v])) continue;
      sum[v] += static_cast<double>(values[v]);
      ++n[v];
    }
  });
  Volume mean(echo.grid);
  for (std::size_t v = 0; v < sum.size(); ++v) {
    mean.data[v] = n[v] > 0 ? static_cast<float>(sum[v] / n[v]) : 0.0F;
  }
  return mean;
}

} // namespace

std::string EchoPlan::key() const {
  std::vector<std::string> digests;
  for (const store::InputRecord& input : inputs) digests.push_back(input.sha256);
  return config::Json{digests, times_s}.dump();
}

EchoPlan plan_echoes(const Study& study, const bids::ParticipantSession& session,
                     const bids::BoldRun& run, const image_io::NiftiHeader& main) {
  EchoPlan plan;
  if (run.echoes.empty()) return plan;
  const auto refuse = [&](const std::string& why) {
    EchoPlan none;
    none.warnings.push_back("its " + std::to_string(run.echoes.size()) +
                            " echoes are not combined, " + run.file.path +
                            " alone is used: " + why);
    return none;
  };
  if (!study.config.multi_echo.combine) return refuse("multi_echo.combine is off");
  for (const bids::BidsFile& file : run.echoes) {
    if (!file.problem.empty()) return refuse(file.path + ": " + file.problem);
    const auto path = study.index.absolute(file);
    const image_io::NiftiHeader header = image_io::read_header(path);
    if (header.n_volumes != main.n_volumes || !header.grid.same_as(main.grid, 0.01)) {
      return refuse(file.path + " has another grid or number of volumes");
    }
    const bids::Sidecar sidecar = study.index.metadata(session, file);
    if (!sidecar.echo_time_s) return refuse(file.path + " has no EchoTime");
    if (!plan.times_s.empty() && !(*sidecar.echo_time_s > plan.times_s.back())) {
      return refuse("the echo times do not rise with the echo numbers");
    }
    const auto digest = study.digests.of(path);
    plan.inputs.push_back({file.path, digest.bytes, digest.sha256});
    plan.times_s.push_back(*sidecar.echo_time_s);
  }
  return plan;
}

multi_echo::Outputs combine_echoes(const Study& study, const bids::BoldRun& run,
                                   const EchoInputs& inputs, Series& bold, const Context& context) {
  std::vector<Volume> means;
  for (const bids::BidsFile& file : run.echoes) {
    means.push_back(file.path == run.file.path
                        ? mean_in_place(bold, inputs, context)
                        : mean_in_place(read_echo(study, file, bold, context), inputs, context));
  }
  multi_echo::Outputs fit =
      multi_echo::run({means, inputs.plan.times_s, inputs.brain}, study.config.multi_echo, context);
  Series sum;
  sum.grid = bold.grid;
  sum.n_volumes = bold.n_volumes;
  sum.tr_s = bold.tr_s;
  sum.data.assign(bold.data.size(), 0.0F);
  for (std::size_t e = 0; e < run.echoes.size(); ++e) {
    const bids::BidsFile& file = run.echoes[e];
    if (file.path == run.file.path) {
      multi_echo::add_weighted(sum, bold, fit.weights[e], inputs.ref_to_volume, context);
      bold.data = {}; // read no more
    }
  }
  for (std::size_t e = 0; e < run.echoes.size(); ++e) {
    const bids::BidsFile& file = run.echoes[e];
    if (file.path == run.file.path) continue;
    const Series echo = read_echo(study, file, sum, context);
    multi_echo::add_weighted(sum, echo, fit.weights[e], inputs.ref_to_volume, context);
  }
  bold = std::move(sum);
  return fit;
}

} // namespace boldmill::graph
