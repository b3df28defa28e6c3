// Ranks of a series with ties, as whole numbers.
#pragma once

#include <Eigen/Dense>
#include <cstdint>
#include <vector>

namespace boldmill::connectivity {

struct RankBuffer {
  std::vector<std::uint64_t> keys, other;
};

// out[i]: twice the mean rank (1..n) of values[volumes[i]] among all; n at most 32767. Returns the
// sum over groups of equal values of size^3 - size; NaN (out unspecified) when a value is not
// finite or all are equal.
[[nodiscard]] double double_ranks(const float* values, const std::vector<Eigen::Index>& volumes,
                                  RankBuffer& buffer, std::uint16_t* out);

} // namespace boldmill::connectivity
