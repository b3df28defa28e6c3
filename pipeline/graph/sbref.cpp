#include "pipeline/graph/sbref.hpp"

#include "pipeline/image_io/nifti.hpp"
#include "stages/core/interpolate.hpp"
#include "stages/core/outcome.hpp"
#include "stages/functional/boldref.hpp"
#include "stages/functional/head_motion.hpp"

namespace boldmill::graph {
namespace {

constexpr double kLeastCorrelation = 0.7;

Series read_sbref(const Study& study, const bids::BidsFile& file, const Context& context) {
  const auto path = study.index.absolute(file);
  if (image_io::read_header(path).n_volumes > 1) {
    return image_io::read_series(path, context, {.nonfinite_to_zero = true});
  }
  Volume volume = image_io::read_volume(path, {.nonfinite_to_zero = true});
  Series one;
  one.grid = volume.grid;
  one.n_volumes = 1;
  one.data = std::move(volume.data);
  return one;
}

Volume first_volume(const Series& series) {
  Volume volume(series.grid);
  std::copy_n(series.volume(0), volume.data.size(), volume.data.begin());
  return volume;
}

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
  const auto read = capture([&] { return read_sbref(study, *run.sbref, context); });
  if (const auto* failure = std::get_if<Failure>(&read)) {
    if (failure->kind != ErrorKind::input) throw Error(failure->kind, failure->message);
    return refuse(failure->message);
  }
  const Series& series = std::get<Series>(read);
  if (!series.grid.same_as(reference.grid, 0.01)) {
    return refuse("it is on another grid than the BOLD series");
  }
  Series one;
  one.grid = reference.grid;
  one.n_volumes = 1;
  one.data = series.n_volumes > 1
                 ? boldref::run({series, 0}, study.config.boldref, context).reference.data
                 : first_volume(series).data;
  const auto pose = head_motion::run({one, &reference}, study.config.head_motion, context);
  if (pose.n_failed > 0 || !(pose.correlation[0] > kLeastCorrelation)) {
    return refuse("it does not align with the BOLD series, correlation " +
                  std::to_string(pose.correlation[0]).substr(0, 5));
  }
  Volume volume(reference.grid);
  volume.data = one.data;
  return resample(volume, reference.grid, PointMap{{pose.ref_to_volume[0]}},
                  Interpolation::cubic_bspline, context);
}

} // namespace boldmill::graph
