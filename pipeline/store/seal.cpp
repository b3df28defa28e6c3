#include "pipeline/store/seal.hpp"

#include <isa-l/crc64.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <memory>
#include <string>

#include "stages/core/error.hpp"

namespace boldmill::store {
namespace {

constexpr std::string_view kMark = "boldmill-crc64 ";
constexpr std::size_t kSealBytes = 32; // mark, 16 digits, end of line

// Of the first n bytes.
std::uint64_t checksum(std::ifstream& file, std::uint64_t n) {
  const std::size_t size = std::min<std::uint64_t>(n, std::uint64_t{1} << 20U);
  const auto buffer = std::make_unique_for_overwrite<char[]>(size);
  std::uint64_t crc = 0;
  file.clear();
  file.seekg(0);
  while (n > 0) {
    const auto part = static_cast<std::size_t>(std::min<std::uint64_t>(n, size));
    if (!file.read(buffer.get(), static_cast<std::streamsize>(part))) break;
    crc = crc64_ecma_refl(crc, reinterpret_cast<const unsigned char*>(buffer.get()), part);
    n -= part;
  }
  return crc;
}

std::string seal_of(std::uint64_t crc) {
  std::array<char, 17> digits{};
  std::snprintf(digits.data(), digits.size(), "%016llx", static_cast<unsigned long long>(crc));
  return std::string(kMark) + digits.data() + "\n";
}

} // namespace

void seal(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::error_code code;
  const std::uint64_t size = std::filesystem::file_size(path, code);
  const std::string text = seal_of(code ? 0 : checksum(in, size));
  errno = 0;
  std::ofstream out(path, std::ios::binary | std::ios::app);
  out << text;
  out.close();
  if (code || !in || !out) {
    throw Error(ErrorKind::disk, path.string() + ": cannot be written: " +
                                     (errno != 0 ? std::strerror(errno) : "unknown reason"));
  }
}

void check_seal(const std::filesystem::path& path) {
  std::error_code code;
  const std::uint64_t size = std::filesystem::file_size(path, code);
  if (code || size < kSealBytes || size > kLargestChecked) return;
  std::ifstream file(path, std::ios::binary);
  std::string found(kSealBytes, '\0');
  file.seekg(static_cast<std::streamoff>(size - kSealBytes));
  if (!file.read(found.data(), static_cast<std::streamsize>(kSealBytes))) return;
  if (!found.starts_with(kMark) || found.back() != '\n') return;
  if (found != seal_of(checksum(file, size - kSealBytes))) {
    throw Error(ErrorKind::input,
                path.string() + ": the content does not fit its checksum, the file is damaged");
  }
}

} // namespace boldmill::store
