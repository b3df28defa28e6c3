#include "pipeline/graph/resident_memory.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <memory>
#include <vector>

namespace boldmill::graph {
namespace {

constexpr std::size_t kMegabyte = std::size_t{1} << 20U;
// The kernel counts pages of each thread in lots of 64: its sums are late by as much.
constexpr std::size_t kLate = kMegabyte;

TEST(ResidentMemory, SeesWhatIsTouchedAndWhatIsGivenBack) {
  return_freed_memory(); // of tests before this one in the same process
  const ResidentMemory before = resident_memory();
  ASSERT_GT(before.now_bytes, kMegabyte);
  // Blocks that the allocator keeps when they are freed: below its threshold for mappings, the last
  // still in use.
  std::vector<std::unique_ptr<char[]>> blocks;
  for (int i = 0; i < 1000; ++i) {
    blocks.push_back(std::make_unique<char[]>(100000));
    std::memset(blocks.back().get(), i, 100000);
  }
  const ResidentMemory during = resident_memory();
  EXPECT_GE(during.now_bytes, before.now_bytes + 80 * kMegabyte);
  EXPECT_GE(during.most_bytes + kLate, during.now_bytes);
  blocks.erase(blocks.begin(), blocks.end() - 1);
  return_freed_memory();
  const ResidentMemory after = resident_memory();
  EXPECT_LE(after.now_bytes, before.now_bytes + 20 * kMegabyte);
  EXPECT_GE(after.most_bytes + kLate, during.now_bytes);
}

} // namespace
} // namespace boldmill::graph
