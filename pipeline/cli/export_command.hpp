// boldmill export FILE.h5: tables and matrices of a cohort file or shard as BIDS derivatives.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <string>

namespace boldmill::cli {

struct ExportOptions {
  std::string file;
  std::string out;
};

// Adds the arguments; `action` is set when the verb was given and returns the exit code.
void add_export_options(CLI::App& app, ExportOptions& options, std::function<int()>& action);

} // namespace boldmill::cli
