// Template-to-template warps: computed by the normalization stage, judged, or refused.
#pragma once

#include <string>

#include "pipeline/spaces/templates.hpp"
#include "stages/core/stage_info.hpp"
#include "stages/core/transform.hpp"

namespace boldmill::spaces {

// What a warp must reach to be used.
struct WarpLimits {
  double min_dice = 0.95;         // of the two brain masks
  double min_correlation = 0.70;  // of the intensities inside both masks, after the warp
  double min_jacobian = 0.05;     // smallest local volume ratio of the field
  double max_round_trip_mm = 1.0; // 95th percentile, see SpaceMap
  bool operator==(const WarpLimits&) const = default;
};

// A point map between two spaces with its quality. Plain data: cache it under the two sha256.
struct SpaceMap {
  std::string from_name, from_space, from_sha256;
  std::string to_name, to_space, to_sha256;
  PointMap from_to_to;   // RAS mm of `from` -> RAS mm of `to`
  PointMap to_to_from;   // its inverse
  bool identity = false; // the spaces are the same: no steps, nothing measured
  double dice = 0.0, correlation = 0.0, min_jacobian = 0.0;
  double dice_before = 0.0, correlation_before = 0.0; // carried blindly
  double median_shift_mm = 0.0; // |from_to_to(x) - x| over the brain of `from`
  double round_trip_mm = 0.0;   // 95th percentile of |to_to_from(from_to_to(x)) - x| there
};

template <class Archive>
void archive(Archive& a, SpaceMap& m) {
  a(m.from_name, m.from_space, m.from_sha256, m.to_name, m.to_space, m.to_sha256, m.from_to_to,
    m.to_to_from, m.identity, m.dice, m.correlation, m.min_jacobian, m.dice_before,
    m.correlation_before, m.median_shift_mm, m.round_trip_mm);
}

// Version of what space_map computes, part of its cache key.
inline constexpr int kSpaceMapVersion = 1;

// About one to three minutes of one core for two 1 mm brains; identity at once for equal spaces.
// ErrorKind::gate, naming the value and the limit, when the warp does not reach `limits`.
[[nodiscard]] SpaceMap space_map(const TemplateInfo& from, const TemplateInfo& to,
                                 const WarpLimits& limits, const Context& context);

// One sentence for reports: spaces, Dice, correlation, shift.
[[nodiscard]] std::string describe(const SpaceMap& map);

} // namespace boldmill::spaces
