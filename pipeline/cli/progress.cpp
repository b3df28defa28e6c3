#include "pipeline/cli/progress.hpp"

#include <unistd.h>

#include <cmath>
#include <cstdio>

#include "pipeline/bids/text.hpp"
#include "pipeline/config/sections.hpp"

namespace boldmill::cli {
namespace {

std::string_view name_of(schedule::State state) {
  switch (state) {
  case schedule::State::pending: return "pending";
  case schedule::State::running: return "running";
  case schedule::State::done: return "done";
  case schedule::State::failed: return "failed";
  case schedule::State::skipped: return "skipped";
  case schedule::State::stopped: return "stopped";
  }
  return "";
}

std::string clock_text(double seconds) {
  if (!std::isfinite(seconds)) return "--:--";
  const auto total = static_cast<long>(std::lround(seconds));
  char text[32];
  if (total >= 3600)
    std::snprintf(text, sizeof text, "%ld:%02ld:%02ld", total / 3600, total / 60 % 60, total % 60);
  else
    std::snprintf(text, sizeof text, "%ld:%02ld", total / 60, total % 60);
  return text;
}

} // namespace

Progress::Progress(const std::string& mode, int verbosity) : mode_(mode), verbosity_(verbosity) {
  if (mode_ == "auto") mode_ = ::isatty(STDERR_FILENO) != 0 ? "bar" : "lines";
}

Progress::~Progress() {
  if (bar_is_open_) std::fputc('\n', stderr);
}

void Progress::operator()(const graph::PlanNode& node, const schedule::Event& event) {
  const bool ended = event.state != schedule::State::running;
  if (mode_ == "json") {
    const config::Json line{{"task", bids::display(node.id)},
                            {"state", name_of(event.state)},
                            {"ended", event.n_ended},
                            {"tasks", event.n_tasks},
                            {"remaining_s", std::isfinite(event.remaining_s)
                                                ? config::Json(event.remaining_s)
                                                : config::Json()}};
    std::fprintf(stderr, "%s\n", line.dump().c_str());
  } else if (mode_ == "lines" && (ended || verbosity_ > 0)) {
    std::fprintf(stderr, "[%zu/%zu] %s %.*s, %s left\n", event.n_ended, event.n_tasks,
                 bids::display(node.id).c_str(), static_cast<int>(name_of(event.state).size()),
                 name_of(event.state).data(), clock_text(event.remaining_s).c_str());
  } else if (mode_ == "bar") {
    draw(node, event);
  }
}

void Progress::draw(const graph::PlanNode& node, const schedule::Event& event) {
  const auto now = std::chrono::steady_clock::now();
  if (event.n_ended < event.n_tasks && now - drawn_ < std::chrono::milliseconds(100)) return;
  drawn_ = now;
  constexpr int kWidth = 30;
  const int filled =
      event.n_tasks == 0 ? kWidth : static_cast<int>(kWidth * event.n_ended / event.n_tasks);
  std::fprintf(stderr, "\r[%s%s] %zu/%zu  %s left  %.40s\x1b[K",
               std::string(static_cast<std::size_t>(filled), '#').c_str(),
               std::string(static_cast<std::size_t>(kWidth - filled), '.').c_str(), event.n_ended,
               event.n_tasks, clock_text(event.remaining_s).c_str(),
               bids::display(node.id).c_str());
  std::fflush(stderr);
  bar_is_open_ = true;
}

} // namespace boldmill::cli
