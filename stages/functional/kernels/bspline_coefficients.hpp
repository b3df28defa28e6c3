// Cubic B-spline coefficients with a border of two mirrored voxels, so that no evaluation inside
// the field of view needs a test. The plain version and its oracle: core/interpolate.hpp.
#pragma once

#include <immintrin.h>

#include <Eigen/Core>
#include <array>
#include <cmath>
#include <cstddef>
#include <vector>

namespace boldmill {

class BsplineCoefficients {
public:
  // Interpolating spline of `volume` (prefilter, mirror borders). Non-finite voxels count as 0.
  void interpolate(const float* volume, const std::array<int, 3>& shape);

  // Smoothing: the samples, blurred by a Gaussian (sigma per axis in voxels, 0 none), are taken as
  // coefficients. Evaluating them blurs by the B-spline itself as well (about 0.58 voxel), equally
  // at every offset from the lattice up to aliasing. Non-finite voxels count as 0.
  void smooth(const float* volume, const std::array<int, 3>& shape, const Eigen::Vector3d& sigma);

  [[nodiscard]] const std::array<int, 3>& shape() const { return shape_; }

  // Within half a voxel of the lattice, where evaluation is defined.
  [[nodiscard]] bool inside(float x, float y, float z) const {
    return x >= -0.5F && y >= -0.5F && z >= -0.5F && x <= high_[0] && y <= high_[1] &&
           z <= high_[2];
  }

  // Value at continuous voxel coordinates; the position must be inside().
  [[nodiscard]] float evaluate(float x, float y, float z) const {
    return apply(x, y, z, weights(x - std::floor(x)), weights(y - std::floor(y)),
                 weights(z - std::floor(z)));
  }

  // Derivative along `axis` in value per voxel.
  [[nodiscard]] float slope(int axis, float x, float y, float z) const {
    const float tx = x - std::floor(x);
    const float ty = y - std::floor(y);
    const float tz = z - std::floor(z);
    return apply(x, y, z, axis == 0 ? slope_weights(tx) : weights(tx),
                 axis == 1 ? slope_weights(ty) : weights(ty),
                 axis == 2 ? slope_weights(tz) : weights(tz));
  }

private:
  static constexpr int kPad = 2;

  // The four cubic B-spline weights at fraction t, as polynomials in t.
  [[nodiscard]] static __m128 weights(float t) {
    const __m128 c0 = _mm_setr_ps(1.0F / 6, 4.0F / 6, 1.0F / 6, 0.0F);
    const __m128 c1 = _mm_setr_ps(-0.5F, 0.0F, 0.5F, 0.0F);
    const __m128 c2 = _mm_setr_ps(0.5F, -1.0F, 0.5F, 0.0F);
    const __m128 c3 = _mm_setr_ps(-1.0F / 6, 0.5F, -0.5F, 1.0F / 6);
    const __m128 x = _mm_set1_ps(t);
    return _mm_fmadd_ps(_mm_fmadd_ps(_mm_fmadd_ps(c3, x, c2), x, c1), x, c0);
  }
  [[nodiscard]] static __m128 slope_weights(float t) {
    const __m128 c0 = _mm_setr_ps(-0.5F, 0.0F, 0.5F, 0.0F);
    const __m128 c1 = _mm_setr_ps(1.0F, -2.0F, 1.0F, 0.0F);
    const __m128 c2 = _mm_setr_ps(-0.5F, 1.5F, -1.5F, 0.5F);
    const __m128 x = _mm_set1_ps(t);
    return _mm_fmadd_ps(_mm_fmadd_ps(c2, x, c1), x, c0);
  }
  [[nodiscard]] float apply(float x, float y, float z, __m128 wx, __m128 wy4, __m128 wz4) const {
    const float* p = origin_ + static_cast<std::ptrdiff_t>(std::floor(x)) +
                     row_ * static_cast<std::ptrdiff_t>(std::floor(y)) +
                     plane_ * static_cast<std::ptrdiff_t>(std::floor(z));
    alignas(16) float wy[4];
    alignas(16) float wz[4];
    _mm_store_ps(wy, wy4);
    _mm_store_ps(wz, wz4);
    __m128 sum = _mm_setzero_ps();
    for (std::size_t c = 0; c < 4; ++c) {
      const float* q = p + plane_ * static_cast<std::ptrdiff_t>(c);
      __m128 lines = _mm_mul_ps(_mm_set1_ps(wy[0]), _mm_loadu_ps(q));
      lines = _mm_fmadd_ps(_mm_set1_ps(wy[1]), _mm_loadu_ps(q + row_), lines);
      lines = _mm_fmadd_ps(_mm_set1_ps(wy[2]), _mm_loadu_ps(q + 2 * row_), lines);
      lines = _mm_fmadd_ps(_mm_set1_ps(wy[3]), _mm_loadu_ps(q + 3 * row_), lines);
      sum = _mm_fmadd_ps(_mm_set1_ps(wz[c]), lines, sum);
    }
    return horizontal_sum(_mm_mul_ps(sum, wx));
  }
  [[nodiscard]] static float horizontal_sum(__m128 v) {
    v = _mm_add_ps(v, _mm_movehl_ps(v, v));
    v = _mm_add_ss(v, _mm_shuffle_ps(v, v, 1));
    return _mm_cvtss_f32(v);
  }

  void allocate(const std::array<int, 3>& shape);
  [[nodiscard]] float* line(int j, int k) {
    return data_.data() + kPad + row_ * (j + kPad) + plane_ * (k + kPad);
  }
  void fill_border();

  std::array<int, 3> shape_{0, 0, 0};
  std::array<float, 3> high_{0, 0, 0};
  std::ptrdiff_t row_ = 0;
  std::ptrdiff_t plane_ = 0;
  const float* origin_ = nullptr; // address of the first of four taps for a position in [0, 1)^3
  std::vector<float> data_;
  std::vector<float> work_;
};

} // namespace boldmill
