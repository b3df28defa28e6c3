// Bytes of a file in order, decompressed when the file is gzip. read(), never mmap: mapped pages
// count as memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>

namespace boldmill::image_io {

class ByteSource {
public:
  // Throws ErrorKind::input when the file cannot be opened or is empty.
  explicit ByteSource(const std::filesystem::path& path);
  ~ByteSource();
  ByteSource(ByteSource&&) noexcept;
  ByteSource& operator=(ByteSource&&) noexcept;

  // Fills `out` unless the data end before; returns the bytes delivered. Throws input on a read
  // error or a stream that is corrupt or cut short. Every gzip member's CRC-32 and length are
  // checked when its end is reached.
  [[nodiscard]] std::size_t read(std::span<std::byte> out);
  // Reads what is left, with all checks; returns how many bytes that was.
  std::uint64_t drain();

  [[nodiscard]] bool is_gzip() const;
  [[nodiscard]] std::uint64_t file_bytes() const; // on disk

private:
  struct State;
  std::unique_ptr<State> state_;
};

// The last four bytes of a file: the data's length modulo 2^32 in a gzip file of one member.
[[nodiscard]] std::uint32_t gzip_trailer_length(const std::filesystem::path& path);

} // namespace boldmill::image_io
