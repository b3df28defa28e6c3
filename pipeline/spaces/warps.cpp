#include "pipeline/spaces/warps.hpp"

#include <algorithm>
#include <cstdio>
#include <vector>

#include "stages/anatomy/affine.hpp"
#include "stages/anatomy/normalization.hpp"
#include "stages/core/interpolate.hpp"
#include "stages/core/statistics.hpp"

namespace boldmill::spaces {
namespace {

constexpr double kJudgeSpacingMm = 2.0;
constexpr std::size_t kMaxProbes = 20000;

struct Fit {
  double dice = 0.0;
  double correlation = 0.0;
};

// How well `from`, seen through to_to_from, lies on `to`: on a 2 mm grid, the correlation inside
// both masks.
Fit fit_of(const TemplateImages& from, const TemplateImages& to, const PointMap& to_to_from,
           const Context& context) {
  const Grid grid = regular_grid_over(to.brain.grid, kJudgeSpacingMm);
  const PointMap here;
  const Mask to_mask = resample_mask(to.mask, grid, here, context);
  const Mask from_mask = resample_mask(from.mask, grid, to_to_from, context);
  const Volume to_brain = resample(to.brain, grid, here, Interpolation::linear, context);
  const Volume from_brain = resample(from.brain, grid, to_to_from, Interpolation::linear, context);
  std::vector<double> a, b;
  for (std::size_t v = 0; v < grid.n_voxels(); ++v) {
    if (to_mask.data[v] == 0 || from_mask.data[v] == 0) continue;
    a.push_back(to_brain.data[v]);
    b.push_back(from_brain.data[v]);
  }
  return {dice(to_mask, from_mask), pearson(a, b)};
}

// Points spread over the mask, at most kMaxProbes.
std::vector<Eigen::Vector3d> probes_of(const Mask& mask) {
  const std::vector<std::size_t> inside = indices_of(mask);
  const std::size_t stride = 1 + inside.size() / kMaxProbes;
  std::vector<Eigen::Vector3d> probes;
  for (std::size_t i = 0; i < inside.size(); i += stride) {
    const std::array<int, 3> at = mask.grid.coordinates(inside[i]);
    probes.push_back(mask.grid.to_mm({at[0] * 1.0, at[1] * 1.0, at[2] * 1.0}));
  }
  return probes;
}

std::string number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.3f", value);
  return text;
}

void judge(const SpaceMap& map, const WarpLimits& limits) {
  const auto require = [&map](const char* what, double found, double least) {
    if (found >= least) return;
    throw Error(ErrorKind::gate, "warp " + map.from_name + " -> " + map.to_name + ": found " +
                                     what + " " + number(found) + ", expected at least " +
                                     number(least));
  };
  require("Dice of the brains", map.dice, limits.min_dice);
  require("correlation", map.correlation, limits.min_correlation);
  require("local volume ratio", map.min_jacobian, limits.min_jacobian);
  require("inverse error (negative, mm)", -map.round_trip_mm, -limits.max_round_trip_mm);
}

} // namespace

SpaceMap space_map(const TemplateInfo& from, const TemplateInfo& to, const WarpLimits& limits,
                   const Context& context) {
  SpaceMap map;
  map.from_name = from.name;
  map.from_space = from.space;
  map.from_sha256 = from.sha256;
  map.to_name = to.name;
  map.to_space = to.space;
  map.to_sha256 = to.sha256;
  if (from.space == to.space) {
    map.identity = true;
    return map;
  }
  const TemplateImages source = load_template(from, context);
  const TemplateImages target = load_template(to, context);
  affine::Params affine_params;
  affine_params.search_rotations = false; // templates are upright
  const affine::Outputs linear =
      affine::run({source.brain, target.brain, target.mask}, affine_params, context);
  const normalization::Outputs warp = normalization::run(
      {source.brain, source.mask, target.brain, target.mask, linear.t1w_to_template}, {}, context);
  map.from_to_to = warp.moving_to_template;
  map.to_to_from = warp.template_to_moving;
  map.min_jacobian = warp.min_jacobian;

  const Fit before = fit_of(source, target, {}, context);
  const Fit after = fit_of(source, target, map.to_to_from, context);
  map.dice_before = before.dice;
  map.correlation_before = before.correlation;
  map.dice = after.dice;
  map.correlation = after.correlation;
  std::vector<double> shift, round_trip;
  for (const Eigen::Vector3d& point : probes_of(source.mask)) {
    const Eigen::Vector3d moved = map.from_to_to(point);
    shift.push_back((moved - point).norm());
    round_trip.push_back((map.to_to_from(moved) - point).norm());
  }
  map.median_shift_mm = median(shift);
  map.round_trip_mm = quantile(round_trip, 0.95);
  judge(map, limits);
  return map;
}

std::string describe(const SpaceMap& map) {
  if (map.identity) return map.from_name + " and " + map.to_name + " share " + map.to_space;
  return map.from_name + " (" + map.from_space + ") carried to " + map.to_name + " (" +
         map.to_space + ") by a computed warp: Dice of the brains " + number(map.dice) +
         " (blindly " + number(map.dice_before) + "), correlation " + number(map.correlation) +
         " (blindly " + number(map.correlation_before) + "), median shift " +
         number(map.median_shift_mm) + " mm";
}

} // namespace boldmill::spaces
