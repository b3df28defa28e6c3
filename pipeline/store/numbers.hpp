// Numbers as text. Internal to this folder.
#pragma once

#include <string>
#include <vector>

namespace boldmill::store {

// Shortest decimal that reads back to the same bits, "" for NaN.
[[nodiscard]] std::vector<std::string> as_text(const std::vector<double>& values);

} // namespace boldmill::store
