// --shard: which part of the participants this process takes.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <string>

namespace boldmill::cli {

struct Shard {
  std::size_t index = 0, count = 1;
};

// The value of an environment variable, nothing when it is not set.
using Environment = std::function<std::optional<std::string>(const char* name)>;
[[nodiscard]] std::optional<std::string> process_environment(const char* name);

// "I/N" with 0 <= I < N; "auto": this task of a job array of Slurm, SGE or LSF; "auto/N": this task
// of N, for schedulers that do not say how many there are (PBS) and arrays submitted in part.
// "" is everything. Error{usage}.
[[nodiscard]] Shard parse_shard(const std::string& text, const Environment& environment);

} // namespace boldmill::cli
