// Work of several processes of this program, for libraries that let one thread in at a time (HDF5).
#pragma once

#include <cstddef>
#include <functional>
#include <string>

#include "stages/core/stage_info.hpp"

namespace boldmill {

struct ProcessWork {
  std::size_t n_items = 0;
  // What an item is made into, in a child of this process that sees its memory as it is now and
  // has one thread: no parallel loops, no locks that another thread may hold now.
  std::function<std::string(std::size_t)> make;
  // Takes what was made, here, in the order of the items; may work while children do.
  std::function<void(std::size_t, const std::string&)> use;
  std::function<std::string(std::size_t)> name =
      {}; // of an item, for the message when a child dies
};

// `n_processes` children share the items; with less than 2, or where they cannot be started (limits
// of processes, files or memory), everything is done here. What `use` sees does not depend on it.
// Errors: what `make` or `use` throws, for the first item that fails;
// interrupted; internal, with the signal and the item, when a child is killed. No child outlives
// the call.
void in_processes(const ProcessWork& work, int n_processes, const Context& context);

// As many as this thread may use cores, at most 4 (one process takes what they make, and each holds
// memory); 1 for fewer items than `worth_it`. To start a child takes some milliseconds.
[[nodiscard]] int processes_for(std::size_t n_items, std::size_t worth_it);

} // namespace boldmill
