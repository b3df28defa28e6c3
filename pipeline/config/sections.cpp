#include "pipeline/config/sections.hpp"

#include <algorithm>
#include <cmath>
#include <sstream>

namespace boldmill::config {
namespace {

std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j < row.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t substitute = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, substitute});
    }
  }
  return row.back();
}

} // namespace

std::string nearest(std::string_view name, const std::vector<std::string>& known) {
  std::string best;
  std::size_t best_distance = std::max<std::size_t>(2, name.size() / 2) + 1;
  for (const std::string& candidate : known) {
    const std::size_t distance = edit_distance(name, candidate);
    if (distance < best_distance) {
      best_distance = distance;
      best = candidate;
    }
  }
  return best;
}

std::string describe(const Limits& limits) {
  std::ostringstream text;
  if (!limits.choices.empty()) {
    text << "one of ";
    for (std::size_t i = 0; i < limits.choices.size(); ++i) {
      text << (i > 0 ? ", " : "") << limits.choices[i];
    }
    return text.str();
  }
  const bool low = std::isfinite(limits.low);
  const bool high = std::isfinite(limits.high);
  if (low && high)
    text << limits.low << " to " << limits.high;
  else if (low)
    text << ">= " << limits.low;
  else if (high)
    text << "<= " << limits.high;
  return text.str();
}

namespace detail {

std::string out_of_limits(const Json& value, const Limits& limits) {
  const auto bad = [&limits](const Json& item) {
    if (item.is_number()) {
      const double number = item.get<double>();
      return !(number >= limits.low && number <= limits.high);
    }
    if (item.is_string() && !limits.choices.empty()) {
      const std::string text = item.get<std::string>();
      return std::find(limits.choices.begin(), limits.choices.end(), text) == limits.choices.end();
    }
    return false;
  };
  if (value.is_array()) {
    return std::any_of(value.begin(), value.end(), bad) ? "each " + describe(limits) : "";
  }
  return bad(value) ? describe(limits) : "";
}

} // namespace detail
} // namespace boldmill::config
