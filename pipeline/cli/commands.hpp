// One function per verb; each returns the exit code of the contract (section 3).
#pragma once

#include <string>

#include "pipeline/cli/run_options.hpp"
#include "pipeline/graph/cohort.hpp"

namespace boldmill::cli {

[[nodiscard]] int run_command(const RunOptions& options, const std::string& command);
[[nodiscard]] int plan_command(const RunOptions& options, const std::string& format);
[[nodiscard]] int merge_command(const std::string& out, int nprocs, const std::string& command);

// Names every run of the cohort that failed or was excluded; whether there is none.
[[nodiscard]] bool print_left_out(const graph::CohortSummary& summary);

struct RerunOptions {
  std::string file, bids_dir, out;
  std::vector<std::string> paths;
  bool verify = false;
  RunOptions execution;
};
[[nodiscard]] int rerun_command(const RerunOptions& options, const std::string& command);

struct SubmitOptions {
  RunOptions run;
  std::string engine = "slurm";
  int max_array_size = 0; // 0: the site's MaxArraySize
  int cpus = 2;
  std::string account, partition, qos;
  std::vector<std::string> extra_lines;
};
[[nodiscard]] int submit_command(const SubmitOptions& options);

} // namespace boldmill::cli
