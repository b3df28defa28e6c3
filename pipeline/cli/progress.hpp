// Progress on stderr: a bar with the time left and what it waits for on a terminal, lines or JSON
// lines elsewhere.
#pragma once

#include <chrono>
#include <condition_variable>
#include <limits>
#include <map>
#include <mutex>
#include <string>
#include <thread>

#include "pipeline/graph/plan.hpp"
#include "pipeline/schedule/scheduler.hpp"

namespace boldmill::cli {

// "1:02:03", "2:03"; "--:--" when not known.
[[nodiscard]] std::string clock_text(double seconds);

class Progress {
public:
  // mode: auto, bar, lines, json, none. auto is bar on a terminal that can move its cursor.
  Progress(const std::string& mode, int verbosity);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  // From any thread, one at a time.
  void operator()(const graph::PlanNode& node, const schedule::Event& event);

private:
  using Clock = std::chrono::steady_clock;
  struct Work {
    std::string id;
    Clock::time_point begun;
  };
  void remember(const graph::PlanNode& node, const schedule::Event& event);
  [[nodiscard]] const Work* longest() const;
  [[nodiscard]] std::string bottleneck() const; // what the end waits for now
  [[nodiscard]] double remaining_s() const;
  void draw();
  void tick(const std::stop_token& stop);

  std::string mode_;
  int verbosity_;
  std::mutex mutex_; // of all below
  std::map<std::size_t, Work> running_;
  std::size_t n_ended_ = 0, n_tasks_ = 0, n_held_ = 0;
  double remaining_s_ = std::numeric_limits<double>::quiet_NaN(); // at known_
  Clock::time_point known_{};
  bool bar_is_open_ = false;
  std::condition_variable_any wake_;
  std::jthread ticker_; // last: ends before the rest goes
};

} // namespace boldmill::cli
