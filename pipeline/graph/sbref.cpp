#include "pipeline/graph/sbref.hpp"

#include "pipeline/graph/single_volume.hpp"
#include "stages/core/interpolate.hpp"
#include "stages/core/outcome.hpp"
#include "stages/functional/head_motion.hpp"

namespace boldmill::graph {
namespace {

constexpr double kLeastCorrelation = 0.7;

} // namespace

std::string sbref_digest(const Study& study, const bids::BoldRun& run) {
  if (!study.config.input.use_sbref || !run.sbref) return "";
  return study.digests.of(study.index.absolute(*run.sbref)).sha256;
}

Volume sbref_or(const Study& study, const bids::BoldRun& run, const Volume& reference,
                std::vector<std::string>& warnings, const Context& context) {
  const auto refuse = [&](const std::string& why) {
    warnings.push_back("the sbref is not used: " + why);
    return reference;
  };
  auto read = capture([&] { return single_volume(study, *run.sbref, context); });
  if (const auto* failure = std::get_if<Failure>(&read)) {
    if (failure->kind != ErrorKind::input) throw Error(failure->kind, failure->message);
    return refuse(failure->message);
  }
  Volume& volume = std::get<Volume>(read);
  if (!volume.grid.same_as(reference.grid, 0.01)) {
    return refuse("it is on another grid than the BOLD series");
  }
  volume.grid = reference.grid;
  Series one;
  one.grid = volume.grid;
  one.n_volumes = 1;
  one.data = volume.data;
  const auto pose = head_motion::run({one, &reference}, study.config.head_motion, context);
  if (pose.n_failed > 0 || !(pose.correlation[0] > kLeastCorrelation)) {
    return refuse("it does not align with the BOLD series, correlation " +
                  std::to_string(pose.correlation[0]).substr(0, 5));
  }
  return resample(volume, reference.grid, PointMap{{pose.ref_to_volume[0]}},
                  Interpolation::cubic_bspline, context);
}

} // namespace boldmill::graph
