// The exact median of very many floats in three counting passes and no copy: the bits of a float,
// order-preserving as an unsigned integer, are narrowed 11 bits at a time.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <limits>
#include <vector>

namespace boldmill {

namespace median_detail {

[[nodiscard]] inline std::uint32_t ordered_bits(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  return (bits & 0x80000000U) != 0U ? ~bits : bits | 0x80000000U;
}
[[nodiscard]] inline float from_ordered_bits(std::uint32_t key) {
  return std::bit_cast<float>((key & 0x80000000U) != 0U ? key & 0x7FFFFFFFU : ~key);
}

// The value of rank `rank`; visit(f) calls f(value) for every value, the same ones each time.
template <class Visit>
[[nodiscard]] float value_of_rank(std::uint64_t rank, Visit&& visit) {
  constexpr std::array<int, 3> kShift{21, 10, 0};
  constexpr std::array<int, 3> kBits{11, 11, 10};
  std::uint32_t prefix = 0;
  std::uint32_t prefix_mask = 0;
  for (std::size_t pass = 0; pass < kShift.size(); ++pass) {
    std::vector<std::uint64_t> count(std::size_t{1} << kBits[pass], 0);
    const auto digit_mask = (std::uint32_t{1} << kBits[pass]) - 1U;
    visit([&](float value) {
      const std::uint32_t key = ordered_bits(value);
      if ((key & prefix_mask) == prefix) ++count[(key >> kShift[pass]) & digit_mask];
    });
    std::uint32_t digit = 0;
    while (digit < digit_mask && rank >= count[digit]) rank -= count[digit++];
    prefix |= digit << kShift[pass];
    prefix_mask |= digit_mask << kShift[pass];
  }
  return from_ordered_bits(prefix);
}

} // namespace median_detail

// Median of n finite values; the mean of the two middle ones when n is even; NaN when n is 0.
template <class Visit>
[[nodiscard]] double exact_median(std::uint64_t n, Visit&& visit) {
  if (n == 0) return std::numeric_limits<double>::quiet_NaN();
  const double upper = median_detail::value_of_rank(n / 2, visit);
  if (n % 2 == 1) return upper;
  return 0.5 * (upper + static_cast<double>(median_detail::value_of_rank(n / 2 - 1, visit)));
}

} // namespace boldmill
