#include "pipeline/cli/submit_script.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>

namespace boldmill::cli {

std::string shell_quoted(const std::string& text) {
  std::string out = "'";
  for (const char c : text) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + "'";
}

std::string slurm_time(double seconds) {
  const auto total = static_cast<long>(std::ceil(std::max(600.0, seconds) / 60.0));
  char text[48];
  std::snprintf(text, sizeof text, "%ld-%02ld:%02ld:00", total / 1440, total / 60 % 24, total % 60);
  return text;
}

std::string job_script(const JobScript& job) {
  std::string text = "#!/bin/bash\n#SBATCH --job-name=" + job.name + "\n";
  for (const std::string& line : job.sbatch) text += "#SBATCH " + line + "\n";
  text += "set -u\n"
          "# The scheduler tells this shell when the time is nearly over; the program then stops "
          "within seconds\n"
          "# and continues from there in its next run.\n" +
          job.call +
          " &\n"
          "child=$!\n"
          "trap 'kill -TERM \"$child\" 2>/dev/null' TERM INT\n"
          "wait \"$child\"; code=$?\n"
          "while kill -0 \"$child\" 2>/dev/null; do wait \"$child\"; code=$?; done\n"
          "if [ \"$code\" -eq 3 ] && [ -n \"${SLURM_JOB_ID:-}\" ] && [ "
          "\"${SLURM_RESTART_COUNT:-0}\" -lt " +
          std::to_string(kMaxRestarts) +
          " ]; then\n"
          "  scontrol requeue \"$SLURM_JOB_ID\"\n"
          "fi\n"
          "exit \"$code\"\n";
  return text;
}

int max_array_size(const std::string& scontrol_output) {
  const std::string key = "MaxArraySize";
  std::size_t at = scontrol_output.find(key);
  if (at == std::string::npos) return 0;
  at = scontrol_output.find_first_of("0123456789\n", at);
  if (at == std::string::npos) return 0;
  int value = 0;
  const auto read = std::from_chars(scontrol_output.data() + at,
                                    scontrol_output.data() + scontrol_output.size(), value);
  return read.ec == std::errc{} ? value : 0;
}

ArrayShape array_shape(std::size_t n_participants, std::size_t max_tasks) {
  const std::size_t n = std::max<std::size_t>(1, n_participants);
  ArrayShape shape;
  shape.n_tasks = std::min(n, std::max<std::size_t>(1, max_tasks));
  shape.per_task = (n + shape.n_tasks - 1) / shape.n_tasks;
  return shape;
}

} // namespace boldmill::cli
