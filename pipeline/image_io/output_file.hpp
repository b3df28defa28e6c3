// A file that appears complete or not at all, and a gzip stream compressed in parallel.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <vector>

namespace boldmill::image_io {

// Writes <path>.part-<pid>-<n>; commit() syncs and renames. Destroyed without commit, nothing
// stays. Throws ErrorKind::disk with the system's reason.
class OutputFile {
public:
  explicit OutputFile(const std::filesystem::path& path);
  ~OutputFile();
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;

  void write(std::span<const std::byte> bytes);
  void commit();

private:
  [[noreturn]] void fail(const char* what) const;
  std::filesystem::path path_;
  std::filesystem::path part_;
  int descriptor_ = -1;
};

// One gzip member of blocks of 1 MiB, each compressed on its own and joined in order: the bytes
// depend on the data only (and on the compressor's choice for the CPU level).
class GzipWriter {
public:
  explicit GzipWriter(OutputFile& file);
  void write(std::span<const std::byte> bytes);
  void finish(); // last block and trailer

private:
  void compress_pending(bool last);
  OutputFile& file_;
  std::vector<std::byte> pending_;
  std::uint32_t crc_ = 0;
  std::uint64_t length_ = 0;
};

} // namespace boldmill::image_io
