// The stages that can be run alone on plain files.
#pragma once

#include "pipeline/cli/stage_command.hpp"

namespace boldmill::cli {

// Adds a subcommand per stage to `stage_app`.
void add_stages(CLI::App& stage_app);

} // namespace boldmill::cli
