// boldmill status OUT: how far a study is.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <string>

#include "pipeline/schedule/status.hpp"

namespace boldmill::cli {

struct StatusOptions {
  std::string out;
  bool json = false;
  bool verbose = false;
};

// Adds the arguments; `action` is set when the verb was given and returns the exit code.
void add_status_options(CLI::App& app, StatusOptions& options, std::function<int()>& action);

[[nodiscard]] std::string status_text(const schedule::Status& status, bool verbose);
[[nodiscard]] std::string status_json(const schedule::Status& status);

} // namespace boldmill::cli
