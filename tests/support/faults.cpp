// A library for LD_PRELOAD that makes system calls fail where a test wants it.
//   BOLDMILL_FAULT=CALL:FAULT:N[+]  the N-th call (from 1), with + every one from there on
//     CALL   write read open sync rename link unlink mkdir close memory
//     FAULT  an errno name (ENOSPC EIO EINTR EROFS EDQUOT ENOMEM EACCES ESTALE), short (half of the
//            bytes), slow (20 ms later), kill (SIGKILL at that moment)
//   BOLDMILL_FAULT_ROOT=DIR   only files below DIR count (memory: all)
//   BOLDMILL_FAULT_COUNT=FILE at exit the number of calls of each kind, for choosing N
// `memory` counts allocations of at least 16 KiB.
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <climits>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string_view>

namespace {

enum Call { kWrite, kRead, kOpen, kSync, kRename, kLink, kUnlink, kMkdir, kClose, kMemory, kCalls };
constexpr std::array<std::string_view, kCalls> kNames{
    "write", "read", "open", "sync", "rename", "link", "unlink", "mkdir", "close", "memory"};
constexpr std::size_t kLargeBytes = 16384;

struct Plan {
  int call = -1;
  int error = 0;
  bool is_short = false, slow = false, kill = false, from_there_on = false;
  long n = 0;
  char root[PATH_MAX] = "";
};

struct Named {
  std::string_view name;
  int value;
};
constexpr std::array<Named, 8> kErrors{{{"ENOSPC", ENOSPC},
                                        {"EIO", EIO},
                                        {"EINTR", EINTR},
                                        {"EROFS", EROFS},
                                        {"EDQUOT", EDQUOT},
                                        {"ENOMEM", ENOMEM},
                                        {"EACCES", EACCES},
                                        {"ESTALE", ESTALE}}};

Plan read_plan() {
  Plan plan;
  const char* root = std::getenv("BOLDMILL_FAULT_ROOT");
  if (root != nullptr) std::snprintf(plan.root, sizeof plan.root, "%s", root);
  const char* text = std::getenv("BOLDMILL_FAULT");
  if (text == nullptr) return plan;
  const std::string_view all(text);
  const std::size_t first = all.find(':');
  const std::size_t second = all.find(':', first + 1);
  if (second == std::string_view::npos) std::abort();
  for (int c = 0; c < kCalls; ++c) {
    if (kNames[static_cast<std::size_t>(c)] == all.substr(0, first)) plan.call = c;
  }
  const std::string_view fault = all.substr(first + 1, second - first - 1);
  plan.is_short = fault == "short";
  plan.slow = fault == "slow";
  plan.kill = fault == "kill";
  for (const Named& one : kErrors) {
    if (one.name == fault) plan.error = one.value;
  }
  if (plan.call < 0 || (plan.error == 0 && !plan.is_short && !plan.slow && !plan.kill))
    std::abort();
  plan.n = std::strtol(text + second + 1, nullptr, 10);
  plan.from_there_on = all.back() == '+';
  return plan;
}

std::array<std::atomic<long>, kCalls> counts;
const Plan& plan() {
  static const Plan one = read_plan();
  return one;
}
thread_local bool inside = false; // our own calls do not count

bool below_root(const char* path) {
  const std::size_t length = std::strlen(plan().root);
  if (length == 0) return true;
  char whole[PATH_MAX];
  if (path[0] != '/') {
    if (::getcwd(whole, sizeof whole) == nullptr) return false;
    std::strncat(whole, "/", sizeof whole - std::strlen(whole) - 1);
    std::strncat(whole, path, sizeof whole - std::strlen(whole) - 1);
    path = whole;
  }
  return std::strncmp(path, plan().root, length) == 0;
}

bool below_root(int fd) {
  if (std::strlen(plan().root) == 0) return fd > 2;
  char link[64];
  char path[PATH_MAX];
  std::snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  const ssize_t n = ::readlink(link, path, sizeof path - 1);
  if (n <= 0) return false;
  path[n] = '\0';
  return below_root(path);
}

enum class Fault { none, fail, half };

Fault happens(Call call) {
  const long number = counts[call].fetch_add(1) + 1;
  const Plan& p = plan();
  if (p.call != call || number < p.n || (number > p.n && !p.from_there_on)) return Fault::none;
  if (p.kill) ::raise(SIGKILL);
  if (p.slow) {
    ::usleep(20000);
    return Fault::none;
  }
  if (p.is_short) return Fault::half;
  errno = p.error;
  return Fault::fail;
}

template <class Where>
Fault at(Call call, Where where) {
  if (inside) return Fault::none;
  inside = true;
  const Fault fault = below_root(where) ? happens(call) : Fault::none;
  const int error = errno;
  inside = false;
  errno = error;
  return fault;
}

template <class Function>
Function next(const char* name) {
  return reinterpret_cast<Function>(::dlsym(RTLD_NEXT, name));
}

std::size_t cut(Fault fault, std::size_t n) { return fault == Fault::half && n > 1 ? n / 2 : n; }

struct AtExit {
  ~AtExit() {
    const char* file = std::getenv("BOLDMILL_FAULT_COUNT");
    if (file == nullptr) return;
    inside = true;
    FILE* stream = std::fopen(file, "w");
    if (stream == nullptr) return;
    for (int c = 0; c < kCalls; ++c) {
      const auto i = static_cast<std::size_t>(c);
      std::fprintf(stream, "%.*s %ld\n", static_cast<int>(kNames[i].size()), kNames[i].data(),
                   counts[i].load());
    }
    std::fclose(stream);
  }
} at_exit;

} // namespace

extern "C" {

void* __libc_malloc(std::size_t);                // NOLINT(bugprone-reserved-identifier)
void* __libc_memalign(std::size_t, std::size_t); // NOLINT(bugprone-reserved-identifier)

void* malloc(std::size_t bytes) {
  if (bytes >= kLargeBytes && !inside && happens(kMemory) == Fault::fail) return nullptr;
  return __libc_malloc(bytes);
}
void* aligned_alloc(std::size_t alignment, std::size_t bytes) {
  if (bytes >= kLargeBytes && !inside && happens(kMemory) == Fault::fail) return nullptr;
  return __libc_memalign(alignment, bytes);
}
int posix_memalign(void** out, std::size_t alignment, std::size_t bytes) {
  if (bytes >= kLargeBytes && !inside && happens(kMemory) == Fault::fail) return ENOMEM;
  *out = __libc_memalign(alignment, bytes);
  return *out == nullptr ? ENOMEM : 0;
}

ssize_t write(int fd, const void* data, std::size_t n) {
  static const auto real = next<ssize_t (*)(int, const void*, std::size_t)>("write");
  const Fault fault = at(kWrite, fd);
  return fault == Fault::fail ? -1 : real(fd, data, cut(fault, n));
}
ssize_t writev(int fd, const struct iovec* parts, int n) {
  static const auto real = next<ssize_t (*)(int, const struct iovec*, int)>("writev");
  const Fault fault = at(kWrite, fd);
  if (fault == Fault::half && n > 0)
    return write(fd, parts[0].iov_base, cut(fault, parts[0].iov_len));
  return fault == Fault::fail ? -1 : real(fd, parts, n);
}
ssize_t pwrite(int fd, const void* data, std::size_t n, off_t offset) {
  static const auto real = next<ssize_t (*)(int, const void*, std::size_t, off_t)>("pwrite");
  const Fault fault = at(kWrite, fd);
  return fault == Fault::fail ? -1 : real(fd, data, cut(fault, n), offset);
}
ssize_t pwrite64(int fd, const void* data, std::size_t n, off_t offset) {
  return pwrite(fd, data, n, offset);
}
ssize_t read(int fd, void* data, std::size_t n) {
  static const auto real = next<ssize_t (*)(int, void*, std::size_t)>("read");
  const Fault fault = at(kRead, fd);
  return fault == Fault::fail ? -1 : real(fd, data, cut(fault, n));
}
ssize_t pread(int fd, void* data, std::size_t n, off_t offset) {
  static const auto real = next<ssize_t (*)(int, void*, std::size_t, off_t)>("pread");
  const Fault fault = at(kRead, fd);
  return fault == Fault::fail ? -1 : real(fd, data, cut(fault, n), offset);
}
ssize_t pread64(int fd, void* data, std::size_t n, off_t offset) {
  return pread(fd, data, n, offset);
}
int open(const char* path, int flags, ...) {
  static const auto real = next<int (*)(const char*, int, ...)>("open");
  va_list rest;
  va_start(rest, flags);
  const mode_t mode = (flags & O_CREAT) != 0 ? va_arg(rest, mode_t) : 0;
  va_end(rest);
  return at(kOpen, path) == Fault::fail ? -1 : real(path, flags, mode);
}
int open64(const char* path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  const mode_t mode = (flags & O_CREAT) != 0 ? va_arg(rest, mode_t) : 0;
  va_end(rest);
  return open(path, flags, mode);
}
FILE* fopen(const char* path, const char* mode) {
  static const auto real = next<FILE* (*)(const char*, const char*)>("fopen");
  return at(kOpen, path) == Fault::fail ? nullptr : real(path, mode);
}
FILE* fopen64(const char* path, const char* mode) { return fopen(path, mode); }
int fsync(int fd) {
  static const auto real = next<int (*)(int)>("fsync");
  return at(kSync, fd) == Fault::fail ? -1 : real(fd);
}
int fdatasync(int fd) {
  static const auto real = next<int (*)(int)>("fdatasync");
  return at(kSync, fd) == Fault::fail ? -1 : real(fd);
}
int rename(const char* from, const char* to) {
  static const auto real = next<int (*)(const char*, const char*)>("rename");
  return at(kRename, to) == Fault::fail ? -1 : real(from, to);
}
int link(const char* from, const char* to) {
  static const auto real = next<int (*)(const char*, const char*)>("link");
  return at(kLink, to) == Fault::fail ? -1 : real(from, to);
}
int unlink(const char* path) {
  static const auto real = next<int (*)(const char*)>("unlink");
  return at(kUnlink, path) == Fault::fail ? -1 : real(path);
}
int mkdir(const char* path, mode_t mode) {
  static const auto real = next<int (*)(const char*, mode_t)>("mkdir");
  return at(kMkdir, path) == Fault::fail ? -1 : real(path, mode);
}
int close(int fd) {
  static const auto real = next<int (*)(int)>("close");
  const Fault fault = at(kClose, fd);
  const int result = real(fd);
  if (fault != Fault::fail) return result;
  errno = plan().error;
  return -1;
}

} // extern "C"
