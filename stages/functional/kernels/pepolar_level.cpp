#include "stages/functional/kernels/pepolar_level.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "stages/core/parallel.hpp"

namespace boldmill::pepolar {
namespace {

constexpr std::size_t kBlock = 4096;
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
  by_shift_.assign(images_.size(), std::vector<float>(n));
  by_slope_.assign(images_.size(), std::vector<float>(n));
  barrier_.assign(axes_.size(), std::vector<float>(n));
  at_line_.assign(axes_.size(), std::vector<float>(n));
  counts_.resize(n * images_.size());
  at_voxel_.resize(n);
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

float Level::slope_transposed(int axis, const Site& s, const float* u) const {
  const auto a = static_cast<std::size_t>(axis);
  const std::size_t v = s.v;
  const std::size_t m = s.m[a];
  const float before = m > 0 ? u[v - stride_[a]] : -u[v];
  const float after = m + 1 < length_[a] ? u[v + stride_[a]] : -u[v];
  return 0.5F * (before - after);
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

// Residuals, derivatives and the barrier's first derivative at b.
void Level::linearise(const std::vector<float>& b) {
  const std::size_t n_images = std::min(images_.size(), kMaxImages);
  parallel_blocks(context_, b.size(), kBlock, [&](std::size_t begin, std::size_t end) {
    std::vector<Sample> samples(n_images);
    for (Site site = site_of(begin); site.v < end; advance(site)) {
      const std::size_t v = site.v;
      float mean = 0.0F;
      int n = 0;
      for (std::size_t k = 0; k < n_images; ++k) {
        samples[k] = sample(k, site, b);
        if (!samples[k].known) continue;
        mean += samples[k].value;
        ++n;
      }
      mean /= static_cast<float>(std::max(n, 1));
      at_voxel_[v] = 0.0F;
      for (auto& line : at_line_) line[v] = 0.0F;
      for (auto& line : barrier_) line[v] = 0.0F;
      for (std::size_t k = 0; k < n_images; ++k) {
        const Sample& s = samples[k];
        const bool counts = s.known && n > 1;
        by_shift_[k][v] = counts ? s.by_shift : 0.0F;
        by_slope_[k][v] = counts ? s.by_slope : 0.0F;
        const float residual = counts ? s.value - mean : 0.0F;
        counts_[v * n_images + k] = counts ? 1 : 0;
        at_voxel_[v] += by_shift_[k][v] * residual;
        const auto axis = static_cast<std::size_t>(
            std::find(axes_.begin(), axes_.end(), images_[k].axis) - axes_.begin());
        const double c = images_[k].voxels_per_mm;
        const double z = c * static_cast<double>(slope(images_[k].axis, site, b.data()));
        at_line_[axis][v] += by_slope_[k][v] * residual +
                             static_cast<float>(weights_.barrier * c * barrier_slope(z));
        barrier_[axis][v] += static_cast<float>(weights_.barrier * c * c * barrier_curvature(z));
      }
    }
  });
}

// out = what at_voxel_ and at_line_ hold, brought back to b, plus the smoothness of b.
void Level::combine(const std::vector<float>& b, std::vector<float>& out) const {
  out.resize(b.size());
  const auto smoothness = static_cast<float>(weights_.smoothness);
  parallel_blocks(context_, b.size(), kBlock, [&](std::size_t begin, std::size_t end) {
    for (Site site = site_of(begin); site.v < end; advance(site)) {
      const std::size_t v = site.v;
      float sum = at_voxel_[v] + smoothness * roughness(site, b.data());
      for (std::size_t n = 0; n < axes_.size(); ++n) {
        sum += slope_transposed(axes_[n], site, at_line_[n].data());
      }
      out[v] = sum;
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
  const std::size_t n_images = std::min(images_.size(), kMaxImages);
  parallel_blocks(context_, x.size(), kBlock, [&](std::size_t begin, std::size_t end) {
    std::array<float, kMaxImages> change{};
    std::array<float, 3> along{};
    for (Site site = site_of(begin); site.v < end; advance(site)) {
      const std::size_t v = site.v;
      for (const int axis : axes_)
        along[static_cast<std::size_t>(axis)] = slope(axis, site, x.data());
      float mean = 0.0F;
      float n = 0.0F;
      for (std::size_t k = 0; k < n_images; ++k) {
        change[k] = by_shift_[k][v] * x[v] +
                    by_slope_[k][v] * along[static_cast<std::size_t>(images_[k].axis)];
        mean += change[k];
        n += counts_[v * n_images + k] != 0 ? 1.0F : 0.0F;
      }
      mean /= std::max(n, 1.0F);
      at_voxel_[v] = 0.0F;
      for (std::size_t a = 0; a < axes_.size(); ++a) {
        at_line_[a][v] = barrier_[a][v] * along[static_cast<std::size_t>(axes_[a])];
      }
      for (std::size_t k = 0; k < n_images; ++k) {
        if (counts_[v * n_images + k] == 0) continue;
        const float y = change[k] - mean;
        at_voxel_[v] += by_shift_[k][v] * y;
        for (std::size_t a = 0; a < axes_.size(); ++a) {
          if (axes_[a] == images_[k].axis) at_line_[a][v] += by_slope_[k][v] * y;
        }
      }
    }
  });
  combine(x, out);
}

std::vector<float> Level::diagonal() const {
  const std::size_t n_images = std::min(images_.size(), kMaxImages);
  const auto share = 1.0F - 1.0F / static_cast<float>(n_images);
  std::vector<float> out(grid_.n_voxels());
  float constant = 1e-6F;
  for (std::size_t a = 0; a < 3; ++a) {
    if (length_[a] > 1) constant += 2.0F * static_cast<float>(weights_.smoothness) * per_mm2_[a];
  }
  parallel_blocks(context_, out.size(), kBlock, [&](std::size_t begin, std::size_t end) {
    for (Site site = site_of(begin); site.v < end; advance(site)) {
      const std::size_t v = site.v;
      float sum = constant;
      for (std::size_t k = 0; k < n_images; ++k) sum += share * by_shift_[k][v] * by_shift_[k][v];
      for (std::size_t n = 0; n < axes_.size(); ++n) {
        const auto a = static_cast<std::size_t>(axes_[n]);
        const auto at = [&](std::size_t w) {
          float q = barrier_[n][w];
          for (std::size_t k = 0; k < n_images; ++k) {
            if (images_[k].axis == axes_[n]) q += share * by_slope_[k][w] * by_slope_[k][w];
          }
          return 0.25F * q;
        };
        const std::size_t m = site.m[a];
        if (m > 0) sum += at(v - stride_[a]);
        if (m + 1 < length_[a]) sum += at(v + stride_[a]);
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
