#include "pipeline/cli/shard_option.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdlib>

#include "pipeline/bids/text.hpp"
#include "stages/core/error.hpp"

namespace boldmill::cli {
namespace {

std::optional<long> whole_number(const std::string& text) {
  long value = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || read.ec != std::errc{} || read.ptr != text.data() + text.size()) return {};
  return value;
}

// What a scheduler calls this task's number, the first, the last and the step; "" when it does not
// say. A step that is not said is 1.
struct Scheduler {
  const char *task, *first, *last, *step;
  long first_if_unsaid;
};
constexpr std::array<Scheduler, 5> kSchedulers{{
    {"SLURM_ARRAY_TASK_ID", "SLURM_ARRAY_TASK_MIN", "SLURM_ARRAY_TASK_MAX", "SLURM_ARRAY_TASK_STEP",
     0},
    {"SGE_TASK_ID", "SGE_TASK_FIRST", "SGE_TASK_LAST", "SGE_TASK_STEPSIZE", 1},
    {"LSB_JOBINDEX", "", "LSB_JOBINDEX_END", "LSB_JOBINDEX_STEP", 1},
    {"PBS_ARRAY_INDEX", "", "", "", 0},
    {"PBS_ARRAYID", "", "", "", 0},
}};

std::optional<long> number_of(const Environment& environment, const char* name) {
  if (*name == '\0') return {};
  const auto text = environment(name);
  return text ? whole_number(*text) : std::nullopt;
}

Shard automatic(std::optional<std::size_t> count, const Environment& environment) {
  for (const Scheduler& scheduler : kSchedulers) {
    const auto task = number_of(environment, scheduler.task); // SGE says "undefined" without array
    if (!task) continue;
    const long first = number_of(environment, scheduler.first).value_or(scheduler.first_if_unsaid);
    const auto last = number_of(environment, scheduler.last);
    const long step = std::max(1L, number_of(environment, scheduler.step).value_or(1));
    // LSF numbers the tasks of an array from 1; 0 is a job without one.
    if (*task < first) continue;
    if (!count && !last) {
      throw Error(ErrorKind::usage, std::string("--shard auto: ") + scheduler.task +
                                        " does not say of how many, expected auto/N");
    }
    // With a count of the user's, the numbers are those of the whole array from its usual start.
    const long from = count ? scheduler.first_if_unsaid : first;
    const long index = count ? *task - from : (*task - first) / step;
    const std::size_t n = count ? *count : static_cast<std::size_t>((*last - first) / step + 1);
    if (index < 0 || static_cast<std::size_t>(index) >= n) {
      throw Error(ErrorKind::usage, std::string("--shard auto: found ") + scheduler.task + " " +
                                        std::to_string(*task) + ", expected " +
                                        std::to_string(from) + " to " +
                                        std::to_string(from + static_cast<long>(n) - 1));
    }
    return {static_cast<std::size_t>(index), n};
  }
  throw Error(ErrorKind::usage,
              "--shard auto: found no job array, expected SLURM_ARRAY_TASK_ID, SGE_TASK_ID, "
              "LSB_JOBINDEX or PBS_ARRAY_INDEX in the environment");
}

} // namespace

std::optional<std::string> process_environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? std::nullopt : std::optional<std::string>(value);
}

Shard parse_shard(const std::string& text, const Environment& environment) {
  if (text.empty()) return {};
  if (text == "auto") return automatic(std::nullopt, environment);
  const std::size_t slash = text.find('/');
  const auto count =
      slash == std::string::npos ? std::nullopt : whole_number(text.substr(slash + 1));
  if (count && *count > 0) {
    const std::string first = text.substr(0, slash);
    if (first == "auto") return automatic(static_cast<std::size_t>(*count), environment);
    const auto index = whole_number(first);
    if (index && *index >= 0 && *index < *count) {
      return {static_cast<std::size_t>(*index), static_cast<std::size_t>(*count)};
    }
  }
  throw Error(ErrorKind::usage, "--shard: found " + bids::display(text) +
                                    ", expected I/N with 0 <= I < N, auto or auto/N");
}

} // namespace boldmill::cli
