// The process around a command: stop requests by signal, memory limit, exit codes.
#pragma once

#include <cstddef>
#include <stop_token>
#include <string>

#include "stages/core/outcome.hpp"
#include "stages/core/stage_info.hpp"

namespace boldmill::cli {

enum ExitCode : int {
  exit_ok = 0,
  exit_some_failed = 1,
  exit_usage = 2,
  exit_interrupted = 3,
  exit_internal = 4
};

[[nodiscard]] int exit_code_of(ErrorKind kind);

// SIGINT and SIGTERM request a stop; a second one ends the process at once with code 3. Call first,
// before any thread starts.
void handle_signals();
[[nodiscard]] std::stop_token stop_token();

// Freed images go to the next one instead of the kernel, which would clear every page again: 14 %
// of the time of a person, at the same peak. Call before any thread starts.
void keep_freed_memory();

// 80 % of the smaller of the machine's memory and the limits of the process's cgroups.
[[nodiscard]] std::size_t default_budget_bytes();

// Throws Error{usage} on a CPU below x86-64-v3.
void require_cpu_level();

// The command line with every path cut to its last part.
[[nodiscard]] std::string command_text(int argc, const char* const* argv);

} // namespace boldmill::cli
