// Removes breathing from the six motion traces, whose magnetic effect looks like head motion.
//   notch  second-order notch at the middle of the band, its width the band's; order / 4 passes
//   lp     Butterworth low-pass of order / 2
// forward and backward, padded by the end values over N - 1 volumes. The band is in breaths per
// minute; edges above the Nyquist frequency are folded to where sampling puts them. T x 6 in, T x 6
// out. Filtered traces replace the originals everywhere: framewise displacement, derivatives,
// squares (filter_table does that to a table). Sources: Fair 2020 (notch),
// doi:10.1016/j.neuroimage.2019.116400; Gratton 2020 (low-pass),
// doi:10.1016/j.neuroimage.2020.116866; the exact rules are XCP-D's (Mehta 2024,
// doi:10.1162/imag_a_00257). Cost O(T).
#pragma once

#include <Eigen/Dense>
#include <array>
#include <cstddef>
#include <string>
#include <vector>

#include "stages/core/stage_info.hpp"

namespace boldmill::motion_filter {

inline constexpr std::array<std::string_view, 3> kReferences{
    "Fair 2020, NeuroImage, doi:10.1016/j.neuroimage.2019.116400",
    "Gratton 2020, NeuroImage, doi:10.1016/j.neuroimage.2020.116866",
    "Mehta 2024, Imaging Neuroscience, doi:10.1162/imag_a_00257"};
inline constexpr StageInfo kStage{.name = "motion_filter",
                                  .version = 2,
                                  .summary = "breathing removed from the motion traces",
                                  .references = kReferences};

struct Params {
  std::string type = "none";
  double band_stop_min_bpm = 12.0;
  double band_stop_max_bpm = 18.0;
  int order = 4;
  bool operator==(const Params&) const = default;
};
template <class P, class F>
void for_each_field(P& params, F&& visit) {
  auto& [type, band_stop_min_bpm, band_stop_max_bpm, order] = params;
  visit("type", type, "", "filter of the motion traces, as XCP-D's --motion-filter-type",
        Limits::one_of({"none", "notch", "lp"}));
  visit("band_stop_min_bpm", band_stop_min_bpm, "breaths/min",
        "lower edge of the notch; the cut-off of lp. Adults 12 (lp 6), 1-2 years 25",
        Limits::between(0.1, 600.0));
  visit("band_stop_max_bpm", band_stop_max_bpm, "breaths/min",
        "upper edge of the notch, not used by lp. Adults 18, 1-2 years 50",
        Limits::between(0.1, 600.0));
  visit("order", order, "", "order of the whole filter, both directions: lp 2 or more, notch 4",
        Limits::between(2, 40));
}

struct Inputs {
  Eigen::Map<const Eigen::MatrixXd> motion; // T x 6 or any columns, no missing values
  double tr_s = 0.0;
};
struct Outputs {
  Eigen::MatrixXd motion;                                  // T x 6
  bool applied = false;                                    // false: the input came back
  double band_stop_min_bpm = 0.0, band_stop_max_bpm = 0.0; // after folding
  std::string warning; // the band was folded, or sampling leaves nothing to filter
};
// Throws input: a missing value, tr_s not positive, fewer than 2 volumes; usage: band_stop_min not
// below band_stop_max, order below 4 for a notch.
[[nodiscard]] Outputs run(const Inputs& inputs, const Params& params, const Context& context);

// The same on a confounds table: the six columns, whichever of _derivative1, _power2,
// _derivative1_power2 are there, and framewise_displacement (Power, first value NaN) are replaced.
// Throws input when one of the six is absent.
Outputs filter_table(const std::vector<std::string>& names, Eigen::MatrixXd& values, double tr_s,
                     double head_radius_mm, const Params& params, const Context& context);

struct Shape {
  std::size_t n_volumes = 0;
};
[[nodiscard]] std::size_t peak_bytes(const Shape& shape, const Params& params);

} // namespace boldmill::motion_filter
