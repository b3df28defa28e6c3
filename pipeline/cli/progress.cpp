#include "pipeline/cli/progress.hpp"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <string_view>

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

bool can_move_the_cursor() {
  if (::isatty(STDERR_FILENO) == 0) return false;
  const char* terminal = std::getenv("TERM");
  return terminal != nullptr && *terminal != '\0' && std::string_view(terminal) != "dumb";
}

std::size_t columns() {
  winsize size{};
  if (::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return 80;
  return size.ws_col;
}

double since(std::chrono::steady_clock::time_point begun) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count();
}

} // namespace

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

Progress::Progress(const std::string& mode, int verbosity) : mode_(mode), verbosity_(verbosity) {
  if (mode_ == "auto") mode_ = can_move_the_cursor() ? "bar" : "lines";
  if (mode_ == "bar") ticker_ = std::jthread([this](const std::stop_token& stop) { tick(stop); });
}

Progress::~Progress() {
  if (ticker_.joinable()) {
    ticker_.request_stop();
    ticker_.join();
  }
  if (bar_is_open_) std::fputc('\n', stderr);
}

void Progress::remember(const graph::PlanNode& node, const schedule::Event& event) {
  if (event.state == schedule::State::running) {
    running_[event.task] = {bids::display(node.id), Clock::now()};
  } else {
    running_.erase(event.task);
  }
  n_ended_ = event.n_ended;
  n_tasks_ = event.n_tasks;
  n_held_ = event.n_held;
  remaining_s_ = event.remaining_s;
  known_ = Clock::now();
}

const Progress::Work* Progress::longest() const {
  const Work* found = nullptr;
  for (const auto& [task, work] : running_) {
    if (found == nullptr || work.begun < found->begun) found = &work;
  }
  return found;
}

std::string Progress::bottleneck() const {
  std::string text;
  if (const Work* work = longest()) {
    text = std::to_string(running_.size()) + " at work, longest " + work->id + " " +
           clock_text(since(work->begun));
  }
  if (n_held_ > 0) {
    text += (text.empty() ? "" : ", ") + std::to_string(n_held_) + " wait for memory (--mem-mb)";
  }
  return text;
}

double Progress::remaining_s() const { return std::max(0.0, remaining_s_ - since(known_)); }

void Progress::operator()(const graph::PlanNode& node, const schedule::Event& event) {
  const std::scoped_lock lock(mutex_);
  const auto begun = running_.find(event.task);
  const double wall_s = begun == running_.end() ? std::nan("") : since(begun->second.begun);
  remember(node, event);
  const bool ended = event.state != schedule::State::running;
  if (mode_ == "json") {
    const auto number = [](double value) {
      return std::isfinite(value) ? config::Json(value) : config::Json();
    };
    const Work* work = longest();
    const config::Json line{{"task", bids::display(node.id)},
                            {"state", name_of(event.state)},
                            {"ended", event.n_ended},
                            {"tasks", event.n_tasks},
                            {"wall_s", number(wall_s)},
                            {"remaining_s", number(event.remaining_s)},
                            {"running", running_.size()},
                            {"longest", work == nullptr ? config::Json() : config::Json(work->id)},
                            {"wait_for_memory", event.n_held}};
    std::fprintf(stderr, "%s\n", line.dump().c_str());
  } else if (mode_ == "lines" && (ended || verbosity_ > 0)) {
    const std::string_view state = name_of(event.state);
    std::fprintf(stderr, "[%zu/%zu] %s %.*s%s, %s left%s\n", event.n_ended, event.n_tasks,
                 bids::display(node.id).c_str(), static_cast<int>(state.size()), state.data(),
                 std::isfinite(wall_s) ? (" after " + clock_text(wall_s)).c_str() : "",
                 clock_text(event.remaining_s).c_str(),
                 n_held_ > 0 ? (", " + std::to_string(n_held_) + " wait for memory").c_str() : "");
  } else if (mode_ == "bar") {
    draw();
  }
}

void Progress::tick(const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  while (!stop.stop_requested()) {
    wake_.wait_for(lock, stop, std::chrono::seconds(1), [] { return false; });
    if (bar_is_open_ && n_ended_ < n_tasks_) draw();
  }
}

void Progress::draw() {
  constexpr int kWidth = 24;
  const int filled = n_tasks_ == 0
                         ? kWidth
                         : static_cast<int>(static_cast<std::size_t>(kWidth) * n_ended_ / n_tasks_);
  std::string line = "[" + std::string(static_cast<std::size_t>(filled), '#') +
                     std::string(static_cast<std::size_t>(kWidth - filled), '.') + "] " +
                     std::to_string(n_ended_) + "/" + std::to_string(n_tasks_) + "  " +
                     clock_text(remaining_s()) + " left  " + bottleneck();
  const std::size_t room = columns() - 1; // never more than a line, which could not be overwritten
  if (line.size() > room) line.resize(room);
  std::fprintf(stderr, "\r%s\x1b[K", line.c_str());
  std::fflush(stderr);
  bar_is_open_ = true;
}

} // namespace boldmill::cli
