#include "pipeline/bids/ignore.hpp"

#include <algorithm>

namespace boldmill::bids {
namespace {

// Position behind the set that starts at pattern[at] == '[', or 0 when it is never closed.
std::size_t set_end(std::string_view pattern, std::size_t at) {
  std::size_t i = at + 1;
  if (i < pattern.size() && (pattern[i] == '!' || pattern[i] == '^')) ++i;
  if (i < pattern.size() && pattern[i] == ']') ++i;
  while (i < pattern.size() && pattern[i] != ']') ++i;
  return i < pattern.size() ? i + 1 : 0;
}

bool in_set(std::string_view set, char c) { // set without the brackets
  const bool negated = !set.empty() && (set[0] == '!' || set[0] == '^');
  if (negated) set.remove_prefix(1);
  bool found = false;
  for (std::size_t i = 0; i < set.size(); ++i) {
    if (i + 2 < set.size() && set[i + 1] == '-') {
      found = found || (set[i] <= c && c <= set[i + 2]);
      i += 2;
    } else {
      found = found || set[i] == c;
    }
  }
  return found != negated && c != '/';
}

// One character of the pattern against one of the text; `width` is what it takes of the pattern.
bool one_matches(std::string_view pattern, std::size_t at, char c, std::size_t& width) {
  width = 1;
  if (pattern[at] == '?') return c != '/';
  if (pattern[at] == '[') {
    if (const std::size_t end = set_end(pattern, at); end != 0) {
      width = end - at;
      return in_set(pattern.substr(at + 1, width - 2), c);
    }
  }
  if (pattern[at] == '\\' && at + 1 < pattern.size()) {
    width = 2;
    return pattern[at + 1] == c;
  }
  return pattern[at] == c;
}

} // namespace

bool glob_match(std::string_view pattern, std::string_view text) {
  // Two places to return to: the last "**" and the last "*" behind it. Time is at most
  // pattern * text squared, whatever the pattern.
  constexpr std::size_t kNone = static_cast<std::size_t>(-1);
  std::size_t p = 0, t = 0;
  std::size_t star = kNone, star_text = 0, deep = kNone, deep_text = 0;
  for (;;) {
    if (p < pattern.size() && pattern.substr(p).starts_with("**")) {
      while (p < pattern.size() && pattern[p] == '*') ++p;
      // "a/**/b" also matches "a/b".
      if (p < pattern.size() && pattern[p] == '/' && (t == 0 || text[t - 1] == '/') &&
          glob_match(pattern.substr(p + 1), text.substr(t))) {
        return true;
      }
      deep = p;
      deep_text = t;
      star = kNone;
      continue;
    }
    if (p < pattern.size() && pattern[p] == '*') {
      star = ++p;
      star_text = t;
      continue;
    }
    std::size_t width = 0;
    if (p == pattern.size() && t == text.size()) return true;
    if (p < pattern.size() && t < text.size() && one_matches(pattern, p, text[t], width)) {
      p += width;
      ++t;
    } else if (star != kNone && star_text < text.size() && text[star_text] != '/') {
      p = star;
      t = ++star_text;
    } else if (deep != kNone && deep_text < text.size()) {
      p = deep;
      t = ++deep_text;
      star = kNone;
    } else {
      return false;
    }
  }
}

IgnoreRules::IgnoreRules(std::string_view text) {
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    while (line.ends_with(' ') && !line.ends_with("\\ ")) line.remove_suffix(1);
    if (line.empty() || line[0] == '#') continue;
    Rule rule;
    if (line[0] == '!') {
      rule.negated = true;
      line.remove_prefix(1);
    }
    if (line.ends_with('/')) {
      rule.folders_only = true;
      line.remove_suffix(1);
    }
    rule.anchored = line.find('/') != std::string_view::npos;
    if (line.starts_with('/')) line.remove_prefix(1);
    if (line.empty()) continue;
    rule.pattern = line;
    rules_.push_back(std::move(rule));
  }
}

bool IgnoreRules::ignored(std::string_view path, bool is_folder) const {
  const std::size_t slash = path.rfind('/');
  const std::string_view name = slash == std::string_view::npos ? path : path.substr(slash + 1);
  for (auto rule = rules_.rbegin(); rule != rules_.rend(); ++rule) {
    if (rule->folders_only && !is_folder) continue;
    if (glob_match(rule->pattern, rule->anchored ? path : name)) return !rule->negated;
  }
  return false;
}

} // namespace boldmill::bids
