// A stage's declaration against what it takes. `peak_bytes` of a stage stands for the most heap
// that `run` holds at any moment beside its inputs: working space and outputs, with the threads of
// Shape. Too low, and admission lets in more runs than the machine holds; absurdly high, and cores
// stand idle.
#pragma once

#include <gtest/gtest.h>
#include <tbb/global_control.h>
#include <tbb/parallel_for.h>
#include <tbb/task_arena.h>

#include <cstdio>
#include <string>

#include "tests/support/heap_peak.hpp"

namespace boldmill::memory_test {

inline constexpr std::size_t kMegabyte = std::size_t{1} << 20U;
// What no formula counts: a vector of a few volumes' numbers, TBB's tasks, ITK's first filter.
inline constexpr std::size_t kAllowance = kMegabyte;
// Absurdly high begins here. On a busy machine eight threads may work one after the other: what is
// seen may then be an eighth of what all at once would take.
inline constexpr std::size_t kMostTimes = 4;
inline constexpr std::size_t kMostTimesOfThreads = 8;
inline constexpr std::size_t kMostBeyond = 16 * kMegabyte;

// The most bytes held beside what was there before while `run` works and its result lives.
template <class Run>
std::size_t measured_peak(int threads, Run&& run) {
  const tbb::global_control control(tbb::global_control::max_allowed_parallelism, 8);
  tbb::task_arena arena(threads);
  return arena.execute([&] {
    tbb::parallel_for(0, 1000, [](int) {}); // the workers' own tables
    const std::size_t before = heap_peak::live_bytes();
    heap_peak::reset();
    [[maybe_unused]] const auto result = run();
    return heap_peak::peak_bytes() - before;
  });
}

// `what`: shape and Params, for the table.
template <class Run>
void expect_declared(const std::string& what, int threads, std::size_t declared, Run&& run) {
  const std::size_t measured = measured_peak(threads, run);
  char line[200];
  std::snprintf(line, sizeof line, "%-58s %d threads: declared %9.2f MB, measured %9.2f MB, %5.2f",
                what.c_str(), threads, static_cast<double>(declared) / kMegabyte,
                static_cast<double>(measured) / kMegabyte,
                static_cast<double>(declared) / static_cast<double>(measured));
  std::printf("%s\n", line);
  EXPECT_LE(measured, declared + kAllowance) << "too low: " << line;
  const std::size_t times = threads == 1 ? kMostTimes : kMostTimesOfThreads;
  EXPECT_LE(declared, times * measured + kMostBeyond) << "absurdly high: " << line;
}

} // namespace boldmill::memory_test
