// The command line as a whole.
#pragma once

namespace boldmill::cli {

// Parses and runs; returns the exit code. Never throws.
[[nodiscard]] int run_program(int argc, const char* const* argv);

} // namespace boldmill::cli
