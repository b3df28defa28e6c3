// Temporal signal-to-noise and global correlation.
//   tSNR = mean / SD over the volumes kept (divisor n, as nipype's TSNR and MRIQC)
//   GCOR = |mean over columns of the unit-length centred series|^2, the mean of all pairwise
//          correlations, self-correlations included (AFNI, MRIQC)
// Sources: Kruger & Glover 2001, doi:10.1002/mrm.1240; Saad 2013, doi:10.1089/brain.2013.0156.
#pragma once

#include <Eigen/Dense>
#include <array>
#include <cstdint>
#include <limits>
#include <span>
#include <string_view>
#include <vector>

#include "stages/core/stage_info.hpp"

namespace boldmill::signal_quality {

inline constexpr std::array<std::string_view, 2> kReferences{
    "Kruger & Glover 2001, Magnetic Resonance in Medicine, doi:10.1002/mrm.1240",
    "Saad 2013, Brain Connectivity, doi:10.1089/brain.2013.0156"};
inline constexpr StageInfo kStage{.name = "signal_quality",
                                  .version = 1,
                                  .summary = "tSNR of every voxel and the global correlation",
                                  .references = kReferences};

struct Params {
  int min_volumes = 4;
  bool operator==(const Params&) const = default;
};
template <class P, class F>
void for_each_field(P& params, F&& visit) {
  auto& [min_volumes] = params;
  visit("min_volumes", min_volumes, "volumes", "runs with fewer volumes kept are refused",
        Limits::between(2, 1e6));
}

struct Inputs {
  Eigen::Map<const Eigen::MatrixXf> columns; // T x P, time contiguous, not mean-centred
  std::span<const std::uint8_t> keep;        // T, or empty: all
};
struct Outputs {
  std::vector<float> tsnr; // P; NaN for a NaN or constant column
  double median_tsnr = std::numeric_limits<double>::quiet_NaN();
  double gcor = std::numeric_limits<double>::quiet_NaN(); // 0..1, over the other columns
  int n_volumes = 0;
};
// Throws input: keep of another length; gate: fewer volumes kept than min_volumes.
[[nodiscard]] Outputs run(const Inputs& inputs, const Params& params, const Context& context);

} // namespace boldmill::signal_quality
