// Medians over a window of nine, written so that the compiler does eight of them at once.
#pragma once

#include <array>
#include <cstddef>

namespace boldmill {

namespace median9_detail {
inline void sort2(float& a, float& b) {
  const float low = b < a ? b : a;
  const float high = b < a ? a : b;
  a = low;
  b = high;
}
} // namespace median9_detail

// The middle of nine finite values by 19 exchanges (Paeth 1990, Graphics Gems I, p. 171).
[[nodiscard]] inline float median9(std::array<float, 9> p) {
  using median9_detail::sort2;
  sort2(p[1], p[2]), sort2(p[4], p[5]), sort2(p[7], p[8]);
  sort2(p[0], p[1]), sort2(p[3], p[4]), sort2(p[6], p[7]);
  sort2(p[1], p[2]), sort2(p[4], p[5]), sort2(p[7], p[8]);
  sort2(p[0], p[3]), sort2(p[5], p[8]), sort2(p[4], p[7]);
  sort2(p[3], p[6]), sort2(p[1], p[4]), sort2(p[2], p[5]);
  sort2(p[4], p[7]), sort2(p[4], p[2]), sort2(p[6], p[4]);
  sort2(p[4], p[2]);
  return p[4];
}

// For every window start i in [0, n - 8]: the median of x[i .. i+8] and the median of the absolute
// deviations from it.
inline void local_medians9(const float* x, std::size_t n, float* median, float* deviation) {
  for (std::size_t i = 0; i + 8 < n; ++i) {
    std::array<float, 9> p{x[i],     x[i + 1], x[i + 2], x[i + 3], x[i + 4],
                           x[i + 5], x[i + 6], x[i + 7], x[i + 8]};
    const float m = median9(p);
    for (float& value : p) value = value > m ? value - m : m - value;
    median[i] = m;
    deviation[i] = median9(p);
  }
}

} // namespace boldmill
