// The parallel loop of the project. Blocks have a fixed size, so what a block computes never
// depends on the number of threads; reductions combine the blocks in order. Runs inside an isolated
// task arena region: a thread that waits here never picks up an unrelated task.
#pragma once

#include <tbb/blocked_range.h>
#include <tbb/global_control.h>
#include <tbb/parallel_for.h>
#include <tbb/task_arena.h>

#include <cstddef>
#include <utility>
#include <vector>

#include "stages/core/stage_info.hpp"

namespace boldmill {

// body(begin, end) for the consecutive blocks of `grain` items in [0, n). The stop token is polled
// before every block: choose the grain so that a block takes well under a second.
template <class Body>
void parallel_blocks(const Context& context, std::size_t n, std::size_t grain, Body&& body) {
  if (n == 0) return;
  const std::size_t blocks = (n + grain - 1) / grain;
  tbb::this_task_arena::isolate([&] {
    tbb::parallel_for(
        tbb::blocked_range<std::size_t>(0, blocks, 1),
        [&](const tbb::blocked_range<std::size_t>& range) {
          for (std::size_t b = range.begin(); b != range.end(); ++b) {
            context.check_stop();
            const std::size_t begin = b * grain;
            body(begin, std::min(n, begin + grain));
          }
        },
        tbb::simple_partitioner());
  });
}

// The sum over blocks of body(begin, end) -> T, combined in block order: same bits at any number of
// threads. T needs operator+= and a value-initialised zero, or pass `zero`.
template <class T, class Body>
T parallel_sum(const Context& context, std::size_t n, std::size_t grain, const T& zero,
               Body&& body) {
  const std::size_t blocks = n == 0 ? 0 : (n + grain - 1) / grain;
  std::vector<T> partial(blocks, zero);
  parallel_blocks(context, n, grain, [&](std::size_t begin, std::size_t end) {
    partial[begin / grain] = body(begin, end);
  });
  T total = zero;
  for (const T& value : partial) total += value;
  return total;
}

// body() with at most `threads` threads in this process, 0: all cores. Not for use inside loops.
template <class Body>
auto with_threads(int threads, Body&& body) {
  const int wanted = threads > 0 ? threads : tbb::this_task_arena::max_concurrency();
  const tbb::global_control limit(tbb::global_control::max_allowed_parallelism,
                                  static_cast<std::size_t>(wanted));
  tbb::task_arena arena(wanted);
  return arena.execute(std::forward<Body>(body));
}

} // namespace boldmill
