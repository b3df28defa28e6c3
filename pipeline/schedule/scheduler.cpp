#include "pipeline/schedule/scheduler.hpp"

#include <tbb/task_group.h>
#include <time.h>

#include <chrono>
#include <cstdio>
#include <limits>
#include <mutex>

#include "pipeline/schedule/memory_gate.hpp"
#include "stages/core/parallel.hpp"

namespace boldmill::schedule {
namespace {

using Clock = std::chrono::steady_clock;

double thread_cpu_s() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

std::string gigabytes(std::size_t bytes) {
  char text[32];
  std::snprintf(text, sizeof text, "%.2f GB", static_cast<double>(bytes) / 1e9);
  return text;
}

class Execution {
public:
  Execution(const std::vector<Task>& tasks, const Options& options)
      : tasks_(tasks), options_(options), reports_(tasks.size()), waiting_for_(tasks.size()),
        dependents_(tasks.size()), memory_(tasks, options) {
    for (std::size_t t = 0; t < tasks.size(); ++t) {
      waiting_for_[t] = tasks[t].after.size();
      total_s_ += tasks[t].estimated_s;
      for (const std::size_t before : tasks[t].after) {
        if (before >= t)
          throw Error(ErrorKind::internal, tasks[t].id + ": depends on a later task");
        dependents_[before].push_back(t);
      }
    }
  }

  std::vector<Report> run() {
    with_threads(options_.slots, [this] {
      {
        const std::scoped_lock lock(mutex_);
        admit();
      }
      group_.wait();
    });
    for (Report& report : reports_) {
      if (report.state == State::pending) report.state = State::stopped;
    }
    return std::move(reports_);
  }

private:
  [[nodiscard]] bool halted() const { return halted_ || options_.stop.stop_requested(); }

  // Starts what may start. Called with the lock held; never waits.
  void admit() {
    bool changed = true;
    while (changed) {
      changed = false;
      n_held_ = 0;
      for (std::size_t t = first_pending_; t < tasks_.size(); ++t) {
        if (reports_[t].state != State::pending) {
          if (t == first_pending_) ++first_pending_;
          continue;
        }
        if (waiting_for_[t] > 0) continue;
        if (halted()) return;
        if (const Failure* reason = failed_predecessor(t)) {
          end(t, State::skipped, *reason);
          changed = true;
          continue;
        }
        if (const std::size_t needed = memory_.alone(t); memory_.too_much(needed)) {
          end(t, State::failed,
              {ErrorKind::input, tasks_[t].id + ": needs " + gigabytes(needed) +
                                     " of memory, the limit is " +
                                     gigabytes(options_.budget_bytes)});
          changed = true;
          continue;
        }
        if (n_running_ >= options_.slots) return;
        if (!memory_.fits(t)) {
          ++n_held_;
          continue;
        }
        start(t);
      }
    }
  }

  [[nodiscard]] const Failure* failed_predecessor(std::size_t t) const {
    if (!tasks_[t].needs_success) return nullptr;
    for (const std::size_t before : tasks_[t].after) {
      if (reports_[before].state != State::done) return &reports_[before].failure;
    }
    return nullptr;
  }

  void start(std::size_t t) {
    ++n_running_;
    memory_.start(t);
    reports_[t].state = State::running;
    notify(t);
    group_.run([this, t] { run_body(t); });
  }

  void run_body(std::size_t t) {
    const auto started = Clock::now();
    const double cpu = thread_cpu_s();
    Context context;
    context.stop = options_.stop;
    const auto outcome = capture([&] {
      tasks_[t].body(context);
      return true;
    });
    const std::scoped_lock lock(mutex_);
    reports_[t].wall_s = std::chrono::duration<double>(Clock::now() - started).count();
    reports_[t].cpu_s = thread_cpu_s() - cpu;
    --n_running_;
    memory_.stop(t);
    if (const auto* failure = std::get_if<Failure>(&outcome)) {
      if (failure->kind == ErrorKind::disk || options_.stop_on_first_failure) halted_ = true;
      end(t, failure->kind == ErrorKind::interrupted ? State::stopped : State::failed, *failure);
    } else {
      end(t, State::done, {});
    }
    admit();
  }

  void end(std::size_t t, State state, const Failure& failure) {
    reports_[t].state = state;
    reports_[t].failure = failure;
    if ((state == State::failed || state == State::skipped) && tasks_[t].on_failure) {
      tasks_[t].on_failure(failure);
    }
    memory_.end(t);
    ++n_ended_;
    ended_s_ += tasks_[t].estimated_s;
    for (const std::size_t next : dependents_[t]) --waiting_for_[next];
    notify(t);
  }

  void notify(std::size_t t) {
    if (!options_.on_event) return;
    const double elapsed = std::chrono::duration<double>(Clock::now() - begun_).count();
    const double remaining = ended_s_ > 0.0 ? elapsed * (total_s_ - ended_s_) / ended_s_
                                            : std::numeric_limits<double>::quiet_NaN();
    options_.on_event({t, reports_[t].state, n_ended_, tasks_.size(), remaining, n_held_});
  }

  const std::vector<Task>& tasks_;
  const Options& options_;
  std::vector<Report> reports_;
  std::vector<std::size_t> waiting_for_;
  std::vector<std::vector<std::size_t>> dependents_;
  std::mutex mutex_;
  tbb::task_group group_;
  Clock::time_point begun_ = Clock::now();
  std::size_t first_pending_ = 0;
  std::size_t n_ended_ = 0;
  MemoryGate memory_;
  std::size_t n_held_ = 0;
  int n_running_ = 0;
  bool halted_ = false;
  double total_s_ = 0.0;
  double ended_s_ = 0.0;
};

} // namespace

std::vector<Report> execute(const std::vector<Task>& tasks, const Options& options) {
  if (options.slots < 1) {
    throw Error(ErrorKind::usage,
                "nprocs: found " + std::to_string(options.slots) + ", expected 1 or more");
  }
  return Execution(tasks, options).run();
}

} // namespace boldmill::schedule
