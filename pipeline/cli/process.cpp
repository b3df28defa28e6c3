#include "pipeline/cli/process.hpp"

#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <thread>

#include "pipeline/bids/text.hpp"
#include "pipeline/cli/memory_limit.hpp"
#include "pipeline/cli/stage_command.hpp"

namespace boldmill::cli {
namespace {

std::stop_source& stop_source() {
  static std::stop_source source;
  return source;
}

void wait_for_signals(sigset_t signals) {
  int received = 0;
  while (sigwait(&signals, &received) == 0) {
    if (stop_source().stop_requested()) ::_exit(exit_interrupted);
    stop_source().request_stop();
  }
}

} // namespace

int exit_code_of(ErrorKind kind) {
  switch (kind) {
  case ErrorKind::usage:
  case ErrorKind::dataset:
  case ErrorKind::input: return exit_usage;
  case ErrorKind::gate: return exit_some_failed;
  case ErrorKind::interrupted: return exit_interrupted;
  case ErrorKind::disk:
  case ErrorKind::internal: return exit_internal;
  }
  return exit_internal;
}

void keep_freed_memory() {
#ifdef M_MMAP_THRESHOLD
  ::mallopt(M_MMAP_THRESHOLD, 64 << 20);
  ::mallopt(M_TRIM_THRESHOLD, 256 << 20);
#endif
}

void handle_signals() {
  ::signal(SIGPIPE, SIG_IGN);
  ::signal(SIGXFSZ, SIG_IGN);
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  (void)stop_source();
  std::thread(wait_for_signals, signals).detach();
}

std::stop_token stop_token() { return stop_source().get_token(); }

Context process_context() {
  Context context;
  context.stop = stop_token();
  return context;
}

std::size_t default_budget_bytes() {
  const auto pages = static_cast<std::size_t>(std::max(1L, ::sysconf(_SC_PHYS_PAGES)));
  const auto page = static_cast<std::size_t>(std::max(1L, ::sysconf(_SC_PAGE_SIZE)));
  return std::min(pages * page, cgroup_memory_limit()) / 10 * 8;
}

void require_cpu_level() {
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
      __builtin_cpu_supports("bmi2"))
    return;
  throw Error(ErrorKind::usage,
              "this processor lacks AVX2, FMA or BMI2, expected x86-64-v3 or newer");
}

std::string command_text(int argc, const char* const* argv) {
  std::string text;
  for (int i = 0; i < argc; ++i) {
    std::string part = argv[i];
    const std::size_t equals = part.find('=');
    const std::string key = equals == std::string::npos ? "" : part.substr(0, equals + 1);
    std::string value = part.substr(key.size());
    while (value.size() > 1 && value.back() == '/') value.pop_back();
    const std::size_t slash = value.rfind('/');
    if (slash != std::string::npos) value = value.substr(slash + 1);
    text += (i > 0 ? " " : "") + key + value;
  }
  return bids::display(text, 4096);
}

} // namespace boldmill::cli
