#include "stages/anatomy/kernels/checks.hpp"

#include <cmath>
#include <sstream>

#include "stages/core/error.hpp"

namespace boldmill::anatomy {
namespace {

std::string size_text(const Grid& grid) {
  std::ostringstream text;
  text << grid.shape[0] << " x " << grid.shape[1] << " x " << grid.shape[2];
  return text.str();
}

} // namespace

void require_image(const Volume& image, const std::string& what) {
  constexpr int kLeastVoxels = 8;
  constexpr double kLeastMm = 30.0;
  const Eigen::Vector3d spacing = image.grid.spacing_mm();
  for (int axis = 0; axis < 3; ++axis) {
    const int n = image.grid.shape[static_cast<std::size_t>(axis)];
    if (n < kLeastVoxels || !(n * spacing[axis] >= kLeastMm)) {
      throw Error(ErrorKind::input,
                  what + ": found " + size_text(image.grid) +
                      " voxels, expected at least 8 voxels and 30 mm along each axis");
    }
  }
  if (!(image.grid.voxel_volume_mm3() > 1e-6)) {
    throw Error(ErrorKind::input, what + ": the affine is not invertible");
  }
  if (image.data.size() != image.grid.n_voxels()) {
    throw Error(ErrorKind::internal, what + ": the data do not fill the grid");
  }
  std::size_t bad = 0;
  float low = image.data[0];
  float high = image.data[0];
  for (const float value : image.data) {
    bad += std::isfinite(value) ? 0U : 1U;
    low = std::min(low, value);
    high = std::max(high, value);
  }
  if (bad > 0) {
    throw Error(ErrorKind::input, what + ": found " + std::to_string(bad) +
                                      " NaN or infinite voxels, expected finite intensities");
  }
  if (!(high > low)) {
    throw Error(ErrorKind::input,
                what + ": found the constant value " + std::to_string(low) + ", expected an image");
  }
}

void require_mask(const Mask& mask, const Grid& grid, const std::string& what, std::size_t least) {
  if (mask.data.size() != mask.grid.n_voxels() || !mask.grid.same_as(grid, 1e-2)) {
    throw Error(ErrorKind::input, what + ": found a grid of " + size_text(mask.grid) +
                                      " voxels, expected the image's, " + size_text(grid));
  }
  const std::size_t n = count(mask);
  if (n < least) {
    throw Error(ErrorKind::input, what + ": found " + std::to_string(n) +
                                      " voxels, expected at least " + std::to_string(least));
  }
}

} // namespace boldmill::anatomy
