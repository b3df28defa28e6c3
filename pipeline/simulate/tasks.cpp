#include "pipeline/simulate/tasks.hpp"

#include <algorithm>
#include <utility>

namespace boldmill::simulate {
namespace {

constexpr double kBlock_s = 10.0; // eight faces of 1.25 s
constexpr double kTrial_s = 1.25;
constexpr double kStimulus_s = 0.5;
constexpr int kEmotions = 6;

// Every sixth of the run shows each emotion once; no emotion twice in a row.
std::vector<Event> face_blocks(double start_s, double duration_s, Random& random) {
  std::vector<Event> events;
  int last = -1;
  double onset = start_s;
  while (onset + kBlock_s <= duration_s + 1e-9) {
    std::vector<std::size_t> order = random.permutation(kEmotions);
    if (static_cast<int>(order[0]) == last) std::swap(order[0], order[1]);
    for (const std::size_t emotion : order) {
      if (onset + kBlock_s > duration_s + 1e-9) break;
      events.push_back(
          {.onset_s = onset, .duration_s = kBlock_s, .condition = static_cast<int>(emotion)});
      onset += kBlock_s;
    }
    last = static_cast<int>(order.back());
  }
  return events;
}

// 25 % NoGo in shuffled groups of eight, never more than three NoGo in a row.
std::vector<Event> go_nogo_trials(double start_s, double duration_s, Random& random) {
  std::vector<Event> events;
  int in_a_row = 0;
  double onset = start_s;
  while (onset + kTrial_s <= duration_s + 1e-9) {
    std::vector<int> group{1, 1, 0, 0, 0, 0, 0, 0};
    const std::vector<std::size_t> order = random.permutation(group.size());
    for (const std::size_t position : order) {
      if (onset + kTrial_s > duration_s + 1e-9) break;
      const int nogo = in_a_row < 3 ? group[position] : 0;
      in_a_row = nogo == 1 ? in_a_row + 1 : 0;
      Event event{.onset_s = onset, .duration_s = kStimulus_s, .condition = nogo};
      const bool responds = nogo == 1 ? random.uniform() < 0.08 : random.uniform() < 0.97;
      const double reaction = std::clamp(0.36 + 0.07 * random.normal(), 0.18, 0.9);
      if (responds) event.response_time_s = reaction;
      events.push_back(event);
      onset += kTrial_s;
    }
  }
  return events;
}

} // namespace

bool known_task(std::string_view task) {
  return task == "rest" || task == "gonogo" || task == "conscious" || task == "nonconscious";
}

std::vector<std::string> conditions_of(std::string_view task) {
  if (task == "gonogo") return {"go", "nogo"};
  if (task == "conscious" || task == "nonconscious") {
    return {"fear", "anger", "disgust", "sad", "happy", "neutral"};
  }
  return {};
}

Design make_design(std::string_view task, double start_s, double duration_s, Random& random) {
  Design design{.task = std::string(task), .conditions = conditions_of(task), .events = {}};
  if (task == "gonogo") {
    design.events = go_nogo_trials(start_s, duration_s, random);
  } else if (task != "rest") {
    design.events = face_blocks(start_s, duration_s, random);
  }
  return design;
}

} // namespace boldmill::simulate
