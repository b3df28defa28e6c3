#include "pipeline/cli/summary.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <string_view>

#include "pipeline/bids/text.hpp"

namespace boldmill::cli {
namespace {

struct Kind {
  const char* status;
  const char* colour;
  const char* advice;
};
// The worst first.
constexpr std::array<Kind, 3> kKinds{{
    {"failed", "\x1b[31m",
     "mend or remove the file that is named, or change the option; the same command then works on "
     "what changed only"},
    {"excluded", "\x1b[33m",
     "a gate (boldmill config explain gates) or the review left it out; look at its page, a review "
     "table overrules a gate (--path review=FILE)"},
    {"warning", "\x1b[36m", "it counts; look at its page before you rely on it"},
}};

std::size_t rank(const std::string& status) {
  for (std::size_t k = 0; k < kKinds.size(); ++k) {
    if (status == kKinds[k].status) return k;
  }
  return kKinds.size();
}

} // namespace

bool has_colours(std::FILE* file) {
  if (const char* no = std::getenv("NO_COLOR"); no != nullptr && *no != '\0') return false;
  const char* terminal = std::getenv("TERM");
  return ::isatty(::fileno(file)) != 0 && terminal != nullptr && *terminal != '\0' &&
         std::string_view(terminal) != "dumb";
}

void print_problems(std::vector<schedule::RunLine> runs) {
  std::erase_if(runs, [](const auto& run) { return run.status == "ok"; });
  std::stable_sort(runs.begin(), runs.end(),
                   [](const auto& a, const auto& b) { return rank(a.status) < rank(b.status); });
  const bool colours = has_colours(stdout);
  for (const auto& run : runs) {
    const std::size_t kind = rank(run.status);
    const bool coloured = colours && kind < kKinds.size();
    std::printf("%s%-8s%s %s: %s\n", coloured ? kKinds[kind].colour : "", run.status.c_str(),
                coloured ? "\x1b[0m" : "", bids::display(run.run_id).c_str(),
                bids::display(run.reason, 1000).c_str());
  }
  for (std::size_t k = 0; k < kKinds.size(); ++k) {
    const auto n = std::count_if(runs.begin(), runs.end(),
                                 [k](const auto& run) { return rank(run.status) == k; });
    if (n > 0) std::printf("to do    %zd %s: %s\n", n, kKinds[k].status, kKinds[k].advice);
  }
}

} // namespace boldmill::cli
