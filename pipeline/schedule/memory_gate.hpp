// How much memory running tasks may take together. Not thread-safe: the scheduler holds its lock.
#pragma once

#include <algorithm>
#include <vector>

#include "pipeline/schedule/scheduler.hpp"

namespace boldmill::schedule {

// What a declared byte takes of the machine: the allocator leaves holes, threads have stacks. A
// person of real size with 8 threads held 6 to 12 % more than declared.
inline constexpr double kResidentShare = 1.25;

// Of a group with a task that has started: what its tasks keep, and the larger of what is running
// and what the largest of its tasks takes. Groups without one: nothing.
class MemoryGate {
public:
  MemoryGate(const std::vector<Task>& tasks, const Options& options);

  // Of the whole process when only this task's group is there, and of it only this task is at work.
  [[nodiscard]] std::size_t alone(std::size_t index) const;
  [[nodiscard]] bool too_much(std::size_t bytes) const;
  [[nodiscard]] bool fits(std::size_t index) const; // now, beside what has started

  void start(std::size_t index);
  void stop(std::size_t index); // a started task no longer runs
  void end(std::size_t index);  // once for every task, started or not

private:
  struct Need {
    std::size_t group = 0, peak = 0, kept = 0;
  };
  struct Group {
    std::size_t n_left = 0;  // tasks that have not ended
    std::size_t kept = 0;    // by all its tasks that fit by themselves
    std::size_t largest = 0; // of those that fit beside it
    std::size_t running = 0;
    bool open = false;
    [[nodiscard]] std::size_t reserved() const {
      return open ? kept + std::max(largest, running) : 0;
    }
  };
  [[nodiscard]] bool fits_by_itself(const Need& need) const;

  std::size_t budget_ = 0;
  std::size_t base_ = 0;
  std::size_t reserved_ = 0;
  std::vector<Need> needs_; // by task, resident bytes
  std::vector<Group> groups_;
};

} // namespace boldmill::schedule
