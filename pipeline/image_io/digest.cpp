#include "pipeline/image_io/digest.hpp"

#include <fcntl.h>
#include <openssl/evp.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <vector>

#include "stages/core/error.hpp"

namespace boldmill::image_io {
namespace {

struct Descriptor {
  int value = -1;
  ~Descriptor() {
    if (value >= 0) ::close(value);
  }
};

std::string hexadecimal(const unsigned char* bytes, unsigned int n) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (unsigned int i = 0; i < n; ++i) {
    text += kDigits[bytes[i] >> 4U];
    text += kDigits[bytes[i] & 15U];
  }
  return text;
}

} // namespace

FileDigest digest_file(const std::filesystem::path& path) {
  const auto fail = [&](const std::string& what) {
    throw Error(ErrorKind::input, path.string() + ": " + what);
  };
  const Descriptor file{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  if (file.value < 0) fail(std::string("cannot be opened: ") + std::strerror(errno));
  const std::unique_ptr<EVP_MD_CTX, void (*)(EVP_MD_CTX*)> hash(EVP_MD_CTX_new(), EVP_MD_CTX_free);
  if (!hash || EVP_DigestInit_ex(hash.get(), EVP_sha256(), nullptr) != 1) {
    throw Error(ErrorKind::internal, "SHA-256 is not available");
  }
  FileDigest digest;
  std::vector<unsigned char> buffer(256 * 1024);
  while (true) {
    const ssize_t got = ::read(file.value, buffer.data(), buffer.size());
    if (got == 0) break;
    if (got < 0) {
      if (errno == EINTR) continue;
      fail(std::string("read failed: ") + std::strerror(errno));
    }
    digest.bytes += static_cast<std::uint64_t>(got);
    EVP_DigestUpdate(hash.get(), buffer.data(), static_cast<std::size_t>(got));
  }
  unsigned char bytes[EVP_MAX_MD_SIZE];
  unsigned int n = 0;
  EVP_DigestFinal_ex(hash.get(), bytes, &n);
  digest.sha256 = hexadecimal(bytes, n);
  return digest;
}

} // namespace boldmill::image_io
