// Amplitude of low-frequency fluctuations and its fraction of the whole spectrum.
//   y: the column over the volumes kept, mean 0 and standard deviation 1 (divisor n)
//   P(f) = ((y.c)^2 / c.c + (y.s)^2 / s.s) / y.y,   c = cos 2 pi f (t - tau), s = sin likewise,
//   tan 4 pi f tau = sum sin 4 pi f t / sum cos 4 pi f t
//   ALFF = 2 mean of sqrt P over the bins [nearest to low, nearest to high) x SD of the column
//   fALFF = sum of sqrt P over those bins / sum over all bins above 0
// With every volume kept this is the periodogram (scaling "spectrum") at k / (T TR); with censoring
// the normalised Lomb-Scargle periodogram at k / (2 floor(T / 2) TR), as XCP-D. Not divided by the
// brain's mean. fALFF wants data that were not low-pass filtered.
// Sources: Zang 2007, doi:10.1016/j.braindev.2006.07.002; Zou 2008,
// doi:10.1016/j.jneumeth.2008.04.012; Scargle 1982, doi:10.1086/160554. Cost O(T bins) a column.
#pragma once

#include <Eigen/Dense>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "stages/core/stage_info.hpp"

namespace boldmill::alff {

inline constexpr std::array<std::string_view, 3> kReferences{
    "Zang 2007, Brain and Development, doi:10.1016/j.braindev.2006.07.002",
    "Zou 2008, Journal of Neuroscience Methods, doi:10.1016/j.jneumeth.2008.04.012",
    "Scargle 1982, The Astrophysical Journal, doi:10.1086/160554"};
inline constexpr StageInfo kStage{.name = "alff",
                                  .version = 1,
                                  .summary = "Amplitude of low-frequency fluctuations",
                                  .references = kReferences};

struct Params {
  double low_hz = 0.01;
  double high_hz = 0.08;
  bool fraction = true;
  int min_volumes = 10;
  bool operator==(const Params&) const = default;
};
template <class P, class F>
void for_each_field(P& params, F&& visit) {
  auto& [low_hz, high_hz, fraction, min_volumes] = params;
  visit("low_hz", low_hz, "Hz", "lower edge of the band; 0 is the lowest bin",
        Limits::between(0, 100));
  visit("high_hz", high_hz, "Hz", "upper edge, its bin left out; 0 is the highest bin",
        Limits::between(0, 100));
  visit("fraction", fraction, "", "compute fALFF too, which needs the whole spectrum",
        Limits::between(0, 1));
  visit("min_volumes", min_volumes, "volumes", "runs with fewer volumes kept are refused",
        Limits::between(4, 1e6));
}

struct Inputs {
  Eigen::Map<const Eigen::MatrixXf> columns; // T x P, time contiguous
  std::span<const std::uint8_t> keep;        // T, or empty: all
  double tr_s = 0.0;
};
struct Outputs {
  std::vector<float> alff;  // P, in units of the columns; 0 for a constant column, NaN with NaN
  std::vector<float> falff; // P, 0..1, NaN for a constant column; empty unless params.fraction
  int n_volumes = 0;        // kept
  int n_bins = 0;           // of the band
};
// The SD covers every volume of a column that is not NaN: interpolated volumes count, as in XCP-D.
// Throws input: tr_s <= 0, keep of another length, a band without a bin; gate: too few volumes.
[[nodiscard]] Outputs run(const Inputs& inputs, const Params& params, const Context& context);

struct Shape {
  std::size_t n_volumes = 0;
  std::size_t n_columns = 0;
  std::size_t n_threads = 1;
};
[[nodiscard]] std::size_t peak_bytes(const Shape& shape, const Params& params);

} // namespace boldmill::alff
