#include "pipeline/graph/resident_memory.hpp"

#include <malloc.h>

#include <algorithm>
#include <cstdio>

namespace boldmill::graph {

ResidentMemory resident_memory() {
  ResidentMemory out;
  std::FILE* file = std::fopen("/proc/self/status", "re");
  if (file == nullptr) return out;
  char line[256];
  while (std::fgets(line, sizeof line, file) != nullptr) {
    unsigned long kilobytes = 0;
    if (std::sscanf(line, "VmRSS: %lu kB", &kilobytes) == 1) out.now_bytes = kilobytes << 10U;
    if (std::sscanf(line, "VmHWM: %lu kB", &kilobytes) == 1) out.most_bytes = kilobytes << 10U;
  }
  std::fclose(file);
  return out;
}

std::size_t most_between(const ResidentMemory& before, const ResidentMemory& after) {
  if (after.most_bytes > before.most_bytes) return after.most_bytes;
  return std::max(before.now_bytes, after.now_bytes);
}

void return_freed_memory() {
#ifdef M_TRIM_THRESHOLD
  ::malloc_trim(0);
#endif
}

} // namespace boldmill::graph
