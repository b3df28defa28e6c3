#include "stages/anatomy/kernels/local_correlation.hpp"

#include <algorithm>

#include "stages/core/parallel.hpp"

namespace boldmill::anatomy {
namespace {

constexpr std::size_t kGrain = 16384;

// Windowed sums along an axis of n entries of `inner` contiguous values, zeros beyond. `work` holds
// (n + 2 radius) * inner values.
void sum_slab(float* slab, std::size_t n, std::size_t inner, std::size_t radius,
              std::vector<float>& work) {
  const std::size_t size = n * inner;
  const std::size_t pad = radius * inner;
  work.assign(size + 2 * pad, 0.0F);
  std::copy(slab, slab + size, work.data() + pad);
  std::copy(work.data(), work.data() + size, slab);
  for (std::size_t o = 1; o <= 2 * radius; ++o) {
    const float* in = work.data() + o * inner;
    for (std::size_t x = 0; x < size; ++x) slab[x] += in[x];
  }
}

struct Window {
  float alpha, beta, gamma, value;
};

// From the five window sums: the derivative factors of one window.
Window window_factors(const float* s, float inverse_n, float raise, float weight) {
  const float covariance = s[4] - s[0] * s[1] * inverse_n;
  const float variance_a = std::max(0.0F, s[2] - s[0] * s[0] * inverse_n) + raise;
  const float variance_b = std::max(0.0F, s[3] - s[1] * s[1] * inverse_n) + raise;
  const float positive = std::max(covariance, 0.0F);
  const float alpha = 2.0F * weight * positive / (variance_a * variance_b);
  return {alpha, alpha * positive / variance_b, alpha * positive / variance_a,
          0.5F * alpha * positive};
}

} // namespace

void box_sum_in_place(std::vector<float>& data, const std::array<int, 3>& shape, int radius,
                      const Context& context) {
  const auto nx = static_cast<std::size_t>(shape[0]);
  const auto ny = static_cast<std::size_t>(shape[1]);
  const auto nz = static_cast<std::size_t>(shape[2]);
  const auto r = static_cast<std::size_t>(radius);
  parallel_blocks(context, nz, 1, [&](std::size_t k, std::size_t) {
    std::vector<float> work;
    float* slice = data.data() + k * nx * ny;
    for (std::size_t j = 0; j < ny; ++j) sum_slab(slice + j * nx, nx, 1, r, work);
    sum_slab(slice, ny, nx, r, work);
  });
  parallel_blocks(context, ny, 1, [&](std::size_t j, std::size_t) {
    std::vector<float> work(nx * (nz + 2 * r), 0.0F);
    for (std::size_t k = 0; k < nz; ++k) {
      const float* row = data.data() + (k * ny + j) * nx;
      std::copy(row, row + nx, work.data() + (k + r) * nx);
    }
    for (std::size_t k = 0; k < nz; ++k) {
      float* row = data.data() + (k * ny + j) * nx;
      std::copy_n(work.data() + k * nx, nx, row);
      for (std::size_t o = 1; o <= 2 * r; ++o) {
        const float* in = work.data() + (k + o) * nx;
        for (std::size_t i = 0; i < nx; ++i) row[i] += in[i];
      }
    }
  });
}

void local_correlation(const std::vector<float>& a, const std::vector<float>& b,
                       const std::vector<float>& weight, const std::array<int, 3>& shape,
                       int radius, double noise, LocalCorrelation& out, const Context& context) {
  const std::size_t n = a.size();
  const double window = static_cast<double>((2 * radius + 1) * (2 * radius + 1)) * (2 * radius + 1);
  const auto inverse_n = static_cast<float>(1.0 / window);
  const auto raise = static_cast<float>(noise * noise * window);
  std::array<std::vector<float>, 7> s; // first a, b, aa, bb, ab; then the derivative factors
  for (auto& field : s) field.resize(n);
  parallel_blocks(context, n, kGrain, [&](std::size_t begin, std::size_t end) {
    for (std::size_t v = begin; v < end; ++v) {
      s[0][v] = a[v];
      s[1][v] = b[v];
      s[2][v] = a[v] * a[v];
      s[3][v] = b[v] * b[v];
      s[4][v] = a[v] * b[v];
    }
  });
  for (std::size_t f = 0; f < 5; ++f) box_sum_in_place(s[f], shape, radius, context);

  struct Total {
    double value = 0.0, weight = 0.0;
    Total& operator+=(const Total& o) {
      value += o.value;
      weight += o.weight;
      return *this;
    }
  };
  const Total total =
      parallel_sum(context, n, kGrain, Total{}, [&](std::size_t begin, std::size_t end) {
        Total part;
        for (std::size_t v = begin; v < end; ++v) {
          const float w = weight.empty() ? 1.0F : weight[v];
          const float sums[5] = {s[0][v], s[1][v], s[2][v], s[3][v], s[4][v]};
          const Window f = window_factors(sums, inverse_n, raise, w);
          const float mean_a = sums[0] * inverse_n;
          const float mean_b = sums[1] * inverse_n;
          s[0][v] = f.alpha;
          s[1][v] = f.alpha * mean_a;
          s[2][v] = f.alpha * mean_b;
          s[3][v] = f.beta;
          s[4][v] = f.beta * mean_b;
          s[5][v] = f.gamma;
          s[6][v] = f.gamma * mean_a;
          part.value += f.value;
          part.weight += w;
        }
        return part;
      });
  out.value = total.weight > 0.0 ? total.value / total.weight : 0.0;

  // The derivative needs the four differences only: sum before the windows are added up.
  parallel_blocks(context, n, kGrain, [&](std::size_t begin, std::size_t end) {
    for (std::size_t v = begin; v < end; ++v) {
      s[4][v] -= s[1][v]; // beta mean_b - alpha mean_a
      s[6][v] -= s[2][v]; // gamma mean_a - alpha mean_b
    }
  });
  for (const std::size_t f :
       {std::size_t{0}, std::size_t{3}, std::size_t{4}, std::size_t{5}, std::size_t{6}}) {
    box_sum_in_place(s[f], shape, radius, context);
  }
  out.d_a.resize(n);
  out.d_b.resize(n);
  parallel_blocks(context, n, kGrain, [&](std::size_t begin, std::size_t end) {
    for (std::size_t v = begin; v < end; ++v) {
      out.d_a[v] = b[v] * s[0][v] - a[v] * s[5][v] + s[6][v];
      out.d_b[v] = a[v] * s[0][v] - b[v] * s[3][v] + s[4][v];
    }
  });
}

} // namespace boldmill::anatomy
