// The encoder against libpng, and base64 against the vectors of RFC 4648.
#include "pipeline/report/png.hpp"

#include <gtest/gtest.h>
#include <png.h>

#include <vector>

#include "stages/core/error.hpp"

namespace boldmill::report {
namespace {

// Decoded by libpng as red, green, blue, alpha; empty when it refuses the bytes.
std::vector<std::uint8_t> decoded(const std::string& bytes, unsigned& width, unsigned& height) {
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  if (png_image_begin_read_from_memory(&image, bytes.data(), bytes.size()) == 0) return {};
  image.format = PNG_FORMAT_RGBA;
  std::vector<std::uint8_t> out(PNG_IMAGE_SIZE(image));
  if (png_image_finish_read(&image, nullptr, out.data(), 0, nullptr) == 0) return {};
  width = image.width;
  height = image.height;
  return out;
}

// A ramp, a flat part and something like noise, so that every filter is the best of some row.
std::vector<std::uint8_t> pattern(std::size_t n) {
  std::vector<std::uint8_t> pixels(n);
  unsigned state = 1;
  for (std::size_t i = 0; i < n; ++i) {
    state = state * 1664525U + 1013904223U;
    pixels[i] = static_cast<std::uint8_t>(i < n / 3 ? i * 3 : i < 2 * n / 3 ? 77 : state >> 24U);
  }
  return pixels;
}

TEST(Png, GreyPixelsComeBack) {
  const auto pixels = pattern(37 * 23);
  unsigned width = 0, height = 0;
  const auto found = decoded(png_gray(pixels, 37, 23), width, height);
  ASSERT_EQ(found.size(), pixels.size() * 4);
  EXPECT_EQ(width, 37U);
  EXPECT_EQ(height, 23U);
  for (std::size_t i = 0; i < pixels.size(); ++i) {
    EXPECT_EQ(found[4 * i], pixels[i]);
    EXPECT_EQ(found[4 * i + 2], pixels[i]);
    EXPECT_EQ(found[4 * i + 3], 255);
  }
}

TEST(Png, PaletteHasItsTransparency) {
  const std::vector<std::uint8_t> labels{0, 1, 2, 2, 0, 1};
  const std::vector<Rgba> palette{{9, 9, 9, 0}, {255, 0, 10, 255}, {0, 128, 255, 200}};
  unsigned width = 0, height = 0;
  const auto found = decoded(png_palette(labels, 3, 2, palette), width, height);
  ASSERT_EQ(found.size(), 24U);
  EXPECT_EQ(found[3], 0);
  for (std::size_t i = 0; i < labels.size(); ++i) {
    for (std::size_t k = 0; k < 4; ++k) EXPECT_EQ(found[4 * i + k], palette[labels[i]][k]);
  }
}

TEST(Png, WrongSizesAndColoursAreRefused) {
  const std::vector<std::uint8_t> six{0, 1, 2, 3, 4, 5};
  const std::vector<Rgba> two{{0, 0, 0, 0}, {1, 1, 1, 1}};
  EXPECT_THROW((void)png_gray(six, 2, 2), Error);
  EXPECT_THROW((void)png_gray({}, 0, 0), Error);
  EXPECT_THROW((void)png_palette(six, 3, 2, two), Error);
}

TEST(Base64, IsThatOfRfc4648) {
  EXPECT_EQ(base64(""), "");
  EXPECT_EQ(base64("f"), "Zg==");
  EXPECT_EQ(base64("fo"), "Zm8=");
  EXPECT_EQ(base64("foo"), "Zm9v");
  EXPECT_EQ(base64("foobar"), "Zm9vYmFy");
  EXPECT_EQ(base64("\xff\xfe\xfd"), "//79");
}

} // namespace
} // namespace boldmill::report
