// Number of volumes before the magnetisation is steady, from the mean signal of the first volumes.
//   s_t = mean over voxels of min(max(x, 0), p99.8), t < window
//   leading volumes with 0.6745 |s_t - median(s)| / MAD(s) > threshold are dummies
// Missing data: non-finite voxels are left out. Source: the detector of fMRIPrep (Esteban 2019,
// doi:10.1038/s41592-018-0235-4); differences in METHOD.md. Cost: one pass over the window.
#pragma once

#include <Eigen/Dense>
#include <span>

#include "stages/core/stage_info.hpp"
#include "stages/functional/kernels/volume_source.hpp"

namespace boldmill::dummy_scans {

inline constexpr std::string_view kReferences[] = {
    "Esteban 2019, Nature Methods 16:111, doi:10.1038/s41592-018-0235-4"};
inline constexpr StageInfo kStage{.name = "dummy_scans",
                                  .version = 1,
                                  .summary = "count volumes before steady state",
                                  .references = kReferences};

struct Params {
  int window = 40;
  double threshold = 3.5;
  double clip_percentile = 99.8;
  bool operator==(const Params&) const = default;
};
template <class P, class F>
void for_each_field(P& params, F&& visit) {
  auto& [window, threshold, clip_percentile] = params;
  visit("window", window, "volumes", "how many leading volumes are looked at",
        Limits::between(2, 100000));
  visit("threshold", threshold, "", "modified z-score above which a leading volume is a dummy",
        Limits::between(0.0, 1e6));
  visit("clip_percentile", clip_percentile, "%", "voxel values above this percentile are clipped",
        Limits::between(50.0, 100.0));
}

struct Inputs {
  VolumeSource bold;
};
struct Outputs {
  int n_dummies = 0;           // 0 for a run of one volume
  Eigen::VectorXd mean_signal; // min(T, window), clipped mean of each volume
};

struct Shape {
  std::size_t n_voxels = 0;
  std::size_t n_volumes = 0;
};

// Leading values whose modified z-score is above `threshold`; never all of them: when no value
// follows the rule, 0. A series that is constant up to rounding has no dummies.
[[nodiscard]] int leading_outliers(std::span<const double> series, double threshold);

[[nodiscard]] Outputs run(const Inputs& inputs, const Params& params, const Context& context);
[[nodiscard]] std::size_t peak_bytes(const Shape& shape, const Params& params);

} // namespace boldmill::dummy_scans
