// Pictures of slices: axial, coronal and sagittal planes through the box of a mask, side by side,
// as bytes. A plane is sampled in millimetres, so voxels of any shape and orientation look right.
// Neurological: left of the picture is the person's left (RAS x grows to the right), a sagittal
// slice looks to the right (the front is on the right). Nothing outside the mask that is given can
// reach a picture: a pixel is shown where the trilinear membership in the mask is 0.5 or more, and
// holds the mean of the mask's voxels alone. Cost O(pixels) and a pass over the mask.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "stages/core/image.hpp"
#include "stages/core/stage_info.hpp"
#include "stages/core/transform.hpp"

namespace boldmill::mosaic {

inline constexpr std::array<std::string_view, 1> kReferences{
    "Esteban 2019, Nat Methods, doi:10.1038/s41592-018-0235-4"};
inline constexpr StageInfo kStage{.name = "mosaic",
                                  .version = 2,
                                  .summary = "slices of an image inside a mask, as bytes",
                                  .references = kReferences};

struct Params {
  int slices = 7;        // of each plane
  double pixel_mm = 1.5; // edge of a pixel
  double rim_mm = 2.0;   // dark border around the box of the mask
  double low_quantile = 0.005;
  double high_quantile = 0.995;
  bool operator==(const Params&) const = default;
};
template <class P, class F>
void for_each_field(P& params, F&& visit) {
  auto& [slices, pixel_mm, rim_mm, low_quantile, high_quantile] = params;
  visit("slices", slices, "", "slices of each plane", Limits::between(1, 50));
  visit("pixel_mm", pixel_mm, "mm", "edge of a pixel", Limits::between(0.1, 20));
  visit("rim_mm", rim_mm, "mm", "border around the box of the mask", Limits::between(0, 100));
  visit("low_quantile", low_quantile, "", "of the voxels in the mask: byte 3",
        Limits::between(0, 1));
  visit("high_quantile", high_quantile, "", "of the voxels in the mask: byte 255",
        Limits::between(0, 1));
}

enum class Plane : std::uint8_t { axial, coronal, sagittal };

struct Tile {
  Plane plane = Plane::axial;
  double position_mm = 0.0; // z, y or x
  int left = 0, top = 0;    // first pixel in the picture
  Grid grid;                // width x height x 1; i to the right, j down
};
struct Layout {
  int width = 0, height = 0; // pixels
  double pixel_mm = 0.0;
  std::vector<Tile> tiles; // a row of each plane, ascending position
};
// Slices evenly spaced through the box. Error{input} when the mask is empty.
[[nodiscard]] Layout layout_of(const Mask& mask, const Params& params);

// height x width bytes or labels, row by row from the top.
using Pixels = std::vector<std::uint8_t>;

struct Picture {
  Pixels pixels; // 0 outside of what is shown, else 3, 7, ... 255
  double low = 0.0, high = 0.0;
};
// Values at or below `low` become 3, at or above `high` 255. Tiles lie in the space of `to_image`.
// The window is that of the finite voxels in `window`, a mask on the grid of the image (it may be
// smaller than what is shown); of more than 65,536 voxels, of every k-th.
struct Source {
  const Volume* image = nullptr;
  const Mask* shown = nullptr;  // on the grid of the image
  const Mask* window = nullptr; // nullptr: shown
};
[[nodiscard]] Picture picture_of(const Source& source, const Layout& layout,
                                 const PointMap& tile_to_image, const Params& params,
                                 const Context& context);

// Membership of each pixel, 0 to 1, by trilinear interpolation; 0 outside the image.
[[nodiscard]] std::vector<float> membership(const Mask& mask, const Layout& layout,
                                            const PointMap& tile_to_mask, const Context& context);
// The same of any image, e.g. a probability.
[[nodiscard]] std::vector<float> sampled(const Volume& image, const Layout& layout,
                                         const PointMap& tile_to_image, const Context& context);
// 1 where a value is 0.5 or more.
[[nodiscard]] Pixels half_or_more(const std::vector<float>& values);
// Keeps pixels that have another label beside, above or below them, or that lie at the border of
// their tile; the others become 0.
[[nodiscard]] Pixels contours(const Pixels& labels, const Layout& layout);

} // namespace boldmill::mosaic
