#include "pipeline/cli/memory_limit.hpp"

#include <algorithm>
#include <cstdint>
#include <fstream>
#include <string>

namespace boldmill::cli {
namespace {

namespace fs = std::filesystem;

// "max" and an unreadable file are no limit.
std::size_t limit_in(const fs::path& file) {
  std::ifstream stream(file);
  std::size_t bytes = 0;
  return stream >> bytes && bytes > 0 ? bytes : SIZE_MAX;
}

// Of the group `path` under `mount` and of all that hold it.
std::size_t smallest_limit(const fs::path& mount, fs::path path, const char* file) {
  std::size_t smallest = limit_in(mount / file);
  path = path.relative_path();
  if (std::find(path.begin(), path.end(), "..") != path.end()) return smallest; // not mounted here
  for (; !path.empty(); path = path.parent_path()) {
    smallest = std::min(smallest, limit_in(mount / path / file));
  }
  return smallest;
}

} // namespace

std::size_t cgroup_memory_limit(const fs::path& groups, const fs::path& mount) {
  const fs::path old = mount / "memory";
  std::size_t smallest = std::min(smallest_limit(mount, {}, "memory.max"),
                                  smallest_limit(old, {}, "memory.limit_in_bytes"));
  std::ifstream stream(groups);
  for (std::string line; std::getline(stream, line);) { // hierarchy:controllers:path
    const std::size_t first = line.find(':');
    const std::size_t second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string controllers = "," + line.substr(first + 1, second - first - 1) + ",";
    const fs::path path = line.substr(second + 1);
    if (controllers == ",,") {
      smallest = std::min(smallest, smallest_limit(mount, path, "memory.max"));
    } else if (controllers.find(",memory,") != std::string::npos) {
      smallest = std::min(smallest, smallest_limit(old, path, "memory.limit_in_bytes"));
    }
  }
  return smallest;
}

} // namespace boldmill::cli
