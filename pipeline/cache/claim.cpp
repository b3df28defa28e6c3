#include "pipeline/cache/claim.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <optional>
#include <sstream>

#include "pipeline/cache/cache.hpp"
#include "stages/core/error.hpp"
#include "stages/core/part_name.hpp"

namespace boldmill::cache {
namespace fs = std::filesystem;
namespace {

constexpr std::string_view kEnding = ".claim";
constexpr std::string_view kGuard = ".taking";

std::string first_line(const fs::path& file) {
  std::string line;
  std::ifstream stream(file);
  std::getline(stream, line);
  return line;
}

std::string one_word(std::string text) {
  for (char& c : text) {
    const bool fine = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                      c == '-' || c == '.' || c == '_';
    if (!fine) c = '_';
  }
  return text.empty() ? "_" : text;
}

// Field 22 of /proc/PID/stat: a number that another process with the same id does not have.
std::string start_of(long pid) {
  const std::string line = first_line("/proc/" + std::to_string(pid) + "/stat");
  const std::size_t name = line.rfind(')');
  if (name == std::string::npos) return "";
  std::istringstream fields(line.substr(name + 1));
  std::string field;
  for (int i = 3; i <= 22; ++i) {
    if (!(fields >> field)) return "";
  }
  return field;
}

// Machine, its boot, and the namespace in which process ids mean something.
std::string place() {
  std::array<char, 256> host{};
  if (::gethostname(host.data(), host.size() - 1) != 0) host[0] = '\0';
  std::error_code code;
  return one_word(host.data()) + " " + one_word(first_line("/proc/sys/kernel/random/boot_id")) +
         " " + one_word(fs::read_symlink("/proc/self/ns/pid", code).string());
}

struct Parts {
  std::string host, place, start;
  long pid = 0;
};
std::optional<Parts> parse(std::string_view identity) {
  std::istringstream stream{std::string(identity)};
  std::string host, boot, space, pid, start;
  if (!(stream >> host >> boot >> space >> pid >> start)) return std::nullopt;
  Parts parts{.host = host, .place = host + " " + boot + " " + space, .start = start, .pid = 0};
  const auto read = std::from_chars(pid.data(), pid.data() + pid.size(), parts.pid);
  if (read.ec != std::errc{} || read.ptr != pid.data() + pid.size() || parts.pid <= 0) {
    return std::nullopt;
  }
  return parts;
}

double seconds_of(const timespec& time) {
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

double system_now_s() {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  return seconds_of(now);
}

[[noreturn]] void fail(const fs::path& path, const std::string& what) {
  throw Error(ErrorKind::disk,
              path.filename().string() + ": " + what + ": " + std::strerror(errno));
}

bool write_new(const fs::path& path, const std::string& text) {
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  if (fd < 0) return false;
  const bool written = ::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  const int error = errno;
  const bool closed = ::close(fd) == 0;
  if (!written) errno = error;
  return written && closed;
}

std::optional<std::pair<std::string, double>> read_claim(const fs::path& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) return std::nullopt;
  return std::pair{first_line(path), seconds_of(status.st_mtim)};
}

} // namespace

std::string process_identity() {
  static const std::string identity =
      place() + " " + std::to_string(::getpid()) + " " + start_of(::getpid());
  return identity;
}

Life life_of(std::string_view identity) {
  const auto parts = parse(identity);
  if (!parts) return Life::unknown;
  static const std::string here = place();
  if (parts->place != here) {
    // The same machine after a restart: nobody of before is alive.
    const bool same_host = parts->host == here.substr(0, here.find(' '));
    const std::string_view boot = std::string_view(parts->place).substr(parts->host.size() + 1);
    const std::string_view own = std::string_view(here).substr(here.find(' ') + 1);
    const bool restarted = boot.substr(0, boot.find(' ')) != own.substr(0, own.find(' '));
    return same_host && restarted ? Life::dead : Life::unknown;
  }
  if (::kill(static_cast<pid_t>(parts->pid), 0) != 0 && errno == ESRCH) return Life::dead;
  return start_of(parts->pid) == parts->start ? Life::alive : Life::dead;
}

bool is_alive(std::string_view identity, double age_s, double lease_s) {
  const Life life = life_of(identity);
  return life == Life::alive || (life == Life::unknown && age_s <= lease_s);
}

std::string host_of(std::string_view identity) {
  return std::string(identity.substr(0, identity.find(' ')));
}

std::vector<Claim> list_claims(const fs::path& folder) {
  std::vector<Claim> claims;
  std::error_code code;
  const double now = system_now_s();
  for (const auto& entry : fs::directory_iterator(folder, code)) {
    const std::string file = entry.path().filename().string();
    if (!file.ends_with(kEnding)) continue;
    const auto found = read_claim(entry.path());
    if (!found) continue; // ended meanwhile
    claims.push_back({file.substr(0, file.size() - kEnding.size()), found->first,
                      std::max(0.0, now - found->second)});
  }
  std::sort(claims.begin(), claims.end(),
            [](const Claim& a, const Claim& b) { return a.name < b.name; });
  return claims;
}

Claims::Claims(fs::path folder, double lease_s) : folder_(std::move(folder)), lease_s_(lease_s) {
  std::error_code code;
  fs::create_directories(folder_, code);
  if (code) {
    throw Error(ErrorKind::disk,
                folder_.filename().string() + ": cannot make folder: " + code.message());
  }
  sweep_leftovers(folder_);
  for (const auto& entry : fs::directory_iterator(folder_, code)) {
    if (entry.path().extension() != kGuard) continue;
    if (life_of(first_line(entry.path())) == Life::dead) {
      static_cast<void>(::unlink(entry.path().c_str()));
    }
  }
  for (const Claim& claim : list_claims(folder_)) {
    if (life_of(claim.identity) == Life::dead) {
      (void)remove_stale(path_of(claim.name), claim.identity);
    }
  }
  renewing_ = std::jthread([this] { renew(); });
}

Claims::~Claims() {
  {
    const std::lock_guard lock(mutex_);
    end_ = true;
  }
  ended_.notify_all();
  renewing_.join();
  while (!held_.empty()) release(std::string(held_.begin()->first));
}

fs::path Claims::path_of(const std::string& name) const {
  return folder_ / (name + std::string(kEnding));
}

// A hard link is made by one process only, on every file system that has them; its count tells
// when the answer of a server was lost. Otherwise exclusive creation.
bool Claims::make(const fs::path& path, const std::string& text, double& now_s) const {
  fs::path part = path;
  part += part_suffix();
  if (!write_new(part, text + "\n")) {
    const int error = errno;
    static_cast<void>(::unlink(part.c_str()));
    errno = error;
    fail(part, "cannot create");
  }
  struct stat status {};
  const bool linked = ::link(part.c_str(), path.c_str()) == 0;
  const int error = errno;
  const bool known = ::stat(part.c_str(), &status) == 0;
  now_s = known ? seconds_of(status.st_mtim) : system_now_s(); // by the clock of the file server
  const bool ours = linked || (known && status.st_nlink == 2);
  static_cast<void>(::unlink(part.c_str()));
  if (ours || error == EEXIST) return ours;
  if (error != EPERM && error != ENOTSUP && error != EOPNOTSUPP && error != ENOSYS &&
      error != EMLINK) {
    errno = error;
    fail(path, "cannot claim");
  }
  if (write_new(path, text + "\n")) return true;
  if (errno == EEXIST) return false;
  fail(path, "cannot claim");
}

// Takes the file away if it still is the one that was judged. Who takes away holds a second file
// meanwhile: otherwise the slower of two would take the claim that the faster has just made.
bool Claims::remove_stale(const fs::path& path, const std::string& text) const {
  fs::path guard = path;
  guard.replace_extension(kGuard);
  if (!write_new(guard, process_identity() + "\n")) {
    const auto other = read_claim(guard);
    if (other && !is_alive(other->first, system_now_s() - other->second, lease_s_)) {
      static_cast<void>(::unlink(guard.c_str()));
    }
    return false;
  }
  const bool same = first_line(path) == text;
  if (same) static_cast<void>(::unlink(path.c_str()));
  static_cast<void>(::unlink(guard.c_str()));
  return same;
}

bool Claims::take(const std::string& name) {
  static std::atomic<std::uint64_t> counter{0};
  const std::lock_guard lock(mutex_);
  if (held_.contains(name)) return true;
  const fs::path path = path_of(name);
  const std::string text = process_identity() + " " + std::to_string(counter.fetch_add(1));
  for (int attempt = 0; attempt < 3; ++attempt) {
    double now = 0.0;
    if (make(path, text, now)) {
      held_.emplace(name, text);
      return true;
    }
    const auto found = read_claim(path);
    if (!found) continue; // given back meanwhile
    if (is_alive(found->first, now - found->second, lease_s_)) return false;
    if (!remove_stale(path, found->first)) return false;
  }
  return false;
}

bool Claims::held_elsewhere(const std::string& name) const {
  {
    const std::lock_guard lock(mutex_);
    if (held_.contains(name)) return false;
  }
  const auto found = read_claim(path_of(name));
  return found && is_alive(found->first, system_now_s() - found->second, lease_s_);
}

void Claims::release(const std::string& name) {
  const std::lock_guard lock(mutex_);
  const auto at = held_.find(name);
  if (at == held_.end()) return;
  const fs::path path = path_of(name);
  if (first_line(path) == at->second) static_cast<void>(::unlink(path.c_str()));
  held_.erase(at);
}

void Claims::renew_also(const fs::path& file) {
  const std::lock_guard lock(mutex_);
  also_.push_back(file);
}

void Claims::renew() {
  std::unique_lock lock(mutex_);
  const std::chrono::duration<double> period(lease_s_ / 8.0);
  while (!ended_.wait_for(lock, period, [this] { return end_; })) {
    for (const auto& [name, text] : held_) {
      static_cast<void>(::utimensat(AT_FDCWD, path_of(name).c_str(), nullptr, 0));
    }
    for (const fs::path& file : also_) {
      static_cast<void>(::utimensat(AT_FDCWD, file.c_str(), nullptr, 0));
    }
  }
}

} // namespace boldmill::cache
