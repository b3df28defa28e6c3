#include "stages/functional/kernels/bspline_coefficients.hpp"

#include <algorithm>

namespace boldmill {
namespace {

constexpr float kPole = -0.26794919243112270647F; // sqrt(3) - 2
constexpr std::size_t kLanes = 8;                 // lines filtered side by side along x
constexpr int kHorizon = 14;                      // |pole|^14 < 1e-8

int mirror(int index, int n) {
  if (n == 1) return 0;
  const int period = 2 * (n - 1);
  index = std::abs(index) % period;
  return index < n ? index : period - index;
}

// The recursive prefilter on n entries, each of `lanes` contiguous floats, `stride` floats apart:
// causal and anticausal pass, gain 6, mirror borders. `first` is scratch of `lanes` floats.
void prefilter(float* data, int n, std::ptrdiff_t stride, std::size_t lanes, float* first) {
  if (n < 2) return;
  const auto entry = [&](int i) { return data + stride * i; };
  // Start value: sum over the mirrored past; its terms below 1e-8 are left out.
  std::fill(first, first + lanes, 0.0F);
  float power = 1.0F;
  for (int i = 0; i < kHorizon; ++i, power *= kPole) {
    const float* from = entry(mirror(i, n));
    for (std::size_t x = 0; x < lanes; ++x) first[x] += power * from[x];
  }
  float* head = entry(0);
  for (std::size_t x = 0; x < lanes; ++x) head[x] = 6.0F * first[x];
  for (int i = 1; i < n; ++i) {
    float* now = entry(i);
    const float* before = entry(i - 1);
    for (std::size_t x = 0; x < lanes; ++x) now[x] = 6.0F * now[x] + kPole * before[x];
  }
  constexpr float kEnd = kPole / (kPole * kPole - 1.0F);
  float* last = entry(n - 1);
  const float* before_last = entry(n - 2);
  for (std::size_t x = 0; x < lanes; ++x) last[x] = kEnd * (last[x] + kPole * before_last[x]);
  for (int i = n - 2; i >= 0; --i) {
    float* now = entry(i);
    const float* after = entry(i + 1);
    for (std::size_t x = 0; x < lanes; ++x) now[x] = kPole * (after[x] - now[x]);
  }
}

std::vector<float> gaussian(double sigma) {
  const int radius = std::max(1, static_cast<int>(std::ceil(3.5 * sigma)));
  std::vector<float> kernel(static_cast<std::size_t>(radius) + 1);
  double sum = 0.0;
  for (int i = 0; i <= radius; ++i) {
    sum += (i == 0 ? 1.0 : 2.0) * std::exp(-0.5 * i * i / (sigma * sigma));
  }
  for (int i = 0; i <= radius; ++i) {
    kernel[static_cast<std::size_t>(i)] =
        static_cast<float>(std::exp(-0.5 * i * i / (sigma * sigma)) / sum);
  }
  return kernel;
}

// Symmetric convolution of n entries of `lanes` floats; mirrored ends. `work` holds the copy.
void convolve(float* data, int n, std::ptrdiff_t stride, std::size_t lanes,
              const std::vector<float>& kernel, float* work) {
  for (int i = 0; i < n; ++i) {
    std::copy(data + stride * i, data + stride * i + lanes,
              work + lanes * static_cast<std::size_t>(i));
  }
  const auto source = [&](int i) { return work + lanes * static_cast<std::size_t>(mirror(i, n)); };
  const int radius = static_cast<int>(kernel.size()) - 1;
  for (int i = 0; i < n; ++i) {
    float* out = data + stride * i;
    const float* centre = source(i);
    for (std::size_t x = 0; x < lanes; ++x) out[x] = kernel[0] * centre[x];
    for (int o = 1; o <= radius; ++o) {
      const float w = kernel[static_cast<std::size_t>(o)];
      const float* left = source(i - o);
      const float* right = source(i + o);
      for (std::size_t x = 0; x < lanes; ++x) out[x] += w * (left[x] + right[x]);
    }
  }
}

// Copies `count` rows of n floats, `stride` apart, into a block of kLanes side by side, and back.
void gather(const float* rows, std::ptrdiff_t stride, int n, std::size_t count, float* block) {
  for (std::size_t l = 0; l < count; ++l) {
    const float* row = rows + stride * static_cast<std::ptrdiff_t>(l);
    for (int i = 0; i < n; ++i) block[static_cast<std::size_t>(i) * kLanes + l] = row[i];
  }
}
void scatter(const float* block, std::ptrdiff_t stride, int n, std::size_t count, float* rows) {
  for (std::size_t l = 0; l < count; ++l) {
    float* row = rows + stride * static_cast<std::ptrdiff_t>(l);
    for (int i = 0; i < n; ++i) row[i] = block[static_cast<std::size_t>(i) * kLanes + l];
  }
}

} // namespace

void BsplineCoefficients::allocate(const std::array<int, 3>& shape) {
  row_ = shape[0] + 2 * kPad;
  plane_ = row_ * (shape[1] + 2 * kPad);
  const auto size = static_cast<std::size_t>(plane_ * (shape[2] + 2 * kPad));
  if (shape_ != shape || data_.size() != size) data_.assign(size, 0.0F);
  shape_ = shape;
  for (std::size_t a = 0; a < 3; ++a) high_[a] = static_cast<float>(shape[a]) - 0.5F;
  origin_ = data_.data() + (kPad - 1) * (1 + row_ + plane_);
  const auto nx = static_cast<std::size_t>(shape[0]);
  const auto longest = static_cast<std::size_t>(std::max(shape[1], shape[2]));
  work_.resize(std::max(2 * (nx + 1) * kLanes, nx * (longest + 1)));
}

void BsplineCoefficients::fill_border() {
  const auto [nx, ny, nz] = shape_;
  const auto nx_wide = static_cast<std::size_t>(row_);
  for (int k = 0; k < nz; ++k) {
    for (int j = 0; j < ny; ++j) {
      float* row = line(j, k);
      for (int p = 1; p <= kPad; ++p) {
        row[-p] = row[mirror(-p, nx)];
        row[nx - 1 + p] = row[mirror(nx - 1 + p, nx)];
      }
    }
    for (int p = 1; p <= kPad; ++p) {
      const float* low = line(mirror(-p, ny), k) - kPad;
      std::copy(low, low + nx_wide, line(-p, k) - kPad);
      const float* high = line(mirror(ny - 1 + p, ny), k) - kPad;
      std::copy(high, high + nx_wide, line(ny - 1 + p, k) - kPad);
    }
  }
  for (int p = 1; p <= kPad; ++p) {
    const auto plane_size = static_cast<std::size_t>(plane_);
    const float* low = line(-kPad, mirror(-p, nz)) - kPad;
    std::copy(low, low + plane_size, line(-kPad, -p) - kPad);
    const float* high = line(-kPad, mirror(nz - 1 + p, nz)) - kPad;
    std::copy(high, high + plane_size, line(-kPad, nz - 1 + p) - kPad);
  }
}

void BsplineCoefficients::interpolate(const float* volume, const std::array<int, 3>& shape) {
  allocate(shape);
  const auto [nx, ny, nz] = shape;
  const auto lanes = static_cast<std::size_t>(nx);
  float* block = work_.data();
  float* first = block + lanes * kLanes;
  for (int k = 0; k < nz; ++k) {
    for (int j = 0; j < ny; ++j, volume += nx) {
      float* row = line(j, k);
      for (int i = 0; i < nx; ++i) row[i] = std::isfinite(volume[i]) ? volume[i] : 0.0F;
    }
    for (int j = 0; j < ny; j += static_cast<int>(kLanes)) {
      const std::size_t count = std::min(kLanes, static_cast<std::size_t>(ny - j));
      gather(line(j, k), row_, nx, count, block);
      prefilter(block, nx, kLanes, kLanes, first);
      scatter(block, row_, nx, count, line(j, k));
    }
    prefilter(line(0, k), ny, row_, lanes, work_.data());
  }
  for (int j = 0; j < ny; ++j) prefilter(line(j, 0), nz, plane_, lanes, work_.data());
  fill_border();
}

void BsplineCoefficients::smooth(const float* volume, const std::array<int, 3>& shape,
                                 const Eigen::Vector3d& sigma) {
  allocate(shape);
  const auto [nx, ny, nz] = shape;
  const auto lanes = static_cast<std::size_t>(nx);
  float* block = work_.data();
  const auto kernel = [&](int axis, int n) {
    return sigma[axis] > 0.0 && n > 1 ? gaussian(sigma[axis]) : std::vector<float>{};
  };
  const auto kx = kernel(0, nx);
  const auto ky = kernel(1, ny);
  const auto kz = kernel(2, nz);
  for (int k = 0; k < nz; ++k) {
    for (int j = 0; j < ny; ++j, volume += nx) {
      float* row = line(j, k);
      for (int i = 0; i < nx; ++i) row[i] = std::isfinite(volume[i]) ? volume[i] : 0.0F;
    }
    for (int j = 0; !kx.empty() && j < ny; j += static_cast<int>(kLanes)) {
      const std::size_t count = std::min(kLanes, static_cast<std::size_t>(ny - j));
      gather(line(j, k), row_, nx, count, block);
      convolve(block, nx, kLanes, kLanes, kx, block + lanes * kLanes);
      scatter(block, row_, nx, count, line(j, k));
    }
    if (!ky.empty()) convolve(line(0, k), ny, row_, lanes, ky, work_.data());
  }
  for (int j = 0; !kz.empty() && j < ny; ++j) {
    convolve(line(j, 0), nz, plane_, lanes, kz, work_.data());
  }
  fill_border();
}

} // namespace boldmill
