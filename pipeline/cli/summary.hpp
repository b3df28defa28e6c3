// What a command says at its end: what is wrong with which run, and what to do about it.
#pragma once

#include <cstdio>
#include <string>
#include <vector>

#include "pipeline/schedule/journal.hpp"

namespace boldmill::cli {

// Colours where `file` is a terminal that has them and NO_COLOR is not set.
[[nodiscard]] bool has_colours(std::FILE* file);

// A line for each that is not "ok", the worst first, then what to do; nothing when all are fine.
// Runs keep their order among equals.
void print_problems(std::vector<schedule::RunLine> runs);

} // namespace boldmill::cli
