// Names and strings as the file can hold them.
#include <algorithm>

#include "pipeline/store/netcdf.hpp"
#include "pipeline/store/shard.hpp"

namespace boldmill::store {
namespace {

constexpr std::size_t kMaxNameBytes = 200; // netCDF allows 256

bool plain(unsigned char c) {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
}

// Length of the UTF-8 sequence at `i` (Unicode 15, table 3-7), 0 when it is not one.
std::size_t sequence_length(const std::string& text, std::size_t i) {
  const auto byte = [&](std::size_t k) {
    return i + k < text.size() ? static_cast<unsigned char>(text[i + k]) : 0U;
  };
  const auto continues = [&](std::size_t k, unsigned low = 0x80, unsigned high = 0xBF) {
    return byte(k) >= low && byte(k) <= high;
  };
  const unsigned c = byte(0);
  if (c == 0) return 0;
  if (c < 0x80) return 1;
  if (c >= 0xC2 && c <= 0xDF) return continues(1) ? 2 : 0;
  if (c >= 0xE0 && c <= 0xEF) {
    const unsigned low = c == 0xE0 ? 0xA0 : 0x80;
    const unsigned high = c == 0xED ? 0x9F : 0xBF; // no surrogates
    return continues(1, low, high) && continues(2) ? 3 : 0;
  }
  if (c >= 0xF0 && c <= 0xF4) {
    const unsigned low = c == 0xF0 ? 0x90 : 0x80;
    const unsigned high = c == 0xF4 ? 0x8F : 0xBF;
    return continues(1, low, high) && continues(2) && continues(3) ? 4 : 0;
  }
  return 0;
}

} // namespace

std::string safe_name(const std::string& name) {
  std::string safe = name.substr(0, kMaxNameBytes);
  for (std::size_t i = 0; i < safe.size(); ++i) {
    const auto c = static_cast<unsigned char>(safe[i]);
    const bool mark = c == '.' || c == '+' || c == '-';
    if (!plain(c) && !(mark && i > 0)) safe[i] = '_';
  }
  return safe.empty() ? "_" : safe;
}

std::string clean_utf8(const std::string& text) {
  std::string clean;
  clean.reserve(text.size());
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t n = sequence_length(text, i);
    if (n == 0) {
      clean += "\xEF\xBF\xBD";
    } else {
      clean.append(text, i, n);
    }
    i += std::max<std::size_t>(n, 1);
  }
  return clean;
}

} // namespace boldmill::store
