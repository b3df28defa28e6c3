#include "stages/core/part_name.hpp"

#include <signal.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <string_view>

namespace boldmill {
namespace {

constexpr std::string_view kMark = ".part-";
constexpr std::chrono::hours kForeignAge{24};

std::string host_digest() {
  std::array<char, 256> name{};
  if (::gethostname(name.data(), name.size() - 1) != 0) name[0] = '\0';
  std::uint32_t hash = 2166136261U;
  for (const char* c = name.data(); *c != '\0'; ++c) {
    hash = (hash ^ static_cast<unsigned char>(*c)) * 16777619U;
  }
  std::array<char, 9> text{};
  std::snprintf(text.data(), text.size(), "%08x", hash);
  return text.data();
}

bool unchanged_for_a_day(const std::filesystem::path& file) {
  std::error_code code;
  const auto written = std::filesystem::last_write_time(file, code);
  return !code && std::filesystem::file_time_type::clock::now() - written > kForeignAge;
}

} // namespace

std::string part_suffix() {
  static std::atomic<unsigned> counter{0};
  return std::string(kMark) + std::to_string(::getpid()) + "-" + host_digest() + "-" +
         std::to_string(counter.fetch_add(1));
}

bool is_abandoned_part(const std::filesystem::path& file) {
  const std::string name = file.filename().string();
  const std::size_t mark = name.rfind(kMark);
  if (mark == std::string::npos) return false;
  const char* end = name.data() + name.size();
  long pid = 0;
  const auto process = std::from_chars(name.data() + mark + kMark.size(), end, pid);
  if (process.ec != std::errc{} || pid <= 0 || process.ptr == end || *process.ptr != '-') {
    return false;
  }
  const std::string_view rest(process.ptr + 1, static_cast<std::size_t>(end - process.ptr - 1));
  const std::size_t dash = rest.find('-'); // absent in the names of versions without a host
  if (dash != std::string_view::npos && rest.substr(0, dash) != host_digest()) {
    return unchanged_for_a_day(file);
  }
  return ::kill(static_cast<pid_t>(pid), 0) != 0 && errno == ESRCH;
}

} // namespace boldmill
