// boldmill simulate DIR: a BIDS cohort with known truth.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <string>
#include <vector>

#include "pipeline/simulate/simulate.hpp"

namespace boldmill::cli {

struct SimulateOptions {
  std::string dir;
  std::vector<std::string> anatomy; // none, BRAIN, or HEAD BRAIN
  std::string points;
  int nprocs = 0; // 0: all cores
  simulate::SimulationParams params;
};

// Adds the arguments; `action` is set when the verb was given and returns the exit code.
void add_simulate_options(CLI::App& app, SimulateOptions& options, std::function<int()>& action);

// Prints where things are. Throws Error.
[[nodiscard]] int run_simulate(const SimulateOptions& options, const Context& context);

} // namespace boldmill::cli
