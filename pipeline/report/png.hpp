// PNG images and base64 for pages that are one file. 8 bits a sample, no metadata: the same pixels
// give the same bytes with the same zlib. Format: W3C Portable Network Graphics, third edition.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace boldmill::report {

// Row by row from the top: width * height bytes. Error{internal} when the sizes disagree.
[[nodiscard]] std::string png_gray(std::span<const std::uint8_t> pixels, int width, int height);

using Rgba = std::array<std::uint8_t, 4>; // alpha 0 is transparent, 255 opaque
// Each byte is a place in the palette (1 to 256 colours); Error{internal} when one lies beyond it.
[[nodiscard]] std::string png_palette(std::span<const std::uint8_t> labels, int width, int height,
                                      std::span<const Rgba> palette);

[[nodiscard]] std::string base64(std::string_view bytes); // RFC 4648, with padding
// "data:image/png;base64,..." for the src of an <img>.
[[nodiscard]] std::string png_data_uri(std::string_view png);

} // namespace boldmill::report
