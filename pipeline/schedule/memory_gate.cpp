#include "pipeline/schedule/memory_gate.hpp"

#include <cmath>

namespace boldmill::schedule {
namespace {

std::size_t resident(std::size_t declared) {
  return static_cast<std::size_t>(std::ceil(kResidentShare * static_cast<double>(declared)));
}

} // namespace

MemoryGate::MemoryGate(const std::vector<Task>& tasks, const Options& options)
    : budget_(options.budget_bytes), base_(options.base_bytes) {
  for (const Task& task : tasks) {
    needs_.push_back({task.group, resident(task.peak_bytes), resident(task.kept_bytes)});
    if (task.group >= groups_.size()) groups_.resize(task.group + 1);
    Group& group = groups_[task.group];
    ++group.n_left;
    if (fits_by_itself(needs_.back())) group.kept += needs_.back().kept;
  }
  for (std::size_t t = 0; t < tasks.size(); ++t) {
    Group& group = groups_[needs_[t].group];
    if (!too_much(alone(t))) group.largest = std::max(group.largest, needs_[t].peak);
  }
}

bool MemoryGate::too_much(std::size_t bytes) const { return budget_ > 0 && bytes > budget_; }

bool MemoryGate::fits_by_itself(const Need& need) const {
  return !too_much(base_ + need.kept + need.peak);
}

std::size_t MemoryGate::alone(std::size_t index) const {
  const Need& need = needs_[index];
  const std::size_t own = fits_by_itself(need) ? 0 : need.kept; // not among the group's
  return base_ + groups_[need.group].kept + own + need.peak;
}

bool MemoryGate::fits(std::size_t index) const {
  Group group = groups_[needs_[index].group];
  const std::size_t before = group.reserved();
  group.open = true;
  group.running += needs_[index].peak;
  return !too_much(base_ + reserved_ - before + group.reserved());
}

void MemoryGate::start(std::size_t index) {
  Group& group = groups_[needs_[index].group];
  reserved_ -= group.reserved();
  group.open = true;
  group.running += needs_[index].peak;
  reserved_ += group.reserved();
}

void MemoryGate::stop(std::size_t index) {
  Group& group = groups_[needs_[index].group];
  reserved_ -= group.reserved();
  group.running -= needs_[index].peak;
  reserved_ += group.reserved();
}

void MemoryGate::end(std::size_t index) {
  Group& group = groups_[needs_[index].group];
  reserved_ -= group.reserved();
  if (--group.n_left == 0) group.open = false;
  reserved_ += group.reserved();
}

} // namespace boldmill::schedule
