// The text of the job scripts that `submit` writes: meant to be read and edited.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace boldmill::cli {

// 'text' as one word of a shell.
[[nodiscard]] std::string shell_quoted(const std::string& text);
// days-hours:minutes:00 of Slurm, rounded up to a minute, at least ten of them.
[[nodiscard]] std::string slurm_time(double seconds);

struct JobScript {
  std::string name;
  std::vector<std::string> sbatch; // lines after #SBATCH
  std::string call;                // the program with its arguments, may go over several lines
};
// A bash script that hands SIGTERM on to the program and, when the program was interrupted (code 3:
// time limit, preemption), asks Slurm to run it again, at most `kMaxRestarts` times.
inline constexpr int kMaxRestarts = 10;
[[nodiscard]] std::string job_script(const JobScript& job);

// MaxArraySize of "scontrol show config"; 0 when it is not in the text.
[[nodiscard]] int max_array_size(const std::string& scontrol_output);

// How participants are spread over the tasks of an array.
struct ArrayShape {
  std::size_t n_tasks = 1;
  std::size_t per_task = 1; // most participants of one task
};
[[nodiscard]] ArrayShape array_shape(std::size_t n_participants, std::size_t max_tasks);

} // namespace boldmill::cli
