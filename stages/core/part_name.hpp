// Names of files that are being written, and which of them nobody writes any more. The name holds
// the process and a digest of the host: jobs of several machines share one folder, and a process
// number says nothing about another machine.
#pragma once

#include <filesystem>
#include <string>

namespace boldmill {

// ".part-<process>-<host>-<number>", another one at every call of this process.
[[nodiscard]] std::string part_suffix();

// Whether `file` is a part whose process on this machine is dead, or one of another machine that
// has not changed for a day.
[[nodiscard]] bool is_abandoned_part(const std::filesystem::path& file);

} // namespace boldmill
