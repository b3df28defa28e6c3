// Pulls spikes of voxel series towards a smooth curve. With the series y of N values:
//   1. z = y with every value further from the median of its 9 neighbours than 6.789 times the
//      median of the local median absolute deviations replaced by that median
//   2. f = least squares fit to z of 1, t, t^2 and sines and cosines of k = 1 .. L periods a run
//   3. s = (y - f) / (sqrt(pi / 2) median |y - f|)
//   4. |s| > c1 becomes c1 + (c2 - c1) tanh((|s| - c1) / (c2 - c1))
// This is AFNI's 3dDespike -NEW -nomask, as XCP-D calls it (not its older L1 fit), with L = N / 30
// rounded, c1 = 2.5, c2 = 4. Column per voxel, time contiguous; dummies are left as they are and
// do not count; a column with a non-finite value is left as it is. Not linear: despike voxels
// before averaging. Source: Cox 1996, doi:10.1006/cbmr.1996.0014 and the text of 3dDespike.
// Cost O(T L P).
#pragma once

#include <Eigen/Dense>
#include <array>
#include <cstddef>
#include <vector>

#include "stages/core/stage_info.hpp"

namespace boldmill::despike {

inline constexpr std::array<std::string_view, 1> kReferences{
    "Cox 1996, Computers and Biomedical Research, doi:10.1006/cbmr.1996.0014"};
inline constexpr StageInfo kStage{.name = "despike",
                                  .version = 1,
                                  .summary = "spikes of voxel series pulled to a smooth curve",
                                  .references = kReferences};

struct Params {
  double cut_start = 2.5;
  double cut_limit = 4.0;
  int curve_order = -1;
  bool operator==(const Params&) const = default;
};
template <class P, class F>
void for_each_field(P& params, F&& visit) {
  auto& [cut_start, cut_limit, curve_order] = params;
  visit("cut_start", cut_start, "SD",
        "deviations from the curve above this are pulled in (-cut c1)",
        Limits::between(1.0, 100.0));
  visit("cut_limit", cut_limit, "SD", "what the largest deviation becomes (-cut c2)",
        Limits::between(1.5, 100.0));
  visit("curve_order", curve_order, "",
        "periods of the curve over the run (-corder); -1 is volumes / 30, rounded",
        Limits::between(-1, 1000));
}

struct Inputs {
  Eigen::Map<const Eigen::MatrixXf> series; // T x P
  int n_dummy = 0;
};
struct Counts {
  std::size_t n_edits = 0;         // values changed
  std::size_t n_large = 0;         // of them beyond cut_limit
  std::vector<std::size_t> volume; // T, values changed in each volume
};
struct Outputs {
  Eigen::MatrixXf despiked; // T x P
  Counts counts;
};
// Throws input: fewer than 15 volumes after the dummies, or a curve_order too large for them;
// usage: cut_limit less than half an SD above cut_start.
[[nodiscard]] Outputs run(const Inputs& inputs, const Params& params, const Context& context);
// The same on the caller's buffer.
Counts run_in_place(Eigen::Map<Eigen::MatrixXf> series, int n_dummy, const Params& params,
                    const Context& context);

struct Shape {
  std::size_t n_volumes = 0;
  std::size_t n_columns = 0;
};
[[nodiscard]] std::size_t peak_bytes(const Shape& shape, const Params& params);

} // namespace boldmill::despike
