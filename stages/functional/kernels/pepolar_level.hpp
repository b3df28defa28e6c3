// One level of the opposite-phase problem: images on one lattice, unknown shift b (mm), a value,
// gradient and Gauss-Newton steps. See fieldmap_pepolar.hpp for the equation; here every image is
// already in the pose of the first, so that a shift is one-dimensional.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "stages/core/image.hpp"
#include "stages/core/stage_info.hpp"

namespace boldmill::pepolar {

// An image and how b moves it.
struct LineImage {
  std::vector<float> values;       // on the level's grid
  std::vector<std::uint8_t> known; // 0: outside the image
  int axis = 1;                    // of the level's grid
  double voxels_per_mm = 1.0;      // of the level's grid, signed
  double gain = 1.0;
};

struct Weights {
  double smoothness = 0.004;
  double barrier = 0.001;
};

struct Fit {
  double value = 0.0;
  int iterations = 0;
  bool converged = false;
};

class Level {
public:
  Level(const Grid& grid, std::vector<LineImage> images, const Weights& weights,
        const Context& context);

  [[nodiscard]] const Grid& grid() const { return grid_; }
  [[nodiscard]] std::size_t n_images() const { return images_.size(); }
  [[nodiscard]] const LineImage& image(std::size_t k) const { return images_[k]; }

  // Infinite when b folds an image.
  [[nodiscard]] double value(const std::vector<float>& b) const;
  [[nodiscard]] std::vector<float> gradient(const std::vector<float>& b);
  // Gauss-Newton from b, in place. Stops when a step gains less than 1e-4 of the value.
  Fit minimise(std::vector<float>& b, int max_iterations);

  // Image k without distortion; NaN where it is not known.
  [[nodiscard]] std::vector<float> undistorted(std::size_t k, const std::vector<float>& b) const;
  // Scales that make the undistorted images agree, geometric mean 1.
  void fit_gains(const std::vector<float>& b);

private:
  // Value and derivative of the model at one voxel: C, dC/db and dC/d(slope of b).
  struct Sample {
    float value = 0.0F;
    float by_shift = 0.0F;
    float by_slope = 0.0F;
    bool known = false;
  };
  // A voxel and its coordinates, carried along instead of divided out.
  struct Site {
    std::size_t v = 0;
    std::array<std::size_t, 3> m{};
  };
  [[nodiscard]] Site site_of(std::size_t v) const;
  void advance(Site& s) const {
    ++s.v;
    if (++s.m[0] < length_[0]) return;
    s.m[0] = 0;
    if (++s.m[1] < length_[1]) return;
    s.m[1] = 0;
    ++s.m[2];
  }
  [[nodiscard]] Sample sample(std::size_t k, const Site& site, const std::vector<float>& b) const;
  [[nodiscard]] float slope(int axis, const Site& s, const float* b) const;
  [[nodiscard]] float roughness(const Site& s, const float* b) const; // of -laplacian b

  // Rows are runs of length_[0] voxels; where one lies on axis 1 or 2.
  [[nodiscard]] std::size_t place_on_axis(std::size_t a, std::size_t row) const {
    return a == 1 ? row % length_[1] : row / length_[1];
  }
  void slope_row(int axis, std::size_t row, const float* b, float* out) const;
  void add_slope_transposed(int axis, std::size_t row, const float* u, float* out) const;
  void add_roughness(std::size_t row, float weight, const float* b, float* out) const;
  void linearise(const std::vector<float>& b);
  void apply(const std::vector<float>& x, std::vector<float>& out);
  [[nodiscard]] std::vector<float> diagonal() const;
  [[nodiscard]] std::vector<float> solve(const std::vector<float>& right);
  void combine(const std::vector<float>& b, std::vector<float>& out) const;

  Grid grid_;
  std::vector<LineImage> images_;
  std::vector<std::vector<float>> coefficients_; // cubic B-spline along each image's axis
  std::vector<int> axes_;                        // distinct phase-encoding axes
  Weights weights_;
  const Context& context_;
  std::array<std::size_t, 3> length_{}, stride_{};
  std::array<float, 3> per_mm2_{};    // 1 / spacing^2
  std::vector<std::size_t> axis_row_; // of each image: 1 + its place in axes_
  // Of the last linearisation, by voxel: what comes back to b itself and to its slope on each axis,
  // and the Gauss-Newton block, upper triangle row by row.
  std::vector<std::vector<float>> at_, blocks_;
};

} // namespace boldmill::pepolar
