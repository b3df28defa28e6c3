#include "pipeline/graph/study.hpp"

#include <sys/stat.h>
#include <time.h>

#include <algorithm>
#include <charconv>
#include <fstream>

#include "pipeline/bids/text.hpp"

namespace boldmill::graph {
namespace fs = std::filesystem;
namespace {

double seconds(clockid_t clock) {
  timespec now{};
  clock_gettime(clock, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

} // namespace

double wall_s() { return seconds(CLOCK_MONOTONIC); }

Moment moment() {
  return {seconds(CLOCK_REALTIME), wall_s(), seconds(CLOCK_THREAD_CPUTIME_ID),
          seconds(CLOCK_PROCESS_CPUTIME_ID), resident_memory()};
}

store::ResourceRecord used_between(std::string_view stage, std::string_view item,
                                   const Moment& begin, const Moment& end) {
  const double wall = end.wall_s - begin.wall_s;
  store::ResourceRecord out{std::string(stage),
                            std::string(item),
                            wall,
                            end.thread_cpu_s - begin.thread_cpu_s,
                            static_cast<double>(most_between(begin.memory, end.memory)),
                            begin.unix_s};
  if (wall > 0.0) out.cores = (end.process_cpu_s - begin.process_cpu_s) / wall;
  return out;
}

image_io::FileDigest Digests::of(const fs::path& file) {
  struct stat info {};
  if (::stat(file.c_str(), &info) != 0) {
    throw Error(ErrorKind::input, bids::display(file.filename().string()) + ": cannot be opened");
  }
  const std::string identity = fs::absolute(file).string() + "\n" + std::to_string(info.st_size) +
                               "\n" + std::to_string(info.st_mtim.tv_sec) + "." +
                               std::to_string(info.st_mtim.tv_nsec);
  const std::string name = cache::sha256_hex(identity);
  {
    const std::scoped_lock lock(mutex_);
    if (const auto found = known_.find(name); found != known_.end()) return found->second;
  }
  image_io::FileDigest digest;
  const fs::path entry = directory_.empty() ? fs::path() : directory_ / (name + ".sum");
  std::string stored;
  if (!entry.empty() && std::getline(std::ifstream(entry), stored) && stored.size() == 64) {
    digest.sha256 = stored;
    digest.bytes = static_cast<std::uint64_t>(info.st_size);
  } else {
    digest = image_io::digest_file(file);
    if (!entry.empty()) {
      std::error_code code;
      fs::create_directories(directory_, code);
      cache::write_file_atomically(entry, digest.sha256 + "\n");
    }
  }
  const std::scoped_lock lock(mutex_);
  known_[name] = digest;
  return digest;
}

fs::path Study::shard_path(const bids::ParticipantSession& session) const {
  fs::path folder = out / bids::safe_component(session.participant_id);
  if (!session.session_id.empty()) folder /= bids::safe_component(session.session_id);
  return folder / (bids::safe_component(session.id) + ".h5");
}

std::shared_ptr<const GridRegions::Sets> GridRegions::find(const Grid& grid) const {
  const std::scoped_lock lock(mutex_);
  for (const auto& [known, sets] : known_) {
    if (known.same_as(grid)) return sets;
  }
  return nullptr;
}

void GridRegions::keep(const Grid& grid, std::shared_ptr<const Sets> sets) {
  const std::scoped_lock lock(mutex_);
  known_.emplace_back(grid, std::move(sets));
}

} // namespace boldmill::graph
