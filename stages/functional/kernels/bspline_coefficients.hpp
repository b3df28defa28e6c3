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
    const float fx = std::floor(x);
    const float fy = std::floor(y);
    const float fz = std::floor(z);
    const auto offset = static_cast<std::ptrdiff_t>(fx) + row_ * static_cast<std::ptrdiff_t>(fy) +
                        plane_ * static_cast<std::ptrdiff_t>(fz);
    const float* p = origin_ + offset;
    alignas(16) float wy[4];
    alignas(16) float wz[4];
    _mm_store_ps(wy, weights(y - fy));
    _mm_store_ps(wz, weights(z - fz));
    __m128 sum = _mm_setzero_ps();
    for (std::size_t c = 0; c < 4; ++c) {
      const float* q = p + plane_ * static_cast<std::ptrdiff_t>(c);
      __m128 line = _mm_mul_ps(_mm_set1_ps(wy[0]), _mm_loadu_ps(q));
      line = _mm_fmadd_ps(_mm_set1_ps(wy[1]), _mm_loadu_ps(q + row_), line);
      line = _mm_fmadd_ps(_mm_set1_ps(wy[2]), _mm_loadu_ps(q + 2 * row_), line);
      line = _mm_fmadd_ps(_mm_set1_ps(wy[3]), _mm_loadu_ps(q + 3 * row_), line);
      sum = _mm_fmadd_ps(_mm_set1_ps(wz[c]), line, sum);
    }
    return horizontal_sum(_mm_mul_ps(sum, weights(x - fx)));
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
