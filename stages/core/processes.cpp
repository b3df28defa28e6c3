#include "stages/core/processes.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <utility>
#include <vector>

#include "stages/core/error.hpp"
#include "stages/core/parallel.hpp"

namespace boldmill {
namespace {

constexpr int kPipeBytes = 1 << 20; // how far a child may be ahead
constexpr int kPollMs = 200;        // between looks at whether to stop
constexpr int kMost = 4;            // each holds some 60 MB of its own

enum class Kind : std::uint32_t { made, error, failure };
struct Head { // before the bytes of an item, or of the words of an error
  Kind kind = Kind::made;
  ErrorKind error = ErrorKind::internal;
  std::uint64_t n_bytes = 0;
};

bool write_all(int descriptor, const void* data, std::size_t size) {
  const auto* bytes = static_cast<const char*>(data);
  while (size > 0) {
    const ssize_t n = ::write(descriptor, bytes, size);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    bytes += n;
    size -= static_cast<std::size_t>(n);
  }
  return true;
}

bool send(int descriptor, Kind kind, ErrorKind error, const std::string& bytes) {
  const Head head{kind, error, bytes.size()};
  return write_all(descriptor, &head, sizeof head) &&
         write_all(descriptor, bytes.data(), bytes.size());
}

// Of a child: items first, first + step, ... until one fails or nobody listens.
void make_items(const ProcessWork& work, std::size_t first, std::size_t step, int descriptor) {
  for (std::size_t i = first; i < work.n_items; i += step) {
    try {
      if (!send(descriptor, Kind::made, {}, work.make(i))) return;
    } catch (const Error& error) {
      send(descriptor, Kind::error, error.kind(), error.what());
      return;
    } catch (const std::exception& error) {
      send(descriptor, Kind::failure, {}, error.what());
      return;
    }
  }
}

// Of a child, to its end: nothing of the parent's is unwound, flushed or destroyed twice.
[[noreturn]] void be_a_child(const ProcessWork& work, std::size_t first, std::size_t step,
                             int descriptor) {
  try {
    make_items(work, first, step, descriptor);
  } catch (...) { // not even the words of an error could be sent
    ::_exit(1);
  }
  ::_exit(0);
}

// Children with the ends of their pipes; killed and waited for at the end, done or not.
class Children {
public:
  Children() = default;
  Children(const Children&) = delete;
  Children& operator=(const Children&) = delete;
  ~Children() {
    for (const Child& child : all_) {
      if (child.id > 0) ::kill(child.id, SIGKILL);
      ::close(child.descriptor);
      if (child.id > 0) (void)wait_for(child.id);
    }
  }

  // False when there can be no further process.
  [[nodiscard]] bool start(const ProcessWork& work, std::size_t first, std::size_t step) {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) return false;
    ::fcntl(ends[1], F_SETPIPE_SZ, kPipeBytes); // smaller where the system says so
    const pid_t parent = ::getpid();
    const pid_t id = ::fork();
    if (id == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      ::signal(SIGPIPE, SIG_IGN);
      if (::getppid() != parent) ::_exit(1); // it was gone before
      ::close(ends[0]);
      for (const Child& other : all_) ::close(other.descriptor);
      be_a_child(work, first, step, ends[1]);
    }
    ::close(ends[1]);
    if (id < 0) {
      ::close(ends[0]);
      return false;
    }
    all_.push_back({id, ends[0]});
    return true;
  }

  std::string next(std::size_t child, const std::string& item, const Context& context) {
    Head head;
    read_all(all_[child], &head, sizeof head, item, context);
    std::string bytes(head.n_bytes, '\0');
    read_all(all_[child], bytes.data(), bytes.size(), item, context);
    if (head.kind == Kind::error) throw Error(head.error, bytes);
    if (head.kind == Kind::failure) throw std::runtime_error(bytes);
    return bytes;
  }

private:
  struct Child {
    pid_t id; // 0 when it was waited for
    int descriptor;
  };

  static int wait_for(pid_t id) {
    int status = 0;
    while (::waitpid(id, &status, 0) < 0 && errno == EINTR) {
    }
    return status;
  }

  [[noreturn]] static void ended_early(Child& child, const std::string& item) {
    const int status = wait_for(std::exchange(child.id, 0));
    const std::string how = WIFSIGNALED(status)
                                ? "was killed by signal " + std::to_string(WTERMSIG(status))
                                : "ended with code " + std::to_string(WEXITSTATUS(status));
    throw Error(
        ErrorKind::internal,
        "the process that worked on " + item + " " + how +
            (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL ? " (out of memory?)" : "") +
            ", expected it to finish");
  }

  static void read_all(Child& child, void* data, std::size_t size, const std::string& item,
                       const Context& context) {
    auto* bytes = static_cast<char*>(data);
    while (size > 0) {
      context.check_stop();
      pollfd waiting{child.descriptor, POLLIN, 0};
      if (::poll(&waiting, 1, kPollMs) <= 0) continue;
      const ssize_t n = ::read(child.descriptor, bytes, size);
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) ended_early(child, item);
      bytes += n;
      size -= static_cast<std::size_t>(n);
    }
  }

  std::vector<Child> all_;
};

bool start_all(Children& children, const ProcessWork& work, std::size_t step) {
  for (std::size_t first = 0; first < std::min(step, work.n_items); ++first) {
    if (!children.start(work, first, step)) return false;
  }
  return true;
}

void work_here(const ProcessWork& work, const Context& context) {
  for (std::size_t i = 0; i < work.n_items; ++i) {
    context.check_stop();
    work.use(i, work.make(i));
  }
}

} // namespace

int processes_for(std::size_t n_items, std::size_t worth_it) {
  return n_items < worth_it ? 1 : std::min(kMost, tbb::this_task_arena::max_concurrency());
}

void in_processes(const ProcessWork& work, int n_processes, const Context& context) {
  if (n_processes >= 2) {
    const auto step = static_cast<std::size_t>(n_processes);
    Children children;
    if (start_all(children, work, step)) {
      for (std::size_t i = 0; i < work.n_items; ++i) {
        const std::string item = work.name ? work.name(i) : "item " + std::to_string(i);
        work.use(i, children.next(i % step, item, context));
      }
      return;
    }
  }
  work_here(work, context);
}

} // namespace boldmill
