#include "pipeline/schedule/scheduler.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <mutex>
#include <thread>

#include "stages/core/parallel.hpp"

namespace boldmill::schedule {
namespace {

using namespace std::chrono_literals;

Task make_task(std::string id, std::function<void(const Context&)> body,
               std::vector<std::size_t> after = {}, std::size_t bytes = 0) {
  return {.id = std::move(id),
          .after = std::move(after),
          .peak_bytes = bytes,
          .estimated_s = 1.0,
          .body = std::move(body),
          .on_failure = {}};
}

TEST(Scheduler, RunsEveryTaskAfterItsPredecessors) {
  std::vector<Task> tasks;
  std::array<std::atomic<bool>, 60> done{};
  std::atomic<int> violations{0};
  for (std::size_t t = 0; t < 60; ++t) {
    std::vector<std::size_t> after;
    if (t >= 3) after = {t - 3, t / 2};
    if (t >= 3 && t - 3 == t / 2) after = {t / 2};
    tasks.push_back(make_task(
        "t" + std::to_string(t),
        [&, t, after](const Context&) {
          for (const auto a : after) violations += done[a] ? 0 : 1;
          done[t] = true;
        },
        after));
  }
  const auto reports = execute(tasks, {.slots = 8});
  for (const auto& report : reports) EXPECT_EQ(report.state, State::done);
  EXPECT_EQ(violations, 0);
}

// Plain memory on purpose: under ThreadSanitizer (scripts/tsan) this is the test that the end of a
// task happens before the start of its dependents and before the return.
TEST(Scheduler, WhatATaskWroteIsSeenByItsDependentsAndTheCaller) {
  constexpr std::size_t kWidth = 40;
  std::vector<std::size_t> value(3 * kWidth);
  std::vector<Task> tasks;
  for (std::size_t t = 0; t < value.size(); ++t) {
    std::vector<std::size_t> after;
    if (t >= kWidth) after = {t - kWidth, t - kWidth + (t + 1) % kWidth - t % kWidth};
    tasks.push_back(make_task(
        std::to_string(t),
        [&value, t, after](const Context& context) {
          std::vector<std::size_t> blocks(16);
          parallel_blocks(context, blocks.size(), 1, [&](std::size_t begin, std::size_t) {
            for (const std::size_t a : after) blocks[begin] += value[a];
          });
          value[t] = 1 + blocks[0];
        },
        after));
  }
  (void)execute(tasks, {.slots = 8});
  for (std::size_t t = 0; t < value.size(); ++t) {
    EXPECT_EQ(value[t], t < kWidth ? 1U : t < 2 * kWidth ? 3U : 7U) << t;
  }
}

TEST(Scheduler, AFailureSkipsDependentsOnlyAndNamesTheReason) {
  std::vector<Task> tasks;
  std::atomic<int> ran{0};
  tasks.push_back(
      make_task("bad", [](const Context&) { throw Error(ErrorKind::input, "sub-01: broken"); }));
  tasks.push_back(make_task("child", [&](const Context&) { ++ran; }, {0}));
  tasks.push_back(make_task("grandchild", [&](const Context&) { ++ran; }, {1}));
  tasks.push_back(make_task("sibling", [&](const Context&) { ++ran; }));
  tasks.push_back(make_task("anyway", [&](const Context&) { ++ran; }, {0}));
  tasks.back().needs_success = false;
  tasks.push_back(make_task("odd", [](const Context&) { throw 7; }));
  std::string told;
  tasks[2].on_failure = [&](const Failure& failure) { told = failure.message; };
  const auto reports = execute(tasks, {.slots = 8});
  EXPECT_EQ(told, "sub-01: broken");
  EXPECT_EQ(reports[0].state, State::failed);
  EXPECT_EQ(reports[1].state, State::skipped);
  EXPECT_EQ(reports[2].state, State::skipped);
  EXPECT_EQ(reports[2].failure.message, "sub-01: broken");
  EXPECT_EQ(reports[3].state, State::done);
  EXPECT_EQ(reports[4].state, State::done);
  EXPECT_EQ(reports[5].failure.kind, ErrorKind::internal);
  EXPECT_EQ(ran, 2);
}

// Tasks with inner parallel loops: without isolation a waiting task would pick up another one, and
// more tasks than slots, and more bytes than the budget, would be alive.
TEST(Scheduler, NeverExceedsSlotsOrBudgetWithInnerLoops) {
  constexpr std::size_t kBudget = 1000;
  std::atomic<int> alive{0};
  std::atomic<int> most_alive{0};
  std::atomic<std::size_t> bytes{0};
  std::atomic<std::size_t> most_bytes{0};
  const auto raise = [](auto& most, auto value) {
    auto old = most.load();
    while (value > old && !most.compare_exchange_weak(old, value)) {
    }
  };
  std::vector<Task> tasks;
  for (std::size_t t = 0; t < 200; ++t) {
    const std::size_t need = 100 + 37 * (t % 7);
    tasks.push_back(make_task(
        "t" + std::to_string(t),
        [&, need](const Context& context) {
          raise(most_alive, ++alive);
          raise(most_bytes, bytes += need);
          std::vector<double> x(64);
          parallel_blocks(context, 64, 1, [&](std::size_t begin, std::size_t) {
            for (int i = 0; i < 2000; ++i) x[begin] += static_cast<double>(i);
            std::this_thread::sleep_for(20us);
          });
          bytes -= need;
          --alive;
        },
        {}, need));
  }
  const auto reports = execute(tasks, {.slots = 8, .budget_bytes = kBudget});
  for (const auto& report : reports) EXPECT_EQ(report.state, State::done);
  EXPECT_LE(most_alive, 8);
  EXPECT_GT(most_alive, 1);
  EXPECT_LE(most_bytes, kBudget);
}

TEST(Scheduler, RefusesByNameWhatCanNeverFit) {
  std::vector<Task> tasks;
  std::atomic<int> ran{0};
  tasks.push_back(make_task(
      "sub-9_rest", [&](const Context&) { ++ran; }, {}, 3'000'000'000));
  tasks.push_back(make_task(
      "small", [&](const Context&) { ++ran; }, {}, 10));
  const auto reports = execute(tasks, {.slots = 2, .budget_bytes = 1'000'000'000});
  EXPECT_EQ(reports[0].state, State::failed);
  EXPECT_NE(reports[0].failure.message.find("sub-9_rest: needs 3.75 GB"), std::string::npos);
  EXPECT_EQ(reports[1].state, State::done);
  EXPECT_EQ(ran, 1);
}

// Participant-sessions that keep an anatomy for their runs: were only running tasks counted, what
// is kept would go beyond the budget; were it counted without room to go on, all would wait for
// each other.
TEST(Scheduler, CountsWhatAGroupKeepsAndNeverStarves) {
  constexpr std::size_t kBudget = 1500;
  constexpr std::size_t kBase = 100;
  std::atomic<std::size_t> held{kBase};
  std::atomic<std::size_t> most{0};
  const auto take = [&](std::size_t bytes) {
    const std::size_t now = held += bytes;
    std::size_t old = most.load();
    while (now > old && !most.compare_exchange_weak(old, now)) {
    }
  };
  std::vector<Task> tasks;
  std::size_t n_refused = 0;
  for (std::size_t group = 0; group < 40; ++group) {
    const std::size_t kept = 150 + 10 * (group % 5);
    const std::size_t first = tasks.size();
    const auto add = [&](const char* name, std::size_t peak, std::size_t keeps, bool last) {
      std::vector<std::size_t> after;
      if (last) {
        for (std::size_t t = first; t < tasks.size(); ++t) after.push_back(t);
      } else if (tasks.size() > first) {
        after.push_back(first);
      }
      tasks.push_back(make_task(
          name + std::to_string(group),
          [&take, &held, peak, keeps, last, kept](const Context&) {
            take(keeps + peak);
            std::this_thread::sleep_for(200us);
            held -= peak + (last ? kept : 0);
          },
          after, peak));
      tasks.back().kept_bytes = keeps;
      tasks.back().group = group;
      tasks.back().needs_success = !last;
    };
    add("anatomy", 300, kept, false);
    for (std::size_t run = 0; run < 3; ++run) {
      const bool huge = group % 7 == 3 && run == 1;
      n_refused += huge ? 1 : 0;
      add("run", huge ? 1400 : 150 + 90 * run, 0, false);
    }
    add("person", 50, 0, true);
  }
  const auto reports = execute(tasks, {.slots = 8, .budget_bytes = kBudget, .base_bytes = kBase});
  std::size_t n_failed = 0;
  for (const auto& report : reports) {
    n_failed += report.state == State::failed ? 1 : 0;
    EXPECT_TRUE(report.state == State::done || report.state == State::failed);
  }
  EXPECT_EQ(n_failed, n_refused);
  EXPECT_LE(most, kBudget);
  EXPECT_GT(most, kBudget / 2);
  EXPECT_EQ(held, kBase);
}

TEST(Scheduler, WhatIsRefusedKeepsNothing) {
  std::vector<Task> tasks;
  std::atomic<int> ran{0};
  const auto count = [&](const Context&) { ++ran; };
  tasks.push_back(make_task("anatomy", count, {}, 900));
  tasks.back().kept_bytes = 950;
  tasks.push_back(make_task("run", count, {0}, 100));
  tasks.push_back(make_task("person", count, {0, 1}, 100));
  tasks.back().needs_success = false;
  const auto reports = execute(tasks, {.slots = 2, .budget_bytes = 1000, .base_bytes = 50});
  EXPECT_EQ(reports[0].state, State::failed);
  EXPECT_EQ(reports[1].state, State::skipped);
  EXPECT_EQ(reports[2].state, State::done);
  EXPECT_EQ(ran, 1);
}

TEST(Scheduler, AStopRequestEndsRunningBodiesAndStartsNothing) {
  std::stop_source source;
  std::vector<Task> tasks;
  std::atomic<int> started{0};
  for (int t = 0; t < 50; ++t) {
    tasks.push_back(make_task("t" + std::to_string(t), [&](const Context& context) {
      if (++started == 4) source.request_stop();
      for (;;) {
        parallel_blocks(context, 4, 1,
                        [](std::size_t, std::size_t) { std::this_thread::sleep_for(1ms); });
      }
    }));
  }
  const auto reports = execute(tasks, {.slots = 8, .stop = source.get_token()});
  for (const auto& report : reports) EXPECT_EQ(report.state, State::stopped);
  EXPECT_LE(started, 8);
}

TEST(Scheduler, ADiskFailureHaltsTheRest) {
  std::vector<Task> tasks;
  tasks.push_back(
      make_task("full", [](const Context&) { throw Error(ErrorKind::disk, "no space left"); }));
  tasks.push_back(make_task("later", [](const Context&) {}, {}));
  const auto reports = execute(tasks, {.slots = 1});
  EXPECT_EQ(reports[0].state, State::failed);
  EXPECT_EQ(reports[1].state, State::stopped);
}

TEST(Scheduler, EventsCountEveryTask) {
  std::vector<Task> tasks;
  for (int t = 0; t < 20; ++t)
    tasks.push_back(make_task("t" + std::to_string(t), [](const Context&) {}));
  std::size_t last = 0;
  Options options{.slots = 8};
  options.on_event = [&](const Event& event) { last = event.n_ended; };
  (void)execute(tasks, options);
  EXPECT_EQ(last, 20U);
}

} // namespace
} // namespace boldmill::schedule
