#include "pipeline/bids/scan.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <memory>

#include "pipeline/bids/text.hpp"
#include "stages/core/error.hpp"

namespace boldmill::bids {
namespace {

constexpr std::array<std::string_view, 3> kDatatypes{"anat", "fmap", "func"};

struct CloseDir {
  void operator()(DIR* dir) const { static_cast<void>(::closedir(dir)); }
};
using Folder = std::unique_ptr<DIR, CloseDir>;

Folder open_folder(int parent, const char* name) {
  const int fd = ::openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return nullptr;
  Folder folder(::fdopendir(fd));
  if (!folder) static_cast<void>(::close(fd));
  return folder;
}

enum class EntryKind { file, folder, other };
struct Entry {
  std::string name;
  EntryKind kind = EntryKind::file;
  std::string problem; // of a link that leads nowhere
};

std::string link_problem(int error) {
  if (error == ENOENT) return "content not present (the link leads nowhere; datalad get?)";
  if (error == ELOOP) return "the link leads to itself";
  return std::string("cannot be read: ") + std::strerror(error);
}

EntryKind kind_of(const struct stat& status) {
  if (S_ISREG(status.st_mode)) return EntryKind::file;
  return S_ISDIR(status.st_mode) ? EntryKind::folder : EntryKind::other;
}

std::vector<Entry> list(DIR* folder) {
  std::vector<Entry> entries;
  while (const dirent* item = ::readdir(folder)) {
    if (item->d_name[0] == '.') continue;
    Entry entry{item->d_name, EntryKind::file, {}};
    if (item->d_type == DT_DIR) {
      entry.kind = EntryKind::folder;
    } else if (item->d_type != DT_REG) {
      struct stat status {};
      if (::fstatat(::dirfd(folder), item->d_name, &status, 0) == 0) {
        entry.kind = kind_of(status);
      } else {
        entry.kind = EntryKind::other;
        entry.problem = link_problem(errno);
      }
    }
    entries.push_back(std::move(entry));
  }
  std::sort(entries.begin(), entries.end(),
            [](const Entry& a, const Entry& b) { return a.name < b.name; });
  return entries;
}

Note folder_note(const std::string& path) {
  return {Level::error, "unreadable_folder", path,
          std::string("folder cannot be read: ") + std::strerror(errno)};
}

ScannedFile scan_image(int folder, const Entry& entry) {
  ScannedFile file{entry.name, 0, entry.problem};
  if (!file.problem.empty()) return file;
  struct stat status {};
  if (::fstatat(folder, entry.name.c_str(), &status, 0) != 0) {
    file.problem = link_problem(errno);
  } else if (!S_ISREG(status.st_mode)) {
    file.problem = "not a file";
  } else if (status.st_size == 0) {
    file.problem = "empty file (0 bytes)";
  }
  file.bytes = static_cast<std::uint64_t>(std::max<off_t>(status.st_size, 0));
  return file;
}

class Walk {
public:
  Walk(const IgnoreRules& rules, std::vector<Note>& notes) : rules_(rules), notes_(notes) {}

  // Reads the datatype folders and files of one session folder. `entries` are its content.
  void fill(SessionScan& session, int fd, const std::vector<Entry>& entries) {
    for (const Entry& entry : entries) {
      const std::string path = session.path + "/" + entry.name;
      if (rules_.ignored(path, entry.kind == EntryKind::folder)) continue;
      const bool datatype =
          std::find(kDatatypes.begin(), kDatatypes.end(), entry.name) != kDatatypes.end();
      if (datatype && entry.kind == EntryKind::folder) {
        fill_datatype(session, fd, entry.name, path);
      } else if (datatype) {
        notes_.push_back({Level::error, "unreadable_folder", path,
                          entry.problem.empty() ? "not a folder" : entry.problem});
      } else if (entry.kind == EntryKind::file) {
        session.files.push_back(entry.name);
      }
    }
  }

private:
  void fill_datatype(SessionScan& session, int parent, const std::string& name,
                     const std::string& path) {
    const Folder folder = open_folder(parent, name.c_str());
    if (!folder) {
      notes_.push_back(folder_note(path));
      return;
    }
    FolderScan scan{name, {}};
    for (const Entry& entry : list(folder.get())) {
      if (rules_.ignored(path + "/" + entry.name, entry.kind == EntryKind::folder)) continue;
      if (is_image(entry.name)) {
        scan.files.push_back(scan_image(::dirfd(folder.get()), entry));
      } else if (entry.kind != EntryKind::folder) {
        scan.files.push_back({entry.name, 0, entry.problem});
      }
    }
    session.folders.push_back(std::move(scan));
  }

  const IgnoreRules& rules_;
  std::vector<Note>& notes_;
};

bool valid_name(const std::string& name, std::string_view prefix) {
  return name.starts_with(prefix) && valid_label(std::string_view(name).substr(prefix.size()));
}

Note name_note(const char* code, const std::string& where, const std::string& name) {
  return {Level::error, code, where,
          "left out: found folder name \"" + display(name) +
              "\", expected only letters and digits after the first \"-\""};
}

} // namespace

bool is_image(std::string_view name) { return name.ends_with(".nii.gz") || name.ends_with(".nii"); }

RootScan scan_root(const std::filesystem::path& root, const IgnoreRules& rules) {
  const Folder folder = open_folder(AT_FDCWD, root.c_str());
  if (!folder) {
    throw Error(ErrorKind::dataset, display(root.string(), 1000) + ": " + std::strerror(errno) +
                                        ", expected a folder with a BIDS dataset");
  }
  RootScan scan;
  for (const Entry& entry : list(folder.get())) {
    if (entry.kind == EntryKind::file) {
      scan.files.push_back(entry.name);
    } else if (entry.name.starts_with("sub-") && !rules.ignored(entry.name, true)) {
      if (!valid_name(entry.name, "sub-")) {
        scan.notes.push_back(name_note("participant_name", entry.name, entry.name));
      } else if (entry.kind == EntryKind::folder) {
        scan.participants.push_back(entry.name);
      } else {
        scan.notes.push_back({Level::error, "unreadable_folder", entry.name,
                              entry.problem.empty() ? "not a folder" : entry.problem});
      }
    }
  }
  return scan;
}

ParticipantScan scan_participant(const std::filesystem::path& root,
                                 const std::string& participant_id, const IgnoreRules& rules) {
  ParticipantScan scan;
  scan.participant_id = participant_id;
  const Folder folder = open_folder(AT_FDCWD, (root / participant_id).c_str());
  if (!folder) {
    scan.notes.push_back(folder_note(participant_id));
    return scan;
  }
  const std::vector<Entry> entries = list(folder.get());
  Walk walk(rules, scan.notes);
  SessionScan own{{}, participant_id, {}, {}};
  walk.fill(own, ::dirfd(folder.get()), entries);
  scan.files = own.files;
  if (!own.folders.empty()) scan.sessions.push_back(std::move(own));
  for (const Entry& entry : entries) {
    if (!entry.name.starts_with("ses-") || entry.kind == EntryKind::file) continue;
    const std::string path = participant_id + "/" + entry.name;
    if (rules.ignored(path, true)) continue;
    if (!valid_name(entry.name, "ses-")) {
      scan.notes.push_back(name_note("session_name", path, entry.name));
      continue;
    }
    const Folder session_folder = open_folder(::dirfd(folder.get()), entry.name.c_str());
    if (!session_folder) {
      scan.notes.push_back(folder_note(path));
      continue;
    }
    SessionScan session{entry.name, path, {}, {}};
    walk.fill(session, ::dirfd(session_folder.get()), list(session_folder.get()));
    scan.sessions.push_back(std::move(session));
  }
  return scan;
}

} // namespace boldmill::bids
