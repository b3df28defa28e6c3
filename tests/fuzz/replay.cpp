// fuzz_<reader> [--seeds DIR] [N] [FILE ...]: the seeds, N mutations of them (default 1000, the
// same on every machine), and the files. With --seeds only writes the seeds, as a corpus for
// libFuzzer. Code 1 when the first seed is refused, one took longer than a second or the memory
// went beyond 256 MB.
#include <sys/resource.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <random>

#include "tests/fuzz/harness.hpp"

namespace {

using Bytes = std::vector<std::uint8_t>;
constexpr long kMostMegabytes = 256;
constexpr double kMostSeconds = 1.0;

std::size_t below(std::mt19937_64& random, std::size_t n) { return n == 0 ? 0 : random() % n; }

void mutate(Bytes& bytes, const std::vector<std::string>& seeds, std::mt19937_64& random) {
  static constexpr std::uint8_t kInteresting[] = {0,   1,   0x7f, 0x80, 0xff,
                                                  '"', '{', '\t', '\n', '/'};
  const std::size_t n_changes = 1 + below(random, 8);
  for (std::size_t i = 0; i < n_changes; ++i) {
    const std::size_t at = below(random, bytes.size());
    switch (below(random, 7)) {
    case 0:
      if (!bytes.empty()) bytes[at] ^= static_cast<std::uint8_t>(1U << below(random, 8));
      break;
    case 1:
      if (!bytes.empty()) bytes[at] = kInteresting[below(random, sizeof kInteresting)];
      break;
    case 2: bytes.resize(at); break; // cut short
    case 3: {                        // a number of up to eight bytes
      const std::uint64_t value = random() >> below(random, 64);
      const std::size_t width = std::size_t{1} << below(random, 4);
      if (bytes.size() >= at + width) std::memcpy(bytes.data() + at, &value, width);
      break;
    }
    case 4: { // a part twice
      const std::size_t n = below(random, std::min<std::size_t>(64, bytes.size() - at + 1));
      const Bytes part(bytes.begin() + static_cast<std::ptrdiff_t>(at),
                       bytes.begin() + static_cast<std::ptrdiff_t>(std::min(at + n, bytes.size())));
      bytes.insert(bytes.begin() + static_cast<std::ptrdiff_t>(at), part.begin(), part.end());
      break;
    }
    case 5: { // a part gone
      const std::size_t n = below(random, std::min<std::size_t>(64, bytes.size() - at + 1));
      bytes.erase(bytes.begin() + static_cast<std::ptrdiff_t>(at),
                  bytes.begin() + static_cast<std::ptrdiff_t>(std::min(at + n, bytes.size())));
      break;
    }
    default: { // a part of another seed
      const std::string& other = seeds[below(random, seeds.size())];
      const std::size_t from = below(random, other.size());
      const std::size_t n = below(random, std::min<std::size_t>(128, other.size() - from + 1));
      for (std::size_t k = 0; k < n && at + k < bytes.size() && from + k < other.size(); ++k) {
        bytes[at + k] = static_cast<std::uint8_t>(other[from + k]);
      }
    }
    }
  }
}

double seconds(std::span<const std::uint8_t> bytes, long& n_accepted) {
  const auto begun = std::chrono::steady_clock::now();
  n_accepted += boldmill::fuzz::execute_or_abort(bytes) ? 1 : 0;
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count();
}

Bytes bytes_of(const std::string& text) { return {text.begin(), text.end()}; }

} // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> seeds = boldmill::fuzz::seeds();
  if (argc == 3 && std::strcmp(argv[1], "--seeds") == 0) {
    std::filesystem::create_directories(argv[2]);
    for (std::size_t s = 0; s < seeds.size(); ++s) {
      std::ofstream(std::filesystem::path(argv[2]) / std::to_string(s), std::ios::binary)
          << seeds[s];
    }
    return 0;
  }
  const long n = argc > 1 ? std::atol(argv[1]) : 1000;
  double slowest = 0.0;
  long n_accepted = 0;
  for (std::size_t s = 0; s < seeds.size(); ++s) {
    const long before = n_accepted;
    slowest = std::max(slowest, seconds(bytes_of(seeds[s]), n_accepted));
    if (s == 0 && n_accepted == before) { // mutations of it would meet the first check alone
      std::printf("the first seed is refused, expected one that is read to its end\n");
      return 1;
    }
  }
  for (int i = 2; i < argc; ++i) {
    slowest = std::max(slowest, seconds(bytes_of(boldmill::fuzz::file_bytes(argv[i])), n_accepted));
  }
  std::mt19937_64 random(20240617);
  for (long i = 0; i < n; ++i) {
    Bytes bytes = bytes_of(seeds[below(random, seeds.size())]);
    mutate(bytes, seeds, random);
    slowest = std::max(slowest, seconds(bytes, n_accepted));
  }
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  std::printf("%zu seeds, %ld mutations, %ld accepted, slowest %.3f s, %ld MB\n", seeds.size(), n,
              n_accepted, slowest, usage.ru_maxrss / 1000);
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  return slowest > 20.0 * kMostSeconds ? 1 : 0; // sanitizers take their own time and memory
#else
  return slowest > kMostSeconds || usage.ru_maxrss / 1000 > kMostMegabytes ? 1 : 0;
#endif
}
