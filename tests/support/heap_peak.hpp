// How many bytes of heap the process holds, and the most it held since a reset: every malloc and
// its kin of the executable and of its shared libraries is counted, by any thread. Link
// heap_peak.cpp into the executable itself. Sanitizers bring their own allocator: do not build it
// there.
#pragma once

#include <cstddef>

namespace boldmill::heap_peak {

[[nodiscard]] std::size_t live_bytes();
[[nodiscard]] std::size_t peak_bytes(); // since the last reset
void reset();                           // the peak becomes what is live now

} // namespace boldmill::heap_peak
