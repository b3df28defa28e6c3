// compare_h5 A B: prints every dataset and attribute that differs; 0 when none does.
#include <cstdio>

#include "pipeline/store/compare.hpp"
#include "stages/core/error.hpp"

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fputs("usage: compare_h5 FILE FILE\n", stderr);
    return 2;
  }
  try {
    const auto differences = boldmill::store::compare_files(argv[1], argv[2]);
    for (const auto& difference : differences) {
      std::printf("%s\n", boldmill::store::to_string(difference).c_str());
    }
    return differences.empty() ? 0 : 1;
  } catch (const boldmill::Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 2;
  }
}
