// What the process holds of the machine's memory, as the kernel counts it.
#pragma once

#include <cstddef>

namespace boldmill::graph {

// Bytes resident now and at most so far; 0 where the system does not say.
struct ResidentMemory {
  std::size_t now_bytes = 0;
  std::size_t most_bytes = 0;
};
[[nodiscard]] ResidentMemory resident_memory();
// The most that is known to have been resident between two looks: a new maximum, or the larger of
// both ends.
[[nodiscard]] std::size_t most_between(const ResidentMemory& before, const ResidentMemory& after);

// Freed memory goes back to the system; the allocator keeps it otherwise (it is faster while stages
// work), and what one run has left behind would stand beside the next.
void return_freed_memory();

} // namespace boldmill::graph
