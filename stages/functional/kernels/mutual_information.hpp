// Normalised mutual information (H(A) + H(B)) / H(A, B) between fixed points with values and a
// moving volume (Studholme 1999, doi:10.1016/S0031-3203(98)00091-0). Points that fall outside the
// moving volume count as its background, so the number of samples never changes with the pose.
#pragma once

#include <array>
#include <vector>

#include "stages/core/image.hpp"
#include "stages/core/transform.hpp"

namespace boldmill {

class MutualInformation {
public:
  static constexpr int kBins = 32;

  // Points: voxels of `fixed` where `region` is not 0, at most about `max_points` (a regular
  // subset). Intensities are cut at the 0.5 and 99.5 percentiles of the positive values. Throws
  // input when either has no contrast.
  MutualInformation(const Volume& fixed, const Mask& region, const Volume& moving,
                    std::size_t max_points);

  // 1 (independent) to 2. Trilinear; every sample is shared by its two nearest bins of `moving`.
  [[nodiscard]] double operator()(const Affine& fixed_to_moving) const;

  [[nodiscard]] std::size_t n_points() const { return bin_.size(); }

private:
  [[nodiscard]] float moving_at(float x, float y, float z) const;

  Affine moving_from_mm_;
  std::array<int, 3> shape_{0, 0, 0}; // of moving_, which has a border of one background voxel
  std::vector<float> moving_;         // in units of bins, 0 to kBins - 1
  std::vector<float> x_, y_, z_;      // mm of the fixed image about center_
  Eigen::Vector3d center_;
  std::vector<std::uint8_t> bin_;
};

} // namespace boldmill
