#include "tests/fuzz/harness.hpp"

#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <new>

#include "stages/core/error.hpp"

namespace boldmill::fuzz {
namespace fs = std::filesystem;
namespace {

class Folder {
public:
  Folder() {
    const fs::path memory = "/dev/shm";
    std::error_code code;
    path_ = (fs::is_directory(memory, code) ? memory : fs::temp_directory_path()) /
            ("boldmill-fuzz-" + std::to_string(::getpid()));
    fs::create_directories(path_);
  }
  ~Folder() {
    std::error_code code;
    fs::remove_all(path_, code);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  [[nodiscard]] const fs::path& path() const { return path_; }

private:
  fs::path path_;
};

} // namespace

fs::path as_file(std::span<const std::uint8_t> bytes, const std::string& name) {
  static const Folder folder;
  const fs::path path = folder.path() / name;
  std::ofstream(path, std::ios::binary)
      .write(reinterpret_cast<const char*>(bytes.data()),
             static_cast<std::streamsize>(bytes.size()));
  return path;
}

std::string text_of(std::span<const std::uint8_t> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

std::string file_bytes(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

bool execute_or_abort(std::span<const std::uint8_t> bytes) {
  try {
    execute(bytes);
    return true;
  } catch (const Error& error) {
    if (std::getenv("FUZZ_SAY")) std::fprintf(stderr, "%s\n", error.what());
    if (error.kind() != ErrorKind::internal) return false;
    std::fprintf(stderr, "internal error on damaged input: %s\n", error.what());
    std::abort();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "not an Error: %s\n", error.what());
    std::abort();
  }
}

} // namespace boldmill::fuzz

#ifdef BOLDMILL_LIBFUZZER
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static_cast<void>(boldmill::fuzz::execute_or_abort({data, size}));
  return 0;
}
#endif
