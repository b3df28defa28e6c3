// Content digests of files.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

namespace boldmill::image_io {

struct FileDigest {
  std::uint64_t bytes = 0;
  std::string sha256; // 64 lower-case hexadecimal digits
};

// Reads the file once. ErrorKind::input when it cannot be read.
[[nodiscard]] FileDigest digest_file(const std::filesystem::path& path);

} // namespace boldmill::image_io
