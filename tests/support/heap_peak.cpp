#include "tests/support/heap_peak.hpp"

#include <malloc.h>

#include <atomic>
#include <cerrno>

// glibc's own entry points, which stand beside the names defined below.
extern "C" {
void* __libc_malloc(std::size_t size);
void* __libc_calloc(std::size_t n, std::size_t size);
void* __libc_realloc(void* block, std::size_t size);
void* __libc_memalign(std::size_t alignment, std::size_t size);
void __libc_free(void* block);
}

namespace {

// Constant-initialised: the first allocation comes before any constructor.
std::atomic<std::size_t> live{0};
std::atomic<std::size_t> highest{0};

void* gained(void* block) {
  if (block == nullptr) return block;
  const std::size_t size = malloc_usable_size(block);
  const std::size_t now = live.fetch_add(size, std::memory_order_relaxed) + size;
  std::size_t seen = highest.load(std::memory_order_relaxed);
  while (now > seen && !highest.compare_exchange_weak(seen, now, std::memory_order_relaxed)) {
  }
  return block;
}

void lost(std::size_t size) { live.fetch_sub(size, std::memory_order_relaxed); }

} // namespace

extern "C" {

void* malloc(std::size_t size) noexcept { return gained(__libc_malloc(size)); }
void* calloc(std::size_t n, std::size_t size) noexcept { return gained(__libc_calloc(n, size)); }
void free(void* block) noexcept {
  if (block == nullptr) return;
  lost(malloc_usable_size(block));
  __libc_free(block);
}
// Where the block moves, old and new stand side by side for a moment; large ones are remapped
// without a copy, so that this moment is not counted.
void* realloc(void* block, std::size_t size) noexcept {
  const std::size_t before = block == nullptr ? 0 : malloc_usable_size(block);
  void* after = __libc_realloc(block, size);
  if (after != nullptr || size == 0) lost(before);
  return gained(after);
}
void* memalign(std::size_t alignment, std::size_t size) noexcept {
  return gained(__libc_memalign(alignment, size));
}
void* aligned_alloc(std::size_t alignment, std::size_t size) noexcept {
  return gained(__libc_memalign(alignment, size));
}
int posix_memalign(void** block, std::size_t alignment, std::size_t size) noexcept {
  void* made = gained(__libc_memalign(alignment, size));
  if (made == nullptr) return ENOMEM;
  *block = made;
  return 0;
}

} // extern "C"

namespace boldmill::heap_peak {

std::size_t live_bytes() { return live.load(std::memory_order_relaxed); }
std::size_t peak_bytes() { return highest.load(std::memory_order_relaxed); }
void reset() { highest.store(live.load(std::memory_order_relaxed), std::memory_order_relaxed); }

} // namespace boldmill::heap_peak
