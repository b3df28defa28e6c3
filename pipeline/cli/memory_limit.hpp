// What the cgroups of this process leave it: batch systems put their limit on a group of the job's
// own, below the one a container mounts as the root.
#pragma once

#include <cstddef>
#include <filesystem>

namespace boldmill::cli {

// The smallest memory limit in bytes of the groups the process is in, from its own up to the root;
// SIZE_MAX where there is none. `groups`: which they are, as in /proc/self/cgroup, version 1 or 2.
[[nodiscard]] std::size_t
cgroup_memory_limit(const std::filesystem::path& groups = "/proc/self/cgroup",
                    const std::filesystem::path& mount = "/sys/fs/cgroup");

} // namespace boldmill::cli
