#include "tests/support/heap_peak.hpp"

#include <gtest/gtest.h>

#include <Eigen/Dense>
#include <memory>
#include <thread>
#include <vector>

namespace boldmill::heap_peak {
namespace {

constexpr std::size_t kSize = std::size_t{8} << 20U;
constexpr std::size_t kSlack = std::size_t{64} << 10U; // headers, whole pages

// What `allocate` adds to the peak; what it returns is freed before the live bytes are compared.
template <class F>
void expect_peak(std::size_t expected, F&& allocate) {
  const std::size_t before = live_bytes();
  reset();
  { [[maybe_unused]] const auto held = allocate(); }
  EXPECT_GE(peak_bytes() - before, expected);
  EXPECT_LE(peak_bytes() - before, expected + kSlack);
  EXPECT_LE(live_bytes(), before + kSlack);
  EXPECT_GE(live_bytes() + kSlack, before);
}

TEST(HeapPeak, CountsEveryWayToAllocate) {
  expect_peak(kSize, [] { return std::vector<char>(kSize); });
  expect_peak(kSize, [] { return Eigen::VectorXf::Zero(kSize / 4).eval(); });
  const auto freed = [](void* block) {
    return std::unique_ptr<void, decltype(&std::free)>(block, &std::free);
  };
  expect_peak(kSize, [&] { return freed(std::calloc(kSize / 8, 8)); });
  expect_peak(kSize, [&] { return freed(std::aligned_alloc(64, kSize)); });
  expect_peak(kSize, [&] { return freed(std::realloc(std::malloc(kSize / 2), kSize)); });
  expect_peak(kSize, [&] {
    void* block = nullptr;
    return freed(posix_memalign(&block, 4096, kSize) == 0 ? block : nullptr);
  });
}

TEST(HeapPeak, KeepsTheHighestMoment) {
  expect_peak(2 * kSize, [] {
    { const std::vector<char> a(kSize), b(kSize); }
    return std::vector<char>(kSize);
  });
}

TEST(HeapPeak, CountsEveryThread) {
  expect_peak(2 * kSize, [] {
    std::vector<char> other;
    std::thread thread([&] { other.resize(kSize); });
    thread.join();
    const std::vector<char> own(kSize);
    return other;
  });
}

} // namespace
} // namespace boldmill::heap_peak
