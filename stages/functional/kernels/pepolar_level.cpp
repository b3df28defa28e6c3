#include "stages/functional/kernels/pepolar_level.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "stages/core/parallel.hpp"

namespace boldmill::pepolar {
namespace {

constexpr std::size_t kBlock = 4096;
constexpr std::size_t kRows = 64;
constexpr std::size_t kMaxImages = 16;
constexpr int kMaxSolverSteps = 60;
constexpr double kSolverTolerance = 0.03;
constexpr double kSteepest = 0.95; // largest slope of a shift, voxels per voxel
constexpr double kConverged = 1e-4;

// Interpolating cubic B-spline along one axis, mirror borders, in place (Unser 1999).
void prefilter_lines(std::vector<float>& data, std::size_t n, std::size_t stride,
                     const Context& context) {
  if (n < 2) return;
  constexpr float kPole = -0.26794919243112270F;
  const std::size_t lines = data.size() / n;
  parallel_blocks(context, lines, 64, [&](std::size_t begin, std::size_t end) {
    for (std::size_t line = begin; line < end; ++line) {
      float* c = data.data() + line / stride * stride * n + line % stride;
      float first = 0.0F;
      float power = 1.0F;
      for (std::size_t m = 0; m < std::min<std::size_t>(n, 14); ++m, power *= kPole) {
        first += power * c[m * stride];
      }
      c[0] = first;
      for (std::size_t m = 1; m < n; ++m) c[m * stride] += kPole * c[(m - 1) * stride];
      c[(n - 1) * stride] =
          kPole / (kPole * kPole - 1.0F) * (c[(n - 1) * stride] + kPole * c[(n - 2) * stride]);
      for (std::size_t m = n - 1; m-- > 0;) {
        c[m * stride] = kPole * (c[(m + 1) * stride] - c[m * stride]);
      }
      for (std::size_t m = 0; m < n; ++m) c[m * stride] *= 6.0F;
    }
  });
}

std::size_t mirrored(std::ptrdiff_t m, std::ptrdiff_t n) {
  if (n == 1) return 0;
  if (m < 0) m = -m;
  if (m >= n) m = 2 * (n - 1) - m;
  return static_cast<std::size_t>(std::clamp<std::ptrdiff_t>(m, 0, n - 1));
}

// Keeps every image's map one to one: grows without bound at a slope of 1.
double barrier(double z) { return z * z * z * z / (1.0 - z * z); }
double barrier_slope(double z) {
  const double d = 1.0 - z * z;
  return (4.0 * z * z * z - 2.0 * z * z * z * z * z) / (d * d);
}
double barrier_curvature(double z) {
  const double z2 = z * z;
  const double d = 1.0 - z2;
  return (12.0 * z2 - 6.0 * z2 * z2 + 2.0 * z2 * z2 * z2) / (d * d * d);
}

double dot(const std::vector<float>& a, const std::vector<float>& b, const Context& context) {
  return parallel_sum(context, a.size(), kBlock, 0.0, [&](std::size_t begin, std::size_t end) {
    double sum = 0.0;
    for (std::size_t v = begin; v < end; ++v) {
      sum += static_cast<double>(a[v]) * static_cast<double>(b[v]);
    }
    return sum;
  });
}

} // namespace

Level::Level(const Grid& grid, std::vector<LineImage> images, const Weights& weights,
             const Context& context)
    : grid_(grid), images_(std::move(images)), weights_(weights), context_(context) {
  if (images_.empty() || images_.size() > kMaxImages) {
    throw Error(ErrorKind::internal, "pepolar level: found " + std::to_string(images_.size()) +
                                         " images, expected 1 to 16");
  }
  const Eigen::Vector3d spacing = grid_.spacing_mm();
  std::size_t stride = 1;
  for (std::size_t a = 0; a < 3; ++a) {
    length_[a] = static_cast<std::size_t>(grid_.shape[a]);
    stride_[a] = stride;
    stride *= length_[a];
    const double h = spacing[static_cast<Eigen::Index>(a)];
    per_mm2_[a] = static_cast<float>(1.0 / (h * h));
  }
  for (const LineImage& image : images_) {
    coefficients_.push_back(image.values);
    const auto a = static_cast<std::size_t>(image.axis);
    prefilter_lines(coefficients_.back(), length_[a], stride_[a], context_);
    if (std::find(axes_.begin(), axes_.end(), image.axis) == axes_.end()) {
      axes_.push_back(image.axis);
    }
  }
  const std::size_t n = grid_.n_voxels();
  for (const LineImage& image : images_) {
    axis_row_.push_back(static_cast<std::size_t>(
        1 + std::find(axes_.begin(), axes_.end(), image.axis) - axes_.begin()));
  }
  const std::size_t n_rows = axes_.size() + 1;
  at_.assign(n_rows, std::vector<float>(n));
  blocks_.assign(n_rows * (n_rows + 1) / 2, std::vector<float>(n));
}

Level::Site Level::site_of(std::size_t v) const {
  return {v, {v % length_[0], v / stride_[1] % length_[1], v / stride_[2]}};
}

float Level::slope(int axis, const Site& s, const float* b) const {
  const auto a = static_cast<std::size_t>(axis);
  const std::size_t v = s.v;
  const std::size_t m = s.m[a];
  const std::size_t low = m > 0 ? v - stride_[a] : v;
  const std::size_t high = m + 1 < length_[a] ? v + stride_[a] : v;
  return 0.5F * (b[high] - b[low]);
}

float Level::roughness(const Site& s, const float* b) const {
  const std::size_t v = s.v;
  float sum = 0.0F;
  for (std::size_t a = 0; a < 3; ++a) {
    const std::size_t m = s.m[a];
    float change = 0.0F;
    if (m > 0) change += b[v] - b[v - stride_[a]];
    if (m + 1 < length_[a]) change += b[v] - b[v + stride_[a]];
    sum += per_mm2_[a] * change;
  }
  return sum;
}

Level::Sample Level::sample(std::size_t k, const Site& site, const std::vector<float>& b) const {
  const std::size_t v = site.v;
  const LineImage& image = images_[k];
  const auto a = static_cast<std::size_t>(image.axis);
  const auto n = static_cast<std::ptrdiff_t>(length_[a]);
  const std::size_t m = site.m[a];
  const auto scale = static_cast<float>(image.voxels_per_mm);
  const float x = static_cast<float>(m) + scale * b[v];
  Sample s;
  if (!(x >= -0.5F && x <= static_cast<float>(n) - 0.5F)) return s;
  const float floor_x = std::floor(x);
  const float t = x - floor_x;
  const auto base = static_cast<std::ptrdiff_t>(floor_x);
  const std::size_t first = v - m * stride_[a];
  const auto nearest = mirrored(static_cast<std::ptrdiff_t>(std::lround(x)), n);
  s.known = image.known[first + nearest * stride_[a]] != 0;
  if (!s.known) return s;
  const float u = 1.0F - t;
  const float w[4] = {u * u * u / 6.0F, (4.0F - 3.0F * t * t * (2.0F - t)) / 6.0F,
                      (4.0F - 3.0F * u * u * (2.0F - u)) / 6.0F, t * t * t / 6.0F};
  const float d[4] = {-0.5F * u * u, 0.5F * t * (3.0F * t - 4.0F), -0.5F * u * (3.0F * u - 4.0F),
                      0.5F * t * t};
  float value = 0.0F;
  float derivative = 0.0F;
  for (std::ptrdiff_t tap = 0; tap < 4; ++tap) {
    const float c = coefficients_[k][first + mirrored(base - 1 + tap, n) * stride_[a]];
    value += w[tap] * c;
    derivative += d[tap] * c;
  }
  const auto gain = static_cast<float>(image.gain);
  const float factor = 1.0F + scale * slope(image.axis, site, b.data());
  s.value = gain * value * factor;
  s.by_shift = gain * scale * derivative * factor;
  s.by_slope = gain * scale * value;
  return s;
}

double Level::value(const std::vector<float>& b) const {
  return parallel_sum(context_, b.size(), kBlock, 0.0, [&](std::size_t begin, std::size_t end) {
    double sum = 0.0;
    for (Site site = site_of(begin); site.v < end; advance(site)) {
      const std::size_t v = site.v;
      double total = 0.0;
      double squares = 0.0;
      int n = 0;
      for (std::size_t k = 0; k < images_.size(); ++k) {
        const double z =
            images_[k].voxels_per_mm * static_cast<double>(slope(images_[k].axis, site, b.data()));
        if (!(std::abs(z) < kSteepest)) return std::numeric_limits<double>::infinity();
        sum += weights_.barrier * barrier(z);
        const Sample s = sample(k, site, b);
        if (!s.known) continue;
        total += static_cast<double>(s.value);
        squares += static_cast<double>(s.value) * static_cast<double>(s.value);
        ++n;
      }
      if (n > 1) sum += 0.5 * std::max(0.0, squares - total * total / n);
      sum += 0.5 * weights_.smoothness * static_cast<double>(b[v] * roughness(site, b.data()));
    }
    return sum;
  });
}

// Residual products and the Gauss-Newton blocks at b. With q(x) = (x, slope of x along each axis)
// at a voxel, image k changes by d_k . q, d_k = (by_shift, by_slope on its axis), and the model by
// what is left of that without the mean over images: q' (sum_k d_k d_k' - sum_k d_k sum_k d_k' / n)
// q.
void Level::linearise(const std::vector<float>& b) {
  const std::size_t n_images = std::min(images_.size(), kMaxImages);
  const std::size_t n_axes = axes_.size();
  parallel_blocks(context_, b.size(), kBlock, [&](std::size_t begin, std::size_t end) {
    std::array<Sample, kMaxImages> samples;
    for (Site site = site_of(begin); site.v < end; advance(site)) {
      const std::size_t v = site.v;
      double mean = 0.0;
      int n = 0;
      for (std::size_t k = 0; k < n_images; ++k) {
        samples[k] = sample(k, site, b);
        if (!samples[k].known) continue;
        mean += static_cast<double>(samples[k].value);
        ++n;
      }
      mean /= std::max(n, 1);
      Eigen::Vector4d first = Eigen::Vector4d::Zero();
      Eigen::Vector4d sum = Eigen::Vector4d::Zero();
      Eigen::Matrix4d block = Eigen::Matrix4d::Zero();
      for (std::size_t k = 0; k < n_images; ++k) {
        const auto row = static_cast<Eigen::Index>(axis_row_[k]);
        const double c = images_[k].voxels_per_mm;
        const double z = c * static_cast<double>(slope(images_[k].axis, site, b.data()));
        first[row] += weights_.barrier * c * barrier_slope(z);
        block(row, row) += weights_.barrier * c * c * barrier_curvature(z);
        const Sample& s = samples[k];
        if (!s.known || n < 2) continue;
        Eigen::Vector4d d = Eigen::Vector4d::Zero();
        d[0] = static_cast<double>(s.by_shift);
        d[row] = static_cast<double>(s.by_slope);
        first += d * (static_cast<double>(s.value) - mean);
        sum += d;
        block += d * d.transpose();
      }
      block -= sum * sum.transpose() / std::max(n, 1);
      std::size_t entry = 0;
      for (std::size_t i = 0; i <= n_axes; ++i) {
        at_[i][v] = static_cast<float>(first[static_cast<Eigen::Index>(i)]);
        for (std::size_t j = i; j <= n_axes; ++j, ++entry) {
          blocks_[entry][v] =
              static_cast<float>(block(static_cast<Eigen::Index>(i), static_cast<Eigen::Index>(j)));
        }
      }
    }
  });
}

// Central differences along an axis, one-sided halves at the ends, of the lattice row that starts
// at v; out has length_[0] values.
void Level::slope_row(int axis, std::size_t row, const float* b, float* out) const {
  const auto a = static_cast<std::size_t>(axis);
  const std::size_t n = length_[0];
  const float* at = b + row * n;
  if (a == 0) {
    for (std::size_t i = 1; i + 1 < n; ++i) out[i] = 0.5F * (at[i + 1] - at[i - 1]);
    out[0] = 0.5F * (at[std::min<std::size_t>(1, n - 1)] - at[0]);
    out[n - 1] = n > 1 ? 0.5F * (at[n - 1] - at[n - 2]) : 0.0F;
    return;
  }
  const std::size_t m = place_on_axis(a, row);
  const float* low = m > 0 ? at - stride_[a] : at;
  const float* high = m + 1 < length_[a] ? at + stride_[a] : at;
  for (std::size_t i = 0; i < n; ++i) out[i] = 0.5F * (high[i] - low[i]);
}

// The transpose of slope_row, added to out.
void Level::add_slope_transposed(int axis, std::size_t row, const float* u, float* out) const {
  const auto a = static_cast<std::size_t>(axis);
  const std::size_t n = length_[0];
  const float* at = u + row * n;
  if (a == 0) {
    if (n == 1) return;
    for (std::size_t i = 1; i + 1 < n; ++i) out[i] += 0.5F * (at[i - 1] - at[i + 1]);
    out[0] += 0.5F * (-at[0] - at[1]);
    out[n - 1] += 0.5F * (at[n - 2] + at[n - 1]);
    return;
  }
  const std::size_t m = place_on_axis(a, row);
  const bool begins = m == 0;
  const bool ends = m + 1 == length_[a];
  const float* before = begins ? at : at - stride_[a];
  const float* after = ends ? at : at + stride_[a];
  const float before_sign = begins ? -0.5F : 0.5F;
  const float after_sign = ends ? 0.5F : -0.5F;
  for (std::size_t i = 0; i < n; ++i) out[i] += before_sign * before[i] + after_sign * after[i];
}

// weight times minus the Laplacian of b, added to out.
void Level::add_roughness(std::size_t row, float weight, const float* b, float* out) const {
  const std::size_t n = length_[0];
  const float* at = b + row * n;
  for (std::size_t a = 1; a < 3; ++a) {
    const std::size_t m = place_on_axis(a, row);
    const float* low = m > 0 ? at - stride_[a] : at;
    const float* high = m + 1 < length_[a] ? at + stride_[a] : at;
    const float w = weight * per_mm2_[a];
    for (std::size_t i = 0; i < n; ++i) out[i] += w * (2.0F * at[i] - low[i] - high[i]);
  }
  const float w = weight * per_mm2_[0];
  for (std::size_t i = 1; i + 1 < n; ++i) out[i] += w * (2.0F * at[i] - at[i - 1] - at[i + 1]);
  if (n > 1) {
    out[0] += w * (at[0] - at[1]);
    out[n - 1] += w * (at[n - 1] - at[n - 2]);
  }
}

// out = what at_ holds, brought back to b, plus the smoothness of b.
void Level::combine(const std::vector<float>& b, std::vector<float>& out) const {
  out.resize(b.size());
  const auto smoothness = static_cast<float>(weights_.smoothness);
  parallel_blocks(context_, b.size() / length_[0], kRows, [&](std::size_t begin, std::size_t end) {
    for (std::size_t row = begin; row < end; ++row) {
      float* here = out.data() + row * length_[0];
      std::copy_n(at_[0].data() + row * length_[0], length_[0], here);
      for (std::size_t n = 0; n < axes_.size(); ++n) {
        add_slope_transposed(axes_[n], row, at_[n + 1].data(), here);
      }
      add_roughness(row, smoothness, b.data(), here);
    }
  });
}

std::vector<float> Level::gradient(const std::vector<float>& b) {
  linearise(b);
  std::vector<float> out;
  combine(b, out);
  return out;
}

// The Gauss-Newton matrix times x.
void Level::apply(const std::vector<float>& x, std::vector<float>& out) {
  const std::size_t n = length_[0];
  const std::size_t n_axes = axes_.size();
  parallel_blocks(context_, x.size() / n, kRows, [&](std::size_t begin, std::size_t end) {
    std::array<std::vector<float>, 3> along;
    for (std::size_t a = 0; a < n_axes; ++a) along[a].resize(n);
    for (std::size_t row = begin; row < end; ++row) {
      const std::size_t first = row * n;
      std::array<const float*, 4> q{x.data() + first, nullptr, nullptr, nullptr};
      for (std::size_t a = 0; a < n_axes; ++a) {
        slope_row(axes_[a], row, x.data(), along[a].data());
        q[a + 1] = along[a].data();
      }
      for (std::size_t i = 0; i <= n_axes; ++i) std::fill_n(at_[i].data() + first, n, 0.0F);
      std::size_t entry = 0;
      for (std::size_t i = 0; i <= n_axes; ++i) {
        for (std::size_t j = i; j <= n_axes; ++j, ++entry) {
          const float* block = blocks_[entry].data() + first;
          float* at_i = at_[i].data() + first;
          for (std::size_t v = 0; v < n; ++v) at_i[v] += block[v] * q[j][v];
          if (i == j) continue;
          float* at_j = at_[j].data() + first;
          for (std::size_t v = 0; v < n; ++v) at_j[v] += block[v] * q[i][v];
        }
      }
    }
  });
  combine(x, out);
}

// Of the Gauss-Newton matrix, without the products of shift and slope at the ends of a line.
std::vector<float> Level::diagonal() const {
  const std::size_t n_axes = axes_.size();
  std::vector<float> out(grid_.n_voxels());
  float constant = 1e-6F;
  for (std::size_t a = 0; a < 3; ++a) {
    if (length_[a] > 1) constant += 2.0F * static_cast<float>(weights_.smoothness) * per_mm2_[a];
  }
  parallel_blocks(context_, out.size(), kBlock, [&](std::size_t begin, std::size_t end) {
    for (Site site = site_of(begin); site.v < end; advance(site)) {
      const std::size_t v = site.v;
      float sum = constant + blocks_[0][v];
      std::size_t entry = n_axes + 1;
      for (std::size_t n = 0; n < n_axes; entry += n_axes - n, ++n) {
        const auto a = static_cast<std::size_t>(axes_[n]);
        const std::vector<float>& block = blocks_[entry];
        const std::size_t m = site.m[a];
        if (m > 0) sum += 0.25F * block[v - stride_[a]];
        if (m + 1 < length_[a]) sum += 0.25F * block[v + stride_[a]];
      }
      out[v] = sum;
    }
  });
  return out;
}

// Conjugate gradients with the diagonal as preconditioner; inexact on purpose.
std::vector<float> Level::solve(const std::vector<float>& right) {
  const std::size_t n = right.size();
  const std::vector<float> weight = diagonal();
  std::vector<float> x(n, 0.0F), r = right, z(n), p(n), q;
  const auto precondition = [&] {
    for (std::size_t v = 0; v < n; ++v) z[v] = r[v] / weight[v];
  };
  precondition();
  p = z;
  double rz = dot(r, z, context_);
  const double stop = kSolverTolerance * kSolverTolerance * rz;
  for (int step = 0; step < kMaxSolverSteps && rz > stop && rz > 0.0; ++step) {
    apply(p, q);
    const double curvature = dot(p, q, context_);
    if (!(curvature > 0.0)) break;
    const auto length = static_cast<float>(rz / curvature);
    for (std::size_t v = 0; v < n; ++v) {
      x[v] += length * p[v];
      r[v] -= length * q[v];
    }
    precondition();
    const double next = dot(r, z, context_);
    const auto keep = static_cast<float>(next / rz);
    for (std::size_t v = 0; v < n; ++v) p[v] = z[v] + keep * p[v];
    rz = next;
  }
  return x;
}

Fit Level::minimise(std::vector<float>& b, int max_iterations) {
  Fit fit;
  fit.value = value(b);
  for (double shrink = 0.7; !std::isfinite(fit.value) && shrink > 1e-3; fit.value = value(b)) {
    for (float& x : b) x *= static_cast<float>(shrink); // an interpolated start may fold
  }
  for (; fit.iterations < max_iterations && !fit.converged; ++fit.iterations) {
    std::vector<float> right = gradient(b);
    for (float& x : right) x = -x;
    const std::vector<float> step = solve(right);
    const double expected = dot(right, step, context_); // minus the directional derivative
    std::vector<float> trial(b.size());
    double next = std::numeric_limits<double>::infinity();
    double length = 1.0;
    for (int halving = 0; halving < 8; ++halving, length *= 0.5) {
      for (std::size_t v = 0; v < b.size(); ++v) {
        trial[v] = b[v] + static_cast<float>(length) * step[v];
      }
      next = value(trial);
      if (next <= fit.value - 1e-4 * length * expected) break;
    }
    if (!(next < fit.value)) {
      fit.converged = true;
      break;
    }
    fit.converged = fit.value - next < kConverged * fit.value;
    fit.value = next;
    b = std::move(trial);
  }
  return fit;
}

std::vector<float> Level::undistorted(std::size_t k, const std::vector<float>& b) const {
  std::vector<float> out(b.size(), std::numeric_limits<float>::quiet_NaN());
  parallel_blocks(context_, b.size(), kBlock, [&](std::size_t begin, std::size_t end) {
    for (Site site = site_of(begin); site.v < end; advance(site)) {
      const Sample s = sample(k, site, b);
      if (s.known) out[site.v] = s.value;
    }
  });
  return out;
}

void Level::fit_gains(const std::vector<float>& b) {
  std::vector<std::vector<float>> images;
  for (std::size_t k = 0; k < images_.size(); ++k) images.push_back(undistorted(k, b));
  double log_sum = 0.0;
  for (std::size_t k = 0; k < images_.size(); ++k) {
    double own = 0.0;
    double mean = 0.0;
    for (std::size_t v = 0; v < b.size(); ++v) {
      double sum = 0.0;
      bool all = true;
      for (const auto& image : images) {
        all = all && std::isfinite(image[v]);
        sum += static_cast<double>(image[v]);
      }
      if (!all) continue;
      own += static_cast<double>(images[k][v]);
      mean += sum / static_cast<double>(images.size());
    }
    if (own > 0.0 && mean > 0.0) images_[k].gain *= mean / own;
    log_sum += std::log(images_[k].gain);
  }
  const double scale = std::exp(-log_sum / static_cast<double>(images_.size()));
  for (LineImage& image : images_) image.gain *= scale;
}

} // namespace boldmill::pepolar
