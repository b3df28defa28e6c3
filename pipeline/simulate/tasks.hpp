// Task designs with real timings: faces (conscious, nonconscious) in blocks of one emotion, and
// Go-NoGo. Timings: see METHOD.md, "Tasks".
#pragma once

#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "stages/core/random.hpp"

namespace boldmill::simulate {

struct Event {
  double onset_s = 0, duration_s = 0;
  int condition = 0;
  double response_time_s = std::numeric_limits<double>::quiet_NaN();
};

struct Design {
  std::string task;
  std::vector<std::string> conditions; // empty for rest
  std::vector<Event> events;           // by onset, all inside the run
};

[[nodiscard]] bool known_task(std::string_view task);
[[nodiscard]] std::vector<std::string> conditions_of(std::string_view task);
// Events that would end after `duration_s` are left out; the first starts at `start_s`.
[[nodiscard]] Design make_design(std::string_view task, double start_s, double duration_s,
                                 Random& random);

} // namespace boldmill::simulate
