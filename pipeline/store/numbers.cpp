#include "pipeline/store/numbers.hpp"

#include <array>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <limits>

#include "pipeline/store/reader.hpp"

namespace boldmill::store {

std::vector<double> as_numbers(const std::vector<std::string>& text) {
  std::vector<double> values;
  values.reserve(text.size());
  for (const std::string& cell : text) {
    double value = 0.0;
    const char* begin = cell.data();
    const char* end = begin + cell.size();
    if (begin != end && *begin == '+') ++begin;
    const auto result = std::from_chars(begin, end, value);
    const bool number = result.ec == std::errc() && result.ptr == end && std::isfinite(value);
    values.push_back(number ? value : std::numeric_limits<double>::quiet_NaN());
  }
  return values;
}

std::vector<std::string> as_text(const std::vector<double>& values) {
  std::vector<std::string> text;
  text.reserve(values.size());
  for (const double value : values) {
    std::array<char, 32> buffer{};
    const bool whole =
        std::abs(value) < 1e15 && value == std::trunc(value); // "100000", not "1e+05"
    char* end = buffer.data() + buffer.size();
    const auto result = whole ? std::to_chars(buffer.data(), end, static_cast<std::int64_t>(value))
                              : std::to_chars(buffer.data(), end, value);
    text.push_back(std::isnan(value) ? std::string() : std::string(buffer.data(), result.ptr));
  }
  return text;
}

} // namespace boldmill::store
