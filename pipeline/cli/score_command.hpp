// boldmill score --model MODEL.h5 BIDS_DIR|COHORT.h5 OUT
#pragma once

#include <functional>
#include <string>

#include "pipeline/cli/run_options.hpp"

namespace boldmill::cli {

struct ScoreOptions {
  std::string model;
  RunOptions run; // bids_dir may be a cohort file
};

void add_score_options(CLI::App& app, ScoreOptions& options, const std::string& command,
                       std::function<int()>& action);

} // namespace boldmill::cli
