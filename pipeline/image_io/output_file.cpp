#include "pipeline/image_io/output_file.hpp"

#include <fcntl.h>
#include <isa-l/crc.h>
#include <isa-l/igzip_lib.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>

#include "stages/core/error.hpp"
#include "stages/core/parallel.hpp"
#include "stages/core/part_name.hpp"

namespace boldmill::image_io {
namespace {

constexpr std::size_t kGzipBlock = 1024 * 1024;
constexpr std::size_t kBlocksAtOnce = 16;

// Level 1 is the best ISA-L has for this kind of data: higher levels are slower, not smaller.
constexpr int kLevel = 1;

std::vector<std::byte> compress_block(std::span<const std::byte> raw, bool last) {
  const auto stream = std::make_unique<isal_zstream>();
  std::vector<unsigned char> level_buffer(ISAL_DEF_LVL1_DEFAULT);
  std::vector<std::byte> out(raw.size() + raw.size() / 4 + 64 * 1024);
  isal_deflate_init(stream.get());
  stream->level = kLevel;
  stream->level_buf = level_buffer.data();
  stream->level_buf_size = static_cast<std::uint32_t>(level_buffer.size());
  stream->end_of_stream = last ? 1 : 0;
  stream->flush = last ? NO_FLUSH : FULL_FLUSH; // ends on a byte, no history across blocks
  stream->next_in = const_cast<unsigned char*>(reinterpret_cast<const unsigned char*>(raw.data()));
  stream->avail_in = static_cast<std::uint32_t>(raw.size());
  stream->next_out = reinterpret_cast<unsigned char*>(out.data());
  stream->avail_out = static_cast<std::uint32_t>(out.size());
  const int code = isal_deflate(stream.get());
  if (code != COMP_OK || stream->avail_in != 0 || stream->avail_out == 0) {
    throw Error(ErrorKind::internal, "compression failed with code " + std::to_string(code));
  }
  out.resize(stream->total_out);
  return out;
}

void put_little_endian(std::uint32_t value, std::byte* out) {
  for (unsigned int i = 0; i < 4; ++i) out[i] = static_cast<std::byte>(value >> (8U * i));
}

} // namespace

OutputFile::OutputFile(const std::filesystem::path& path) : path_(path) {
  part_ = path.string() + part_suffix();
  descriptor_ = ::open(part_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (descriptor_ < 0) fail("cannot be created");
}

OutputFile::~OutputFile() {
  if (descriptor_ >= 0) {
    ::close(descriptor_);
    ::unlink(part_.c_str());
  }
}

void OutputFile::fail(const char* what) const {
  throw Error(ErrorKind::disk, path_.string() + ": " + what + ": " + std::strerror(errno));
}

void OutputFile::write(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(descriptor_, bytes.data(), bytes.size());
    if (written < 0) {
      if (errno == EINTR) continue;
      fail("write failed");
    }
    bytes = bytes.subspan(static_cast<std::size_t>(written));
  }
}

void OutputFile::commit() {
  if (::fsync(descriptor_) != 0) fail("sync failed");
  const int descriptor = descriptor_;
  descriptor_ = -1;
  if (::close(descriptor) != 0 || ::rename(part_.c_str(), path_.c_str()) != 0) {
    const int reason = errno;
    ::unlink(part_.c_str());
    errno = reason;
    fail("cannot be completed");
  }
  // The name is durable once the folder is synced; not every file system allows it.
  const std::filesystem::path folder = path_.has_parent_path() ? path_.parent_path() : ".";
  const int folder_descriptor = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder_descriptor >= 0) {
    (void)::fsync(folder_descriptor);
    ::close(folder_descriptor);
  }
}

GzipWriter::GzipWriter(OutputFile& file) : file_(file) {
  constexpr unsigned char kHeader[10] = {0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255}; // no time, no name
  file_.write(std::as_bytes(std::span(kHeader)));
  pending_.reserve(kGzipBlock * kBlocksAtOnce);
}

void GzipWriter::write(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    // Compressed when more data come, so that the last block is known as the last.
    if (pending_.size() == kGzipBlock * kBlocksAtOnce) compress_pending(false);
    const std::size_t n = std::min(bytes.size(), kGzipBlock * kBlocksAtOnce - pending_.size());
    pending_.insert(pending_.end(), bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(n));
    bytes = bytes.subspan(n);
  }
}

void GzipWriter::compress_pending(bool last) {
  const std::size_t blocks =
      std::max<std::size_t>(1, (pending_.size() + kGzipBlock - 1) / kGzipBlock);
  std::vector<std::vector<std::byte>> compressed(blocks);
  std::vector<std::uint32_t> crc(blocks);
  const auto piece = [&](std::size_t b) {
    const std::size_t begin = b * kGzipBlock;
    return std::span<const std::byte>(pending_).subspan(
        begin, std::min(kGzipBlock, pending_.size() - begin));
  };
  parallel_blocks(Context{}, blocks, 1, [&](std::size_t b, std::size_t) {
    const auto raw = piece(b);
    compressed[b] = compress_block(raw, last && b + 1 == blocks);
    crc[b] = crc32_gzip_refl(0, reinterpret_cast<const unsigned char*>(raw.data()), raw.size());
  });
  for (std::size_t b = 0; b < blocks; ++b) {
    file_.write(compressed[b]);
    const auto length = static_cast<z_off_t>(piece(b).size());
    crc_ = static_cast<std::uint32_t>(crc32_combine(crc_, crc[b], length));
    length_ += piece(b).size();
  }
  pending_.clear();
}

void GzipWriter::finish() {
  compress_pending(true);
  std::byte trailer[8];
  put_little_endian(crc_, trailer);
  put_little_endian(static_cast<std::uint32_t>(length_), trailer + 4);
  file_.write(trailer);
}

} // namespace boldmill::image_io
