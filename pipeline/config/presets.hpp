// The presets of this installation.
#pragma once

#include <string>
#include <vector>

namespace boldmill::config {

// The files of configs/, without ".json", sorted.
[[nodiscard]] std::vector<std::string> preset_names();

} // namespace boldmill::config
