// Texts one after the other.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace boldmill {

[[nodiscard]] inline std::string joined(const std::vector<std::string>& parts,
                                        std::string_view between) {
  std::string out;
  for (const std::string& part : parts) {
    if (!out.empty()) out += between;
    out += part;
  }
  return out;
}

} // namespace boldmill
