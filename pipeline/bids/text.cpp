#include "pipeline/bids/text.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <numeric>

namespace boldmill::bids {
namespace {

// Length of the UTF-8 sequence at `text[at]` and its code point; 0 when it is not one.
std::size_t decode_utf8(std::string_view text, std::size_t at, std::uint32_t& code) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned first = byte(at);
  std::size_t length = 0;
  if (first < 0x80) {
    code = first;
    return 1;
  }
  if (first >= 0xC2 && first <= 0xDF) {
    length = 2;
    code = first & 0x1FU;
  } else if (first >= 0xE0 && first <= 0xEF) {
    length = 3;
    code = first & 0x0FU;
  } else if (first >= 0xF0 && first <= 0xF4) {
    length = 4;
    code = first & 0x07U;
  } else {
    return 0;
  }
  if (at + length > text.size()) return 0;
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(at + i) & 0xC0U) != 0x80U) return 0;
    code = (code << 6U) | (byte(at + i) & 0x3FU);
  }
  const bool overlong = (length == 3 && code < 0x800) || (length == 4 && code < 0x10000);
  const bool surrogate = code >= 0xD800 && code <= 0xDFFF;
  return overlong || surrogate || code > 0x10FFFF ? 0 : length;
}

// Code points that change how a terminal or a browser shows the text around them.
bool invisible(std::uint32_t code) {
  return code < 0x20 || (code >= 0x7F && code <= 0x9F) || code == 0x061C ||
         (code >= 0x200B && code <= 0x200F) || (code >= 0x2028 && code <= 0x202E) ||
         (code >= 0x2060 && code <= 0x206F) || code == 0xFEFF ||
         (code >= 0xFFF9 && code <= 0xFFFB) || (code >= 0xE0000 && code <= 0xE007F);
}

std::string printable(std::string_view text, std::size_t max_bytes) {
  std::string shown;
  std::array<char, 16> buffer{};
  for (std::size_t i = 0; i < text.size();) {
    if (shown.size() >= max_bytes) {
      shown += "...";
      break;
    }
    std::uint32_t code = 0;
    const std::size_t length = decode_utf8(text, i, code);
    if (length == 0) {
      std::snprintf(buffer.data(), buffer.size(), "\\x%02X", static_cast<unsigned char>(text[i]));
      shown += buffer.data();
      ++i;
      continue;
    }
    if (!invisible(code)) {
      shown += text.substr(i, length);
    } else {
      std::snprintf(buffer.data(), buffer.size(), code < 0x80 ? "\\x%02X" : "\\u{%04X}", code);
      shown += buffer.data();
    }
    i += length;
  }
  return shown;
}

std::uint32_t fnv1a(std::string_view text) {
  std::uint32_t hash = 2166136261U;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 16777619U;
  return hash;
}

bool ascii_alphanumeric(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

// Levenshtein with the exchange of neighbours counted as one.
std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> before(b.size() + 1), last(b.size() + 1), now(b.size() + 1);
  std::iota(last.begin(), last.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    now[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t cost = a[i - 1] == b[j - 1] ? 0 : 1;
      now[j] = std::min({last[j] + 1, now[j - 1] + 1, last[j - 1] + cost});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        now[j] = std::min(now[j], before[j - 2] + 1);
      }
    }
    std::swap(before, last);
    std::swap(last, now);
  }
  return last[b.size()];
}

} // namespace

std::string display(std::string_view text, std::size_t max_bytes) {
  return printable(text, max_bytes);
}

std::string html_escape(std::string_view text) {
  std::string escaped;
  for (const char c : printable(text, static_cast<std::size_t>(-1))) {
    switch (c) {
    case '&': escaped += "&amp;"; break;
    case '<': escaped += "&lt;"; break;
    case '>': escaped += "&gt;"; break;
    case '"': escaped += "&quot;"; break;
    case '\'': escaped += "&#39;"; break;
    default: escaped += c;
    }
  }
  return escaped;
}

std::string safe_component(std::string_view text) {
  constexpr std::size_t kMaxBytes = 200;
  std::string safe(text.substr(0, kMaxBytes));
  for (char& c : safe) {
    if (!ascii_alphanumeric(c) && c != '_' && c != '.' && c != '+' && c != '-') c = '_';
  }
  if (!safe.empty() && (safe.front() == '.' || safe.front() == '-')) safe.front() = '_';
  if (safe == text && !safe.empty()) return safe;
  std::array<char, 10> suffix{};
  std::snprintf(suffix.data(), suffix.size(), "_%08x", fnv1a(text));
  return safe.substr(0, kMaxBytes - 9) + suffix.data();
}

bool valid_label(std::string_view label) {
  return !label.empty() && label.size() <= 64 &&
         std::all_of(label.begin(), label.end(),
                     [](char c) { return ascii_alphanumeric(c) || c == '+'; });
}

bool bytewise_less(std::string_view a, std::string_view b) { return a.compare(b) < 0; }

std::vector<std::string> nearest(std::string_view text, const std::vector<std::string>& candidates,
                                 std::size_t count) {
  const std::size_t limit = std::max<std::size_t>(2, text.size() / 2);
  std::vector<std::pair<std::size_t, std::string>> found;
  for (const std::string& candidate : candidates) {
    const std::size_t distance = edit_distance(text, candidate);
    if (distance <= limit) found.emplace_back(distance, candidate);
  }
  std::sort(found.begin(), found.end());
  found.erase(std::unique(found.begin(), found.end()), found.end());
  std::vector<std::string> names;
  for (std::size_t i = 0; i < std::min(count, found.size()); ++i) names.push_back(found[i].second);
  return names;
}

} // namespace boldmill::bids
