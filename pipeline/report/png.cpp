#include "pipeline/report/png.hpp"

#include <zlib.h>

#include <algorithm>
#include <cstdlib>
#include <vector>

#include "stages/core/error.hpp"

namespace boldmill::report {
namespace {

enum class Colour : std::uint8_t { grey = 0, palette = 3 };

struct Picture {
  std::span<const std::uint8_t> samples;
  int width = 0;
  int height = 0;
};

void check(const Picture& picture) {
  const bool has_size = picture.width > 0 && picture.height > 0;
  const std::size_t expected =
      has_size ? static_cast<std::size_t>(picture.width) * static_cast<std::size_t>(picture.height)
               : 0;
  if (has_size && picture.samples.size() == expected) return;
  throw Error(ErrorKind::internal, "png: found " + std::to_string(picture.samples.size()) +
                                       " samples, expected " + std::to_string(expected) + " for " +
                                       std::to_string(picture.width) + " x " +
                                       std::to_string(picture.height));
}

void append_number(std::string& out, std::uint32_t value) {
  for (const unsigned shift : {24U, 16U, 8U, 0U}) {
    out += static_cast<char>((value >> shift) & 0xFFU);
  }
}

void append_chunk(std::string& out, std::string_view type, std::string_view data) {
  append_number(out, static_cast<std::uint32_t>(data.size()));
  std::string body(type);
  body += data;
  out += body;
  append_number(out,
                static_cast<std::uint32_t>(crc32(0, reinterpret_cast<const Bytef*>(body.data()),
                                                 static_cast<uInt>(body.size()))));
}

std::uint8_t paeth(int left, int up, int corner) {
  const int estimate = left + up - corner;
  const int to_left = std::abs(estimate - left);
  const int to_up = std::abs(estimate - up);
  const int to_corner = std::abs(estimate - corner);
  if (to_left <= to_up && to_left <= to_corner) return static_cast<std::uint8_t>(left);
  return static_cast<std::uint8_t>(to_up <= to_corner ? up : corner);
}

// One row under filter `kind` of the standard (0 none, 1 sub, 2 up, 3 average, 4 Paeth).
void filter_row(const Picture& picture, std::size_t row, int kind, std::vector<std::uint8_t>& out) {
  const auto bytes = static_cast<std::size_t>(picture.width);
  const std::uint8_t* here = picture.samples.data() + row * bytes;
  const std::uint8_t* above = row == 0 ? nullptr : here - bytes;
  for (std::size_t i = 0; i < bytes; ++i) {
    const bool first = i == 0;
    const int left = first ? 0 : here[i - 1];
    const int up = above == nullptr ? 0 : above[i];
    const int corner = first || above == nullptr ? 0 : above[i - 1];
    const int guess = kind == 1   ? left
                      : kind == 2 ? up
                      : kind == 3 ? (left + up) / 2
                      : kind == 4 ? paeth(left, up, corner)
                                  : 0;
    out[i] = static_cast<std::uint8_t>(here[i] - guess);
  }
}

// The filter with the smallest sum of absolute differences, as the standard advises.
std::string filtered(const Picture& picture, bool choose) {
  const auto bytes = static_cast<std::size_t>(picture.width);
  std::string out;
  std::vector<std::uint8_t> candidate(bytes), best(bytes);
  for (std::size_t row = 0; row < static_cast<std::size_t>(picture.height); ++row) {
    int best_kind = 0;
    long best_cost = -1;
    for (int kind = 0; kind <= (choose ? 4 : 0); ++kind) {
      filter_row(picture, row, kind, candidate);
      long cost = 0;
      for (const std::uint8_t byte : candidate) cost += std::min<int>(byte, 256 - byte);
      if (best_cost >= 0 && cost >= best_cost) continue;
      best_cost = cost;
      best_kind = kind;
      best.swap(candidate);
    }
    out += static_cast<char>(best_kind);
    out.append(best.begin(), best.end());
  }
  return out;
}

std::string compressed(const std::string& bytes) {
  uLongf size = compressBound(static_cast<uLong>(bytes.size()));
  std::string out(size, '\0');
  const int code = compress2(reinterpret_cast<Bytef*>(out.data()), &size,
                             reinterpret_cast<const Bytef*>(bytes.data()),
                             static_cast<uLong>(bytes.size()), Z_DEFAULT_COMPRESSION);
  if (code != Z_OK) {
    throw Error(ErrorKind::internal, "png: zlib failed with code " + std::to_string(code));
  }
  out.resize(size);
  return out;
}

std::string encode(const Picture& picture, Colour colour, std::span<const Rgba> palette) {
  check(picture);
  std::string out("\x89PNG\r\n\x1a\n", 8);
  std::string header;
  append_number(header, static_cast<std::uint32_t>(picture.width));
  append_number(header, static_cast<std::uint32_t>(picture.height));
  header += '\x08'; // bits a sample
  header += static_cast<char>(colour);
  header.append(3, '\0'); // deflate, adaptive filters, not interlaced
  append_chunk(out, "IHDR", header);
  if (!palette.empty()) {
    std::string colours, alpha;
    for (const Rgba& entry : palette) {
      colours.append(entry.begin(), entry.begin() + 3);
      alpha += static_cast<char>(entry[3]);
    }
    append_chunk(out, "PLTE", colours);
    append_chunk(out, "tRNS", alpha);
  }
  append_chunk(out, "IDAT", compressed(filtered(picture, colour != Colour::palette)));
  append_chunk(out, "IEND", "");
  return out;
}

} // namespace

std::string png_gray(std::span<const std::uint8_t> pixels, int width, int height) {
  return encode({pixels, width, height}, Colour::grey, {});
}

std::string png_palette(std::span<const std::uint8_t> labels, int width, int height,
                        std::span<const Rgba> palette) {
  const auto largest = std::max_element(labels.begin(), labels.end());
  const std::size_t needed = largest == labels.end() ? 1 : static_cast<std::size_t>(*largest) + 1;
  if (palette.size() < needed || palette.size() > 256) {
    throw Error(ErrorKind::internal, "png: found " + std::to_string(palette.size()) +
                                         " colours, expected " + std::to_string(needed) +
                                         " to 256");
  }
  return encode({labels, width, height}, Colour::palette, palette);
}

std::string base64(std::string_view bytes) {
  static constexpr std::string_view kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    std::uint32_t group = 0;
    for (std::size_t k = 0; k < 3; ++k) {
      const auto byte = i + k < bytes.size() ? static_cast<std::uint8_t>(bytes[i + k]) : 0U;
      group = group << 8U | byte;
    }
    const std::size_t n_digits = std::min<std::size_t>(3, bytes.size() - i) + 1;
    for (std::size_t k = 0; k < 4; ++k) {
      out += k < n_digits ? kDigits[(group >> (18U - 6U * k)) & 63U] : '=';
    }
  }
  return out;
}

std::string png_data_uri(std::string_view png) { return "data:image/png;base64," + base64(png); }

} // namespace boldmill::report
