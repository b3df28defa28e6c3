#include "stages/connectivity/kernels/ranks.hpp"

#include <array>
#include <bit>
#include <cmath>
#include <limits>
#include <utility>

namespace boldmill::connectivity {
namespace {

// Floats in their order as unsigned numbers: the sign bit set for positive, all bits turned for
// negative values. Both zeros are equal.
std::uint32_t ordered(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value == 0.0F ? 0.0F : value);
  return (bits & 0x80000000U) != 0 ? ~bits : bits | 0x80000000U;
}

// Three passes of 11 bits over the upper halves of the keys; stable.
void radix_sort(std::vector<std::uint64_t>& keys, std::vector<std::uint64_t>& other) {
  std::array<std::array<std::uint32_t, 2048>, 3> counts{};
  for (const std::uint64_t key : keys) {
    ++counts[0][(key >> 32U) & 2047U];
    ++counts[1][(key >> 43U) & 2047U];
    ++counts[2][key >> 54U];
  }
  other.resize(keys.size());
  for (unsigned pass = 0; pass < 3; ++pass) {
    const unsigned shift = 32U + 11U * pass;
    auto& count = counts[pass];
    if (count[(keys[0] >> shift) & 2047U] == keys.size()) continue; // one value in these bits
    std::uint32_t sum = 0;
    for (std::uint32_t& c : count) sum += std::exchange(c, sum);
    for (const std::uint64_t key : keys) other[count[(key >> shift) & 2047U]++] = key;
    std::swap(keys, other);
  }
}

} // namespace

double double_ranks(const float* values, const std::vector<Eigen::Index>& volumes,
                    RankBuffer& buffer, std::uint16_t* out) {
  const std::size_t n = volumes.size();
  buffer.keys.resize(n);
  for (std::size_t i = 0; i < n; ++i) {
    const float value = values[volumes[i]];
    if (!std::isfinite(value)) return std::numeric_limits<double>::quiet_NaN();
    buffer.keys[i] = (std::uint64_t{ordered(value)} << 32U) | i;
  }
  radix_sort(buffer.keys, buffer.other);
  const auto& keys = buffer.keys;
  if (keys.front() >> 32U == keys.back() >> 32U) return std::numeric_limits<double>::quiet_NaN();
  double ties = 0.0;
  for (std::size_t i = 0; i < n;) {
    std::size_t j = i + 1;
    while (j < n && keys[j] >> 32U == keys[i] >> 32U) ++j;
    const auto size = static_cast<double>(j - i);
    ties += size * size * size - size;
    const auto rank = static_cast<std::uint16_t>(i + 1 + j); // twice the mean of i + 1 .. j
    for (; i < j; ++i) out[keys[i] & 0xFFFFFFFFU] = rank;
  }
  return ties;
}

} // namespace boldmill::connectivity
