// Random numbers that depend on a recorded seed and a label, never on the order of execution or on
// a shared generator. Same values on every platform: no std:: distributions.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace boldmill {

// Seed of an independent stream, e.g. stream_seed(seed, "motion", "sub-01").
[[nodiscard]] std::uint64_t stream_seed(std::uint64_t seed, std::string_view purpose,
                                        std::string_view item = {});

// xoshiro256** (Blackman & Vigna 2021, doi:10.1145/3460772), seeded by splitmix64.
class Random {
public:
  explicit Random(std::uint64_t seed);
  [[nodiscard]] std::uint64_t bits();
  [[nodiscard]] double uniform(); // [0, 1), 53 bits
  [[nodiscard]] double uniform(double low, double high);
  [[nodiscard]] std::uint64_t below(std::uint64_t n); // 0..n-1, unbiased; n >= 1
  [[nodiscard]] double normal();                      // mean 0, SD 1 (Marsaglia's polar method)
  [[nodiscard]] std::vector<std::size_t> permutation(std::size_t n); // Fisher-Yates

private:
  std::uint64_t state_[4];
  double spare_ = 0.0;
  bool has_spare_ = false;
};

} // namespace boldmill
