// Stages whose Shape has no number of threads declare their memory for this many in one run.
#pragma once

#include <cstddef>

namespace boldmill {

inline constexpr std::size_t kPlannedThreads = 8;

} // namespace boldmill
