#include "stages/figures/mosaic.hpp"

#include <algorithm>
#include <cmath>

#include "stages/core/interpolate.hpp"
#include "stages/core/statistics.hpp"

namespace boldmill::mosaic {
namespace {

constexpr int kGap = 2; // dark pixels between tiles
constexpr std::size_t kMostForWindow = std::size_t{1} << 16U;

struct Box {
  Eigen::Vector3d low = Eigen::Vector3d::Constant(1e30);
  Eigen::Vector3d high = Eigen::Vector3d::Constant(-1e30);
};

Box box_of(const Mask& mask) {
  Box box;
  const auto& shape = mask.grid.shape;
  std::size_t at = 0;
  for (int k = 0; k < shape[2]; ++k) {
    for (int j = 0; j < shape[1]; ++j) {
      for (int i = 0; i < shape[0]; ++i, ++at) {
        if (mask.data[at] == 0) continue;
        const Eigen::Vector3d mm = mask.grid.to_mm(Eigen::Vector3d(i, j, k));
        box.low = box.low.cwiseMin(mm);
        box.high = box.high.cwiseMax(mm);
      }
    }
  }
  if (box.high.x() < box.low.x()) {
    throw Error(ErrorKind::input, "mosaic: the mask is empty, expected at least one voxel");
  }
  return box;
}

// Which axis of space a tile's columns, rows and normal run along, and which way.
struct Axes {
  int right, down, normal;
  double sign_right, sign_down;
};
constexpr Axes axes_of(Plane plane) {
  switch (plane) {
  case Plane::axial: return {0, 1, 2, 1.0, -1.0}; // the front is up
  case Plane::coronal: return {0, 2, 1, 1.0, -1.0};
  case Plane::sagittal: break;
  }
  return {1, 2, 0, 1.0, -1.0};
}

Grid tile_grid(Plane plane, const Box& box, double position_mm, double pixel_mm) {
  const Axes axes = axes_of(plane);
  const auto pixels = [&](int axis) {
    return static_cast<int>(std::ceil((box.high[axis] - box.low[axis]) / pixel_mm)) + 1;
  };
  Grid grid;
  grid.shape = {pixels(axes.right), pixels(axes.down), 1};
  grid.affine.setZero();
  grid.affine(axes.right, 0) = axes.sign_right * pixel_mm;
  grid.affine(axes.down, 1) = axes.sign_down * pixel_mm;
  grid.affine(axes.normal, 2) = pixel_mm;
  grid.affine(3, 3) = 1.0;
  // The box stands in the middle of its pixels.
  const Eigen::Vector3d middle = 0.5 * (box.low + box.high);
  grid.affine(axes.right, 3) =
      middle[axes.right] - axes.sign_right * pixel_mm * 0.5 * (grid.shape[0] - 1);
  grid.affine(axes.down, 3) =
      middle[axes.down] - axes.sign_down * pixel_mm * 0.5 * (grid.shape[1] - 1);
  grid.affine(axes.normal, 3) = position_mm;
  return grid;
}

// body(place in the picture, point in mm of the tiles' space), for every pixel of every tile.
template <class Body>
void for_each_pixel(const Layout& layout, const Context& context, Body&& body) {
  for (const Tile& tile : layout.tiles) {
    context.check_stop();
    for (int j = 0; j < tile.grid.shape[1]; ++j) {
      for (int i = 0; i < tile.grid.shape[0]; ++i) {
        const auto place =
            static_cast<std::size_t>(tile.top + j) * static_cast<std::size_t>(layout.width) +
            static_cast<std::size_t>(tile.left + i);
        body(place, tile.grid.to_mm(Eigen::Vector3d(i, j, 0)));
      }
    }
  }
}

std::size_t n_pixels(const Layout& layout) {
  return static_cast<std::size_t>(layout.width) * static_cast<std::size_t>(layout.height);
}

struct Sum {
  double weight = 0.0, value = 0.0;
};

// Trilinear weights of the voxels in the mask around a position, and of `values` (nullptr: ones).
Sum around(const Mask& mask, const float* values, const Eigen::Vector3d& voxel) {
  const Grid& grid = mask.grid;
  const int i0 = static_cast<int>(std::floor(voxel.x()));
  const int j0 = static_cast<int>(std::floor(voxel.y()));
  const int k0 = static_cast<int>(std::floor(voxel.z()));
  Sum sum;
  for (int corner = 0; corner < 8; ++corner) {
    const int i = i0 + (corner & 1);
    const int j = j0 + ((corner >> 1) & 1);
    const int k = k0 + (corner >> 2);
    if (!grid.contains(i, j, k)) continue;
    const std::size_t at = grid.index(i, j, k);
    const float value = values == nullptr ? 1.0F : values[at];
    if (mask.data[at] == 0 || !std::isfinite(value)) continue;
    const double weight = (1.0 - std::abs(voxel.x() - i)) * (1.0 - std::abs(voxel.y() - j)) *
                          (1.0 - std::abs(voxel.z() - k));
    sum.weight += weight;
    sum.value += weight * static_cast<double>(value);
  }
  return sum;
}

Eigen::Vector3d apply(const Affine& affine, const Eigen::Vector3d& point) {
  return affine.topLeftCorner<3, 3>() * point + affine.topRightCorner<3, 1>();
}

void check_grids(const Source& source) {
  const std::size_t n = source.image->data.size();
  const bool fits = source.shown->data.size() == n &&
                    (source.window == nullptr || source.window->data.size() == n);
  if (!fits) {
    throw Error(ErrorKind::internal, "mosaic: the mask has another grid than the image");
  }
}

// Values of the window's voxels: of every k-th, in the order of the image, so that there are no
// more than kMostForWindow and less than twice as few.
std::vector<double> window_sample(const Source& source) {
  const Mask& window = source.window == nullptr ? *source.shown : *source.window;
  const std::size_t every = (count(window) + kMostForWindow - 1) / kMostForWindow;
  std::vector<double> inside;
  inside.reserve(kMostForWindow);
  std::size_t left = 0;
  for (std::size_t v = 0; v < window.data.size(); ++v) {
    if (window.data[v] == 0) continue;
    if (left > 0) {
      --left;
      continue;
    }
    left = every - 1;
    const float value = source.image->data[v];
    if (source.shown->data[v] != 0 && std::isfinite(value)) {
      inside.push_back(static_cast<double>(value));
    }
  }
  return inside;
}

} // namespace

Layout layout_of(const Mask& mask, const Params& params) {
  const Box tight = box_of(mask);
  Box box = tight;
  box.low.array() -= params.rim_mm;
  box.high.array() += params.rim_mm;
  Layout layout;
  layout.pixel_mm = params.pixel_mm;
  for (const Plane plane : {Plane::axial, Plane::coronal, Plane::sagittal}) {
    const int normal = axes_of(plane).normal;
    int left = 0;
    int height = 0;
    for (int s = 0; s < params.slices; ++s) {
      const double share = (s + 1.0) / (params.slices + 1.0);
      const double position = tight.low[normal] + share * (tight.high[normal] - tight.low[normal]);
      Tile tile{plane, position, left, layout.height,
                tile_grid(plane, box, position, params.pixel_mm)};
      left += tile.grid.shape[0] + kGap;
      height = tile.grid.shape[1];
      layout.tiles.push_back(std::move(tile));
    }
    layout.width = std::max(layout.width, left - kGap);
    layout.height += height + (plane == Plane::sagittal ? 0 : kGap);
  }
  for (Tile& tile : layout.tiles) { // rows in the middle
    const int used = params.slices * (tile.grid.shape[0] + kGap) - kGap;
    tile.left += (layout.width - used) / 2;
  }
  return layout;
}

Picture picture_of(const Source& source, const Layout& layout, const PointMap& tile_to_image,
                   const Params& params, const Context& context) {
  check_grids(source);
  Picture out;
  std::vector<double> inside = window_sample(source);
  out.pixels.assign(n_pixels(layout), 0);
  if (inside.empty()) return out;
  out.low = quantile(inside, params.low_quantile);
  out.high = quantile(std::move(inside), params.high_quantile);
  const double range = out.high - out.low;
  const Affine to_voxel = source.shown->grid.affine.inverse();
  for_each_pixel(layout, context, [&](std::size_t place, const Eigen::Vector3d& mm) {
    const Sum sum =
        around(*source.shown, source.image->data.data(), apply(to_voxel, tile_to_image(mm)));
    if (sum.weight < 0.5) return;
    const double share = range > 0.0 ? (sum.value / sum.weight - out.low) / range : 0.5;
    // 64 greys: the eye sees no more in a slice, and noise in the last bits does not compress.
    out.pixels[place] =
        static_cast<std::uint8_t>(3 + 4 * std::lround(63.0 * std::clamp(share, 0.0, 1.0)));
  });
  return out;
}

std::vector<float> membership(const Mask& mask, const Layout& layout, const PointMap& tile_to_mask,
                              const Context& context) {
  std::vector<float> out(n_pixels(layout), 0.0F);
  const Affine to_voxel = mask.grid.affine.inverse();
  for_each_pixel(layout, context, [&](std::size_t place, const Eigen::Vector3d& mm) {
    out[place] =
        static_cast<float>(around(mask, nullptr, apply(to_voxel, tile_to_mask(mm))).weight);
  });
  return out;
}

std::vector<float> sampled(const Volume& image, const Layout& layout, const PointMap& tile_to_image,
                           const Context& context) {
  std::vector<float> out(n_pixels(layout), 0.0F);
  const Affine to_voxel = image.grid.affine.inverse();
  for_each_pixel(layout, context, [&](std::size_t place, const Eigen::Vector3d& mm) {
    const Eigen::Vector3d at = apply(to_voxel, tile_to_image(mm));
    out[place] = sample_linear(image.data.data(), image.grid.shape, at.x(), at.y(), at.z());
  });
  return out;
}

Pixels half_or_more(const std::vector<float>& values) {
  Pixels out(values.size());
  std::transform(values.begin(), values.end(), out.begin(),
                 [](float value) { return static_cast<std::uint8_t>(value >= 0.5F ? 1 : 0); });
  return out;
}

Pixels contours(const Pixels& labels, const Layout& layout) {
  Pixels out(labels.size(), 0);
  const auto width = static_cast<std::size_t>(layout.width);
  for (const Tile& tile : layout.tiles) {
    const int columns = tile.grid.shape[0];
    const int rows = tile.grid.shape[1];
    for (int j = 0; j < rows; ++j) {
      for (int i = 0; i < columns; ++i) {
        const std::size_t at = static_cast<std::size_t>(tile.top + j) * width +
                               static_cast<std::size_t>(tile.left + i);
        const std::uint8_t label = labels[at];
        if (label == 0) continue;
        const bool border = i == 0 || j == 0 || i == columns - 1 || j == rows - 1;
        if (border || labels[at - 1] != label || labels[at + 1] != label ||
            labels[at - width] != label || labels[at + width] != label) {
          out[at] = label;
        }
      }
    }
  }
  return out;
}

} // namespace boldmill::mosaic
