// Progress on stderr: a bar with ETA on a terminal, lines or JSON lines elsewhere.
#pragma once

#include <chrono>
#include <string>

#include "pipeline/graph/plan.hpp"
#include "pipeline/schedule/scheduler.hpp"

namespace boldmill::cli {

class Progress {
public:
  // mode: auto, bar, lines, json, none.
  Progress(const std::string& mode, int verbosity);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  void operator()(const graph::PlanNode& node, const schedule::Event& event);

private:
  void draw(const graph::PlanNode& node, const schedule::Event& event);
  std::string mode_;
  int verbosity_;
  bool bar_is_open_ = false;
  std::chrono::steady_clock::time_point drawn_{};
};

} // namespace boldmill::cli
