// The options of the main job, shared by run, plan and submit. Names follow fMRIPrep and XCP-D.
#pragma once

#include <CLI/CLI.hpp>
#include <map>
#include <string>
#include <vector>

#include "pipeline/graph/open_study.hpp"

namespace boldmill::cli {

struct RunOptions {
  std::string bids_dir, output_dir, level = "all";
  std::vector<std::string> participant_label, session_id, task_id;
  std::string bids_filter_file;
  std::string config_file, preset;
  std::vector<std::string> assignments;         // --set
  std::vector<std::string> paths;               // --path NAME=FILE
  std::map<std::string, std::string> shortcuts; // "section.key" -> value, from named flags
  std::vector<std::string> atlases;
  int nprocs = 0; // 0: all cores
  double mem_mb = 0.0;
  std::string work_dir;
  std::string shard;
  bool dry_run = false, force = false, stop_on_first_failure = false, skip_validation = false;
  std::string write_volumes = "none";
  std::vector<std::string> output_spaces;
  std::vector<std::string> derivatives; // NAME=DIR
  std::string progress = "auto";
  int verbosity = 0;
};

// Configuration file, preset, --set and --path.
void add_config_options(CLI::App& app, RunOptions& options);

// `with_level`: also the positional {participant,group,all}.
void add_run_options(CLI::App& app, RunOptions& options, bool with_level);

[[nodiscard]] config::Layers layers_of(const RunOptions& options);
[[nodiscard]] graph::StudyRequest request_of(const RunOptions& options, const std::string& command);
[[nodiscard]] int nprocs_of(const RunOptions& options);
[[nodiscard]] std::size_t budget_of(const RunOptions& options);

// "NAME=FILE" pairs. Error{usage}.
[[nodiscard]] std::map<std::string, std::string> parse_paths(const std::vector<std::string>& pairs);

} // namespace boldmill::cli
