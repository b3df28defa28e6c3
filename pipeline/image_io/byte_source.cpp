#include "pipeline/image_io/byte_source.hpp"

#include <fcntl.h>
#include <isa-l/igzip_lib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <limits>
#include <string>
#include <vector>

#include "stages/core/error.hpp"

namespace boldmill::image_io {
namespace {

constexpr std::size_t kInputBytes = 256 * 1024;
constexpr std::size_t kScrapBytes = 32 * 1024;

[[noreturn]] void fail(const std::filesystem::path& path, const std::string& what) {
  throw Error(ErrorKind::input, path.string() + ": " + what);
}

std::string inflate_problem(int code) {
  switch (code) {
  case ISAL_INCORRECT_CHECKSUM:
    return "corrupt gzip: checksum or length at the end does not match the data";
  case ISAL_INVALID_WRAPPER:
  case ISAL_UNSUPPORTED_METHOD: return "corrupt gzip: invalid member header";
  case ISAL_INVALID_BLOCK: return "corrupt gzip: invalid block";
  case ISAL_INVALID_SYMBOL: return "corrupt gzip: invalid symbol";
  case ISAL_INVALID_LOOKBACK: return "corrupt gzip: reference before the start of the data";
  default: return "corrupt gzip: decoder error " + std::to_string(code);
  }
}

} // namespace

struct ByteSource::State {
  std::filesystem::path path;
  int descriptor = -1;
  bool gzip = false;
  std::uint64_t file_bytes = 0;
  std::uint64_t delivered = 0;
  std::vector<unsigned char> input; // of the file, at most kInputBytes
  std::size_t input_begin = 0;      // used by plain files; gzip uses the decoder's own pointers
  std::size_t input_end = 0;
  bool file_ended = false;
  bool inside_member = true;
  bool ended = false;
  inflate_state inflate{};

  ~State() {
    if (descriptor >= 0) ::close(descriptor);
  }
  State() = default;
  State(const State&) = delete;
  State& operator=(const State&) = delete;

  std::size_t read_file(unsigned char* out, std::size_t n) {
    while (true) {
      const ssize_t got = ::read(descriptor, out, n);
      if (got >= 0) return static_cast<std::size_t>(got);
      if (errno != EINTR) fail(path, std::string("read failed: ") + std::strerror(errno));
    }
  }
  void start_member() {
    unsigned char* next = inflate.next_in;
    const std::uint32_t available = inflate.avail_in;
    isal_inflate_reset(&inflate);
    inflate.crc_flag = ISAL_GZIP;
    inflate.next_in = next;
    inflate.avail_in = available;
    inside_member = true;
  }
  void refill() {
    if (inflate.avail_in > 0 || file_ended) return;
    const std::size_t got = read_file(input.data(), input.size());
    file_ended = got == 0;
    inflate.next_in = input.data();
    inflate.avail_in = static_cast<std::uint32_t>(got);
  }
  std::size_t read_plain(std::span<std::byte> out);
  std::size_t read_gzip(std::span<std::byte> out);
  void between_members();
};

ByteSource::ByteSource(const std::filesystem::path& path) : state_(std::make_unique<State>()) {
  State& s = *state_;
  s.path = path;
  s.descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (s.descriptor < 0) fail(path, std::string("cannot be opened: ") + std::strerror(errno));
  struct stat info {};
  if (::fstat(s.descriptor, &info) != 0 || !S_ISREG(info.st_mode)) fail(path, "is not a file");
  s.file_bytes = static_cast<std::uint64_t>(info.st_size);
  if (s.file_bytes == 0) fail(path, "is empty");
  (void)::posix_fadvise(s.descriptor, 0, 0, POSIX_FADV_SEQUENTIAL);
  s.input.resize(std::min<std::uint64_t>(kInputBytes, s.file_bytes));
  while (s.input_end < 2) {
    const std::size_t got = s.read_file(s.input.data() + s.input_end, s.input.size() - s.input_end);
    if (got == 0) break;
    s.input_end += got;
  }
  s.gzip = s.input_end >= 2 && s.input[0] == 0x1f && s.input[1] == 0x8b;
  if (s.gzip) {
    isal_inflate_init(&s.inflate);
    s.inflate.next_in = s.input.data();
    s.inflate.avail_in = static_cast<std::uint32_t>(s.input_end);
    s.start_member();
  }
}

ByteSource::~ByteSource() = default;
ByteSource::ByteSource(ByteSource&&) noexcept = default;
ByteSource& ByteSource::operator=(ByteSource&&) noexcept = default;

std::size_t ByteSource::State::read_plain(std::span<std::byte> out) {
  const std::size_t buffered = std::min(out.size(), input_end - input_begin);
  std::memcpy(out.data(), input.data() + input_begin, buffered);
  input_begin += buffered;
  std::size_t done = buffered;
  while (done < out.size()) {
    const std::size_t got =
        read_file(reinterpret_cast<unsigned char*>(out.data()) + done, out.size() - done);
    if (got == 0) break;
    done += got;
  }
  return done;
}

// After a member: the end of the file, zero padding up to it, or another member.
void ByteSource::State::between_members() {
  while (true) {
    refill();
    if (inflate.avail_in == 0) {
      ended = true;
      return;
    }
    if (*inflate.next_in != 0) break;
    ++inflate.next_in;
    --inflate.avail_in;
  }
  if (*inflate.next_in != 0x1f) fail(path, "corrupt gzip: other data after the compressed data");
  start_member();
}

std::size_t ByteSource::State::read_gzip(std::span<std::byte> out) {
  std::size_t done = 0;
  while (done < out.size() && !ended) {
    if (!inside_member) {
      between_members();
      continue;
    }
    refill();
    const std::size_t room = std::min<std::size_t>(out.size() - done, 1U << 30U);
    inflate.next_out = reinterpret_cast<unsigned char*>(out.data()) + done;
    inflate.avail_out = static_cast<std::uint32_t>(room);
    const bool starved = file_ended && inflate.avail_in == 0;
    const int code = isal_inflate(&inflate);
    const std::size_t produced = room - inflate.avail_out;
    done += produced;
    if (code != ISAL_DECOMP_OK && code != ISAL_END_INPUT) fail(path, inflate_problem(code));
    if (inflate.block_state == ISAL_BLOCK_FINISH) {
      inside_member = false;
    } else if (starved && produced == 0) {
      fail(path, "truncated gzip: the file ends after " + std::to_string(delivered + done) +
                     " bytes of data, before the end of the compressed stream");
    }
  }
  return done;
}

std::size_t ByteSource::read(std::span<std::byte> out) {
  const std::size_t done = state_->gzip ? state_->read_gzip(out) : state_->read_plain(out);
  state_->delivered += done;
  return done;
}

std::uint64_t ByteSource::drain() {
  std::vector<std::byte> scrap(kScrapBytes);
  std::uint64_t total = 0;
  for (std::size_t got = 0; (got = read(scrap)) > 0;) total += got;
  return total;
}

std::uint32_t gzip_trailer_length(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  unsigned char bytes[4] = {};
  file.seekg(-4, std::ios::end);
  if (!file.read(reinterpret_cast<char*>(bytes), 4)) return 0;
  return static_cast<std::uint32_t>(bytes[0]) | static_cast<std::uint32_t>(bytes[1]) << 8U |
         static_cast<std::uint32_t>(bytes[2]) << 16U | static_cast<std::uint32_t>(bytes[3]) << 24U;
}

bool ByteSource::is_gzip() const { return state_->gzip; }
std::uint64_t ByteSource::file_bytes() const { return state_->file_bytes; }

} // namespace boldmill::image_io
