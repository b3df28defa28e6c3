// boldmill help: the help of a verb, the manual page, completion for bash. All three are written
// from the options themselves, so they cannot fall behind them.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <string>
#include <vector>

namespace boldmill::cli {

struct HelpOptions {
  std::vector<std::string> words; // "run", or "stage glm"
  bool man = false;
  bool completion = false;
};

// `app` is the whole program.
void add_help_options(CLI::App& help, HelpOptions& options, const CLI::App& app,
                      std::function<int()>& action);

// Verbs of --help by what one wants.
void group_verbs(CLI::App& app);

// troff with the man macros: verbs, options, every key of the configuration.
[[nodiscard]] std::string man_page(const CLI::App& app);
// A function for bash: verbs, options, their choices, presets, keys after --set, stages.
[[nodiscard]] std::string bash_completion(const CLI::App& app);

} // namespace boldmill::cli
