// How far a study is, from its shards, journals and claims alone, while others write.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "pipeline/schedule/journal.hpp"

namespace boldmill::schedule {

struct Running {
  std::string session;
  std::string host;
  double since_s = 0.0; // since its process renewed the claim
};

struct Status {
  std::size_t n_asked = 0;
  std::vector<std::string> done; // have a shard of the newest configuration
  std::vector<Running> running;
  std::vector<SessionLine> failed; // without a shard, with the reason
  std::vector<std::string> pending;
  std::vector<RunLine> bad_runs; // of those done: failed, excluded, warning
  std::size_t n_processes = 0;   // at work now
  double per_hour = 0.0;         // participant-sessions that the processes at work make; 0 unknown
  double remaining_s = 0.0;      // NaN: not known
  bool has_cohort = false;       // cohort.h5 is there
  bool cohort_is_older = false;  // than the newest shard
};

// Error{dataset}: not an output folder of this program.
[[nodiscard]] Status read_status(const std::filesystem::path& out);

// OUT/sub-X/[ses-Y/]<session>.h5.
[[nodiscard]] std::filesystem::path shard_file(const std::filesystem::path& out,
                                               const std::string& session);

} // namespace boldmill::schedule
