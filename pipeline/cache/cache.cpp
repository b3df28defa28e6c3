#include "pipeline/cache/cache.hpp"

#include <fcntl.h>
#include <openssl/evp.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <fstream>
#include <memory>
#include <system_error>

#include "stages/core/part_name.hpp"

namespace boldmill::cache {
namespace fs = std::filesystem;
namespace {

constexpr std::string_view kMagic = "boldmill-cache-1\n";

constexpr std::size_t kDigestBytes = 32;
constexpr std::size_t kBlockBytes = std::size_t{1} << 16U;

// SHA-256 of what is added, piece by piece.
class Digest {
public:
  Digest() : state_(EVP_MD_CTX_new()) {
    expect(state_ != nullptr && EVP_DigestInit_ex(state_.get(), EVP_sha256(), nullptr) == 1);
  }
  void add(std::string_view bytes) {
    expect(EVP_DigestUpdate(state_.get(), bytes.data(), bytes.size()) == 1);
  }
  [[nodiscard]] std::string value() {
    std::array<unsigned char, kDigestBytes> out{};
    unsigned int size = 0;
    expect(EVP_DigestFinal_ex(state_.get(), out.data(), &size) == 1);
    return {reinterpret_cast<const char*>(out.data()), out.size()};
  }

private:
  static void expect(bool done) {
    if (!done) throw Error(ErrorKind::internal, "sha256 is not available");
  }
  struct Free {
    void operator()(EVP_MD_CTX* state) const { EVP_MD_CTX_free(state); }
  };
  std::unique_ptr<EVP_MD_CTX, Free> state_;
};

std::string digest(std::string_view bytes) {
  Digest sum;
  sum.add(bytes);
  return sum.value();
}

[[noreturn]] void disk_error(const fs::path& path, std::string_view what, int code) {
  throw Error(ErrorKind::disk, path.filename().string() + ": " + std::string(what) +
                                   " failed: " + std::generic_category().message(code));
}

void write_all(int fd, std::string_view bytes, const fs::path& path) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd, bytes.data(), bytes.size());
    if (n < 0) {
      if (errno == EINTR) continue;
      disk_error(path, "write", errno);
    }
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
}

} // namespace

std::string sha256_hex(std::string_view bytes) {
  static constexpr char kHex[] = "0123456789abcdef";
  std::string hex;
  for (const char c : digest(bytes)) {
    hex += kHex[static_cast<unsigned char>(c) >> 4U];
    hex += kHex[static_cast<unsigned char>(c) & 15U];
  }
  return hex;
}

std::string node_key(std::string_view name, int version, std::string_view params,
                     const std::vector<std::string>& inputs) {
  std::string text = "boldmill node\n" + std::string(name) + "\n" + std::to_string(version) + "\n" +
                     BOLDMILL_CPU_LEVEL + "\n" + std::to_string(params.size()) + "\n" +
                     std::string(params) + "\n";
  for (const std::string& input : inputs) {
    text += std::to_string(input.size()) + ":" + input + "\n";
  }
  return sha256_hex(text);
}

void write_file_atomically(const fs::path& path, std::string_view bytes) {
  fs::path part = path;
  part += part_suffix();
  const int fd = ::open(part.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (fd < 0) disk_error(path, "create", errno);
  try {
    write_all(fd, bytes, path);
    if (::fsync(fd) != 0) disk_error(path, "sync", errno);
  } catch (...) {
    ::close(fd);
    ::unlink(part.c_str());
    throw;
  }
  if (::close(fd) != 0) {
    const int code = errno;
    ::unlink(part.c_str());
    disk_error(path, "close", code);
  }
  if (::rename(part.c_str(), path.c_str()) != 0) {
    const int code = errno;
    ::unlink(part.c_str());
    disk_error(path, "rename", code);
  }
  const int directory = ::open(path.parent_path().empty() ? "." : path.parent_path().c_str(),
                               O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (directory >= 0) {
    ::fsync(directory);
    ::close(directory);
  }
}

Cache::Cache(fs::path directory) : directory_(std::move(directory)) {
  if (directory_.empty()) return;
  std::error_code code;
  fs::create_directories(directory_, code);
  if (code) {
    throw Error(ErrorKind::disk, directory_.filename().string() +
                                     ": the work directory cannot be made: " + code.message());
  }
  sweep_leftovers(directory_);
}

fs::path Cache::path_of(const std::string& key) const { return directory_ / (key + ".est"); }

bool Cache::has(const std::string& key) const {
  if (directory_.empty()) return false;
  std::ifstream file(path_of(key), std::ios::binary);
  std::string block(kMagic.size() + kDigestBytes, '\0');
  file.read(block.data(), static_cast<std::streamsize>(block.size()));
  if (!file || !block.starts_with(kMagic)) return false;
  const std::string stored = block.substr(kMagic.size());
  Digest sum;
  block.resize(kBlockBytes);
  do {
    file.read(block.data(), static_cast<std::streamsize>(block.size()));
    sum.add({block.data(), static_cast<std::size_t>(file.gcount())});
  } while (file);
  return file.eof() && sum.value() == stored;
}

std::optional<std::string> Cache::load(const std::string& key) const {
  if (directory_.empty()) return std::nullopt;
  std::ifstream file(path_of(key), std::ios::binary);
  if (!file) return std::nullopt;
  std::string bytes((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  if (bytes.size() < kMagic.size() + kDigestBytes || bytes.compare(0, kMagic.size(), kMagic) != 0) {
    return std::nullopt;
  }
  const std::string stored = bytes.substr(kMagic.size(), kDigestBytes);
  bytes.erase(0, kMagic.size() + kDigestBytes);
  if (digest(bytes) != stored) return std::nullopt;
  return bytes;
}

void Cache::store(const std::string& key, std::string_view payload) const {
  if (directory_.empty()) return;
  std::string bytes(kMagic);
  bytes += digest(payload);
  bytes += payload;
  write_file_atomically(path_of(key), bytes);
}

void Cache::remove(const std::string& key) const {
  if (directory_.empty()) return;
  std::error_code code;
  fs::remove(path_of(key), code);
}

void sweep_leftovers(const fs::path& directory) {
  std::error_code code;
  for (const auto& entry : fs::directory_iterator(directory, code)) {
    if (!is_abandoned_part(entry.path())) continue;
    std::error_code ignored;
    fs::remove(entry.path(), ignored);
  }
}

} // namespace boldmill::cache
