#include "pipeline/schedule/status.hpp"

#include <algorithm>
#include <limits>
#include <map>
#include <set>

#include "pipeline/bids/text.hpp"
#include "pipeline/cache/claim.hpp"
#include "stages/core/error.hpp"

namespace boldmill::schedule {
namespace fs = std::filesystem;
namespace {

// The last that the journals say of a participant-session.
struct Last {
  SessionLine line;
  std::string config_sha256;
};

struct Speed {
  std::size_t n_made = 0;
  double last_s = 0.0; // when the last of them was made
  double since_s = std::numeric_limits<double>::infinity();
};

bool is_at_work(const JournalRecord& record) {
  return !record.ended && cache::is_alive(record.identity, record.age_s);
}

} // namespace

fs::path shard_file(const fs::path& out, const std::string& session) {
  const std::size_t at = session.find("_ses-");
  fs::path folder = out / session.substr(0, at);
  if (at != std::string::npos) folder /= session.substr(at + 1);
  return folder / (session + ".h5");
}

Status read_status(const fs::path& out) {
  const fs::path own = out / ".boldmill";
  std::error_code code;
  if (!fs::is_directory(own, code)) {
    throw Error(ErrorKind::dataset,
                bids::display(out.string()) +
                    ": found no .boldmill in it, expected an output folder of boldmill");
  }
  Status status;
  const auto journals = read_journals(own / "journal");
  std::map<std::string, Last> last;
  Speed speed;
  for (const JournalRecord& record : journals) {
    const bool at_work = is_at_work(record);
    status.n_processes += at_work ? 1 : 0;
    if (at_work) speed.since_s = std::min(speed.since_s, record.started_s);
    for (const auto& entry : record.entries) {
      last[entry.line.session] = {entry.line, record.head.config_sha256};
      if (!at_work || entry.line.state != "done") continue;
      ++speed.n_made;
      speed.last_s = std::max(speed.last_s, entry.time_s);
    }
  }
  std::map<std::string, Running> running;
  for (const cache::Claim& claim : cache::list_claims(own / "claims")) {
    if (!cache::is_alive(claim.identity, claim.age_s)) continue;
    running[claim.name] = {claim.name, cache::host_of(claim.identity), claim.age_s};
  }
  auto newest = fs::file_time_type::min(); // the clock's zero lies in the future
  for (const std::string& session : read_asked(own / "asked")) {
    ++status.n_asked;
    const auto claimed = running.find(session);
    if (claimed != running.end()) {
      status.running.push_back(claimed->second);
      continue;
    }
    const auto said = last.find(session);
    const fs::path shard = shard_file(out, session);
    const auto written = fs::last_write_time(shard, code);
    const bool there = !code;
    // A shard of an earlier configuration will be made anew.
    const bool outdated = said != last.end() && !journals.empty() &&
                          said->second.config_sha256 != journals.back().head.config_sha256;
    if (there) newest = std::max(newest, written);
    if (said != last.end() && said->second.line.state == "failed" && !outdated) {
      status.failed.push_back(said->second.line);
    } else if (there && !outdated) {
      status.done.push_back(session);
      if (said == last.end()) continue;
      const auto& bad = said->second.line.bad;
      status.bad_runs.insert(status.bad_runs.end(), bad.begin(), bad.end());
    } else {
      status.pending.push_back(session);
    }
  }
  // The speed of those that ended: what is at work now brings the end nearer, not farther.
  const double span = std::max(1e-3, speed.last_s - speed.since_s);
  const std::size_t n_left = status.pending.size() + status.running.size();
  status.remaining_s = n_left == 0 ? 0.0 : std::numeric_limits<double>::quiet_NaN();
  if (speed.n_made > 0) {
    status.per_hour = 3600.0 * static_cast<double>(speed.n_made) / span;
    const double since_last = unix_now_s() - speed.last_s;
    const double whole = 3600.0 * static_cast<double>(n_left) / status.per_hour;
    // Longer without an end than all of it should have taken: nothing is known.
    if (n_left > 0 && since_last < whole) status.remaining_s = whole - since_last;
  }
  const auto cohort = fs::last_write_time(out / "cohort.h5", code);
  status.has_cohort = !code;
  status.cohort_is_older = status.has_cohort && cohort < newest;
  return status;
}

} // namespace boldmill::schedule
