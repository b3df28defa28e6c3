// What a process says of its work while it works, one file a process in OUT/.boldmill/journal: a
// head, a line per participant-session that ended, a last line. Lines are appended whole; nobody
// but their process writes them, so that status can be told without a lock or a database.
#pragma once

#include <cstddef>
#include <filesystem>
#include <mutex>
#include <string>
#include <vector>

namespace boldmill::schedule {

struct RunLine {
  std::string run_id;
  std::string status; // "ok", "warning", "excluded", "failed"
  std::string reason;
};

struct JournalHead {
  std::string config_sha256;
  std::size_t n_sessions = 0; // this process was asked for
};

struct SessionLine {
  std::string session;      // "sub-01_ses-a"
  std::string state;        // "done"; "kept": was there already; "failed": has no shard
  std::string reason;       // failed
  double wall_s = 0.0;      // from its first task to its last
  std::vector<RunLine> bad; // runs that are not ok
};

class Journal {
public:
  // Error{disk}.
  Journal(const std::filesystem::path& folder, const JournalHead& head);
  ~Journal();
  Journal(const Journal&) = delete;
  Journal& operator=(const Journal&) = delete;

  void add(const SessionLine& line); // thread-safe. Error{disk}
  void end();                        // the work is over, all of it or not. Error{disk}
  [[nodiscard]] const std::filesystem::path& file() const { return file_; }

private:
  void append(const std::string& text);
  std::filesystem::path file_;
  int descriptor_ = -1;
  std::mutex mutex_;
};

struct JournalRecord {
  JournalHead head;
  std::string identity; // of the process, see cache/claim.hpp
  double started_s = 0.0;
  double age_s = 0.0; // since the file was renewed
  bool ended = false;
  struct Entry {
    SessionLine line;
    double time_s = 0.0;
  };
  std::vector<Entry> entries;
};
// In the order of their start. Lines that are damaged or not yet whole are left out, and so are
// files without a head. Reads only.
[[nodiscard]] std::vector<JournalRecord> read_journals(const std::filesystem::path& folder);

// Remembers which participant-sessions a study was asked for; the same list from many processes is
// one file. Error{disk}.
void write_asked(const std::filesystem::path& folder, const std::vector<std::string>& sessions);
// All that were ever asked for, sorted bytewise.
[[nodiscard]] std::vector<std::string> read_asked(const std::filesystem::path& folder);

[[nodiscard]] double unix_now_s();

} // namespace boldmill::schedule
