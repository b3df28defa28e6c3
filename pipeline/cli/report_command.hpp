// boldmill report OUT: the pages of a cohort, or of shards, from what is stored.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <string>

namespace boldmill::cli {

struct ReportOptions {
  std::string source; // output folder, cohort file or shard
  std::string out;    // "": the folder itself, or that of the file
  int nprocs = 0;     // 0: all cores
};

// Adds the arguments; `action` is set when the verb was given and returns the exit code.
void add_report_options(CLI::App& app, ReportOptions& options, std::function<int()>& action);

} // namespace boldmill::cli
