#include "stages/core/parallel.hpp"

#include <gtest/gtest.h>
#include <tbb/global_control.h>

#include <chrono>
#include <cmath>
#include <mutex>
#include <set>
#include <thread>

namespace boldmill {
namespace {

double harmonic(std::size_t n, int threads) {
  tbb::task_arena arena(threads);
  return arena.execute([&] {
    return parallel_sum(Context{}, n, 1000, 0.0, [](std::size_t begin, std::size_t end) {
      double sum = 0.0;
      for (std::size_t i = begin; i < end; ++i) sum += 1.0 / static_cast<double>(i + 1);
      return sum;
    });
  });
}

TEST(ParallelSum, HasTheSameBitsAtAnyNumberOfThreads) {
  tbb::global_control more(tbb::global_control::max_allowed_parallelism, 8);
  const double one = harmonic(1234567, 1);
  for (int repeat = 0; repeat < 10; ++repeat) EXPECT_EQ(harmonic(1234567, 8), one);
  EXPECT_NEAR(one, std::log(1234567.0) + 0.57721566490153286, 1e-6);
}

TEST(ParallelBlocks, CoverEveryItemOnce) {
  tbb::global_control more(tbb::global_control::max_allowed_parallelism, 8);
  tbb::task_arena arena(8);
  std::vector<int> hits(1003);
  arena.execute([&] {
    parallel_blocks(Context{}, hits.size(), 10, [&](std::size_t begin, std::size_t end) {
      for (std::size_t i = begin; i < end; ++i) ++hits[i];
    });
  });
  for (const int hit : hits) EXPECT_EQ(hit, 1);
}

TEST(WithThreads, NoMoreThanAskedForTakePart) {
  for (const int threads : {1, 3}) {
    std::mutex mutex;
    std::set<std::thread::id> seen;
    with_threads(threads, [&] {
      parallel_blocks({}, 200, 1, [&](std::size_t, std::size_t) {
        std::this_thread::sleep_for(std::chrono::microseconds(200));
        const std::scoped_lock lock(mutex);
        seen.insert(std::this_thread::get_id());
      });
    });
    EXPECT_GE(seen.size(), 1U);
    EXPECT_LE(seen.size(), static_cast<std::size_t>(threads));
  }
}

TEST(ParallelBlocks, StopsWhenAsked) {
  std::stop_source source;
  source.request_stop();
  Context context;
  context.stop = source.get_token();
  try {
    parallel_blocks(context, 100, 1, [](std::size_t, std::size_t) { FAIL(); });
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::interrupted);
  }
}

} // namespace
} // namespace boldmill
