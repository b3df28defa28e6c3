#include "pipeline/schedule/journal.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cmath>
#include <cstring>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "pipeline/bids/files.hpp"
#include "pipeline/bids/text.hpp"
#include "pipeline/cache/cache.hpp"
#include "pipeline/cache/claim.hpp"
#include "stages/core/error.hpp"
#include "stages/core/outcome.hpp"

namespace boldmill::schedule {
namespace fs = std::filesystem;
namespace {

using Json = nlohmann::json;
constexpr std::string_view kEnding = ".jsonl";
constexpr std::uint64_t kMaxJournalBytes = std::uint64_t{256} << 20U;

std::string line_of(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string text_at(const Json& json, const char* key) {
  const auto at = json.find(key);
  return at != json.end() && at->is_string() ? at->get<std::string>() : "";
}
double number_at(const Json& json, const char* key) {
  const auto at = json.find(key);
  return at != json.end() && at->is_number() ? at->get<double>() : 0.0;
}

JournalRecord::Entry entry_of(const Json& json) {
  JournalRecord::Entry entry;
  entry.time_s = number_at(json, "time");
  entry.line = {.session = text_at(json, "session"),
                .state = text_at(json, "state"),
                .reason = text_at(json, "reason"),
                .wall_s = number_at(json, "wall_s"),
                .bad = {}};
  const auto runs = json.find("runs");
  if (runs == json.end() || !runs->is_array()) return entry;
  for (const Json& run : *runs) {
    if (!run.is_object()) continue;
    entry.line.bad.push_back(
        {text_at(run, "run_id"), text_at(run, "status"), text_at(run, "reason")});
  }
  return entry;
}

bool read_journal(const fs::path& file, JournalRecord& record) {
  std::istringstream lines(bids::read_file(file, kMaxJournalBytes));
  bool has_head = false;
  for (std::string line; std::getline(lines, line);) {
    const Json json = Json::parse(line, nullptr, false);
    if (!json.is_object()) continue;
    if (json.contains("journal")) {
      record.identity = text_at(json, "process");
      record.started_s = number_at(json, "time");
      record.head.config_sha256 = text_at(json, "config_sha256");
      record.head.n_sessions =
          static_cast<std::size_t>(std::clamp(number_at(json, "n_sessions"), 0.0, 1e9));
      has_head = true;
    } else if (json.contains("session")) {
      record.entries.push_back(entry_of(json));
    } else if (json.contains("ended")) {
      record.ended = true;
    }
  }
  return has_head;
}

} // namespace

double unix_now_s() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

Journal::Journal(const fs::path& folder, const JournalHead& head) {
  std::error_code code;
  fs::create_directories(folder, code);
  if (code) {
    throw Error(ErrorKind::disk,
                folder.filename().string() + ": cannot make folder: " + code.message());
  }
  const double now = unix_now_s();
  const std::string identity = cache::process_identity();
  const std::string name = std::to_string(static_cast<long long>(std::floor(1e3 * now))) + "-" +
                           cache::sha256_hex(identity).substr(0, 12);
  file_ = folder / (name + std::string(kEnding));
  descriptor_ = ::open(file_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  if (descriptor_ < 0) {
    throw Error(ErrorKind::disk,
                file_.filename().string() + ": cannot create: " + std::strerror(errno));
  }
  append(line_of({{"journal", 1},
                  {"process", identity},
                  {"time", now},
                  {"config_sha256", head.config_sha256},
                  {"n_sessions", head.n_sessions}}));
}

Journal::~Journal() { ::close(descriptor_); }

// In one call, so that a reader sees whole lines but for the last.
void Journal::append(const std::string& text) {
  const std::lock_guard lock(mutex_);
  std::string_view rest = text;
  while (!rest.empty()) {
    const ssize_t written = ::write(descriptor_, rest.data(), rest.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) {
      throw Error(ErrorKind::disk,
                  file_.filename().string() + ": cannot write: " + std::strerror(errno));
    }
    rest.remove_prefix(static_cast<std::size_t>(written));
  }
}

void Journal::add(const SessionLine& line) {
  Json runs = Json::array();
  for (const RunLine& run : line.bad) {
    runs.push_back({{"run_id", run.run_id}, {"status", run.status}, {"reason", run.reason}});
  }
  append(line_of({{"session", line.session},
                  {"state", line.state},
                  {"time", unix_now_s()},
                  {"reason", line.reason},
                  {"wall_s", line.wall_s},
                  {"runs", runs}}));
}

void Journal::end() { append(line_of({{"ended", unix_now_s()}})); }

std::vector<JournalRecord> read_journals(const fs::path& folder) {
  std::vector<JournalRecord> records;
  std::error_code code;
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(folder, code)) {
    if (entry.path().extension() == kEnding) files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  for (const fs::path& file : files) {
    JournalRecord record;
    const auto read = capture([&] { return read_journal(file, record); });
    struct stat status {};
    if (!std::holds_alternative<bool>(read) || !std::get<bool>(read)) continue;
    if (::stat(file.c_str(), &status) == 0) {
      record.age_s = std::max(0.0, unix_now_s() - static_cast<double>(status.st_mtim.tv_sec));
    }
    records.push_back(std::move(record));
  }
  std::stable_sort(records.begin(), records.end(),
                   [](const auto& a, const auto& b) { return a.started_s < b.started_s; });
  return records;
}

void write_asked(const fs::path& folder, const std::vector<std::string>& sessions) {
  std::string text;
  for (const std::string& session : sessions) text += session + "\n";
  const fs::path file = folder / (cache::sha256_hex(text).substr(0, 16) + ".txt");
  std::error_code code;
  if (fs::exists(file, code)) return;
  bids::write_file_atomically(file, text);
}

std::vector<std::string> read_asked(const fs::path& folder) {
  std::set<std::string> sessions;
  std::error_code code;
  for (const auto& entry : fs::directory_iterator(folder, code)) {
    if (entry.path().extension() != ".txt") continue;
    const auto text = capture([&] { return bids::read_file(entry.path(), kMaxJournalBytes); });
    if (!std::holds_alternative<std::string>(text)) continue;
    std::istringstream lines(std::get<std::string>(text));
    for (std::string line; std::getline(lines, line);) {
      // Becomes part of a path: only what an index can have written.
      if (!line.empty() && bids::safe_component(line) == line) sessions.insert(line);
    }
  }
  return {sessions.begin(), sessions.end()};
}

} // namespace boldmill::schedule
