#include "pipeline/bids/files.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "pipeline/bids/text.hpp"
#include "stages/core/error.hpp"
#include "stages/core/part_name.hpp"

namespace boldmill::bids {
namespace {

class Descriptor {
public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() { static_cast<void>(close()); }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  [[nodiscard]] int get() const { return fd_; }
  [[nodiscard]] bool close() { return fd_ < 0 || ::close(std::exchange(fd_, -1)) == 0; }

private:
  int fd_;
};

[[noreturn]] void fail(ErrorKind kind, const std::filesystem::path& path, const std::string& what) {
  throw Error(kind, display(path.string(), 1000) + ": " + what + ": " + std::strerror(errno));
}

void write_all(int fd, std::string_view bytes, const std::filesystem::path& part) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(fd, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) fail(ErrorKind::disk, part, "cannot write");
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
}

} // namespace

std::string read_file(const std::filesystem::path& path, std::uint64_t max_bytes) {
  // Not blocking: a named pipe in a dataset must not hold up the run.
  Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (file.get() < 0) fail(ErrorKind::input, path, "cannot open");
  struct stat status {};
  if (::fstat(file.get(), &status) != 0) fail(ErrorKind::input, path, "cannot read");
  if (!S_ISREG(status.st_mode)) {
    throw Error(ErrorKind::input, display(path.string(), 1000) + ": not a file");
  }
  const auto size = static_cast<std::uint64_t>(status.st_size);
  if (size > max_bytes) {
    throw Error(ErrorKind::input, display(path.string(), 1000) + ": found " + std::to_string(size) +
                                      " bytes, expected at most " + std::to_string(max_bytes));
  }
  std::string text(static_cast<std::size_t>(size), '\0');
  std::size_t done = 0;
  while (done < text.size()) {
    const ssize_t got = ::read(file.get(), text.data() + done, text.size() - done);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) fail(ErrorKind::input, path, "cannot read");
    if (got == 0) break;
    done += static_cast<std::size_t>(got);
  }
  text.resize(done);
  return text;
}

void write_file_atomically(const std::filesystem::path& path, std::string_view bytes) {
  const std::filesystem::path folder = path.has_parent_path() ? path.parent_path() : ".";
  std::error_code code;
  std::filesystem::create_directories(folder, code);
  if (code) {
    throw Error(ErrorKind::disk,
                display(folder.string(), 1000) + ": cannot make folder: " + code.message());
  }
  std::filesystem::path part = path; // threads may write one file at the same time
  part += part_suffix();
  try {
    Descriptor file(::open(part.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666));
    if (file.get() < 0) fail(ErrorKind::disk, part, "cannot create");
    write_all(file.get(), bytes, part);
    if (::fsync(file.get()) != 0) fail(ErrorKind::disk, part, "cannot sync");
    if (!file.close()) fail(ErrorKind::disk, part, "cannot close");
    if (::rename(part.c_str(), path.c_str()) != 0) fail(ErrorKind::disk, path, "cannot rename");
  } catch (...) {
    static_cast<void>(::unlink(part.c_str()));
    throw;
  }
  Descriptor directory(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  // Some file systems cannot sync a folder (EINVAL); the file itself is already safe there.
  if (directory.get() >= 0 && ::fsync(directory.get()) != 0 && errno != EINVAL) {
    fail(ErrorKind::disk, folder, "cannot sync folder");
  }
}

} // namespace boldmill::bids
