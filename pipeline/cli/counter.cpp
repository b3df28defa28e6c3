#include "pipeline/cli/counter.hpp"

#include <cstdio>
#include <utility>

#include "pipeline/cli/progress.hpp"

namespace boldmill::cli {

Counter::Counter(std::string done, std::int64_t n, std::string items)
    : done_(std::move(done)), items_(std::move(items)), n_(n),
      ticker_([this](const std::stop_token& stop) { tick(stop); }) {}

Counter::~Counter() {
  ticker_.request_stop();
  ticker_.join();
}

Context Counter::counted(Context context) {
  context.progress = &ended_;
  return context;
}

void Counter::tick(const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  std::int64_t said = 0;
  while (!stop.stop_requested()) {
    wake_.wait_for(lock, stop, std::chrono::seconds(5), [] { return false; });
    const std::int64_t ended = ended_.load(std::memory_order_relaxed);
    if (stop.stop_requested() || ended == said || ended >= n_) continue;
    said = ended;
    const double spent =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - begun_).count();
    const double left = spent * static_cast<double>(n_ - ended) / static_cast<double>(ended);
    std::fprintf(stderr, "%s %lld of %lld %s, %s left\n", done_.c_str(),
                 static_cast<long long>(ended), static_cast<long long>(n_), items_.c_str(),
                 clock_text(left).c_str());
  }
}

} // namespace boldmill::cli
