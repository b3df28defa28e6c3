// Says on stderr how far a command without tasks is, every five seconds.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <string>
#include <thread>

#include "stages/core/stage_info.hpp"

namespace boldmill::cli {

class Counter {
public:
  // "simulated", 50, "people" becomes "simulated 8 of 50 people, 0:31 left".
  Counter(std::string done, std::int64_t n, std::string items);
  ~Counter();
  Counter(const Counter&) = delete;
  Counter& operator=(const Counter&) = delete;

  [[nodiscard]] Context counted(Context context); // the context whose items are counted

private:
  void tick(const std::stop_token& stop);

  std::string done_, items_;
  std::int64_t n_;
  std::atomic<std::int64_t> ended_ = 0;
  std::chrono::steady_clock::time_point begun_ = std::chrono::steady_clock::now();
  std::mutex mutex_;
  std::condition_variable_any wake_;
  std::jthread ticker_; // last: it uses the others
};

} // namespace boldmill::cli
