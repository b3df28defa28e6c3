// Slice timing: every voxel's series as if its slice had been acquired at one moment of the volume.
//   out_k(t) = x_k(t + d_k),  d_k = (reference time - time of slice k) / TR,
// with x between the samples their convolution with a Kaiser-windowed sinc of 24 taps, the straight
// line through the voxel's series taken away before and its ends continued by point reflection.
// Volumes before `n_dummies` stay as they are and are not used. Departures in METHOD.md.
// Source: Parker et al. 2017, doi:10.1016/j.media.2016.08.006; reference time as fMRIPrep.
// Cost: 24 multiply-adds a voxel and volume; a few rows of voxels at a time per thread.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "stages/core/image.hpp"
#include "stages/core/stage_info.hpp"

namespace boldmill::slice_timing {

inline constexpr std::string_view kReferences[] = {
    "Parker 2017, Med. Image Anal. 35:434, doi:10.1016/j.media.2016.08.006"};
inline constexpr StageInfo kStage{.name = "slice_timing",
                                  .version = 1,
                                  .summary = "bring all slices of a volume to one moment",
                                  .references = kReferences};

struct Params {
  bool enabled = true;
  double reference = 0.5;
  bool operator==(const Params&) const = default;
};
template <class P, class F>
void for_each_field(P& params, F&& visit) {
  auto& [enabled, reference] = params;
  visit("enabled", enabled, "", "correct for slice timing where the sidecar tells it", Limits{});
  visit("reference", reference, "",
        "moment of the acquisition that slices are brought to: 0 its first slice, 1 its last",
        Limits::between(0.0, 1.0));
}

struct Timing {
  std::vector<double> times_s; // one per slice along `axis`, each in [0, TR)
  int axis = 2;                // of the grid: 0 i, 1 j, 2 k
  bool reversed = false;       // times_s[0] is of the last slice
  bool operator==(const Timing&) const = default;
};

// first + reference * (last - first), to a millisecond.
[[nodiscard]] double reference_time_s(std::span<const double> times_s, double reference);

// Why nothing is to be done: disabled, no times, all alike, under 5 steady volumes. Empty
// otherwise.
[[nodiscard]] std::string reason_to_skip(const Timing& timing, int n_volumes, int n_dummies,
                                         const Params& params);

struct Inputs {
  Series& bold; // changed in place; finite, tr_s set
  const Timing& timing;
  int n_dummies = 0;
};
struct Outputs {
  double reference_s = 0.0; // volume t stands for the time t * TR + reference_s
  double largest_shift_s = 0.0;
};

// Throws Error{input}: the number of times is not that of the slices, a time is outside [0, TR), or
// there is a reason to skip.
[[nodiscard]] Outputs run(const Inputs& inputs, const Params& params, const Context& context);

struct Shape {
  std::size_t n_volumes = 0;
  std::size_t row_length = 0; // voxels along i
  std::size_t n_threads = 1;
};
[[nodiscard]] std::size_t peak_bytes(const Shape& shape, const Params& params); // beside the series

inline constexpr int kTaps = 24;
// Taps of a delay by -d samples, 0 <= d < 1: x(t + d) = sum over n of taps[n] x(t + n - 11). They
// sum to 1.
[[nodiscard]] std::vector<double> shift_taps(double d);

} // namespace boldmill::slice_timing
