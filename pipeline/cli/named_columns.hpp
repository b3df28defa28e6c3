// Columns of participants.tsv that a configuration names.
#pragma once

#include <string>
#include <vector>

#include "pipeline/config/config.hpp"

namespace boldmill::cli {

// A line for each that is not there, with the nearest that is. The group column counts when it is
// not the default one, which a dataset need not have.
[[nodiscard]] std::vector<std::string> absent_columns(const config::Config& config,
                                                      const std::vector<std::string>& columns);

} // namespace boldmill::cli
