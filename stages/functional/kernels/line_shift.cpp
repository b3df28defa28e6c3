#include "stages/functional/kernels/line_shift.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "stages/core/parallel.hpp"

namespace boldmill {
namespace {

constexpr std::size_t kBlock = 4096;
constexpr double kSteepest = 0.8; // largest slope of the shift, voxels per voxel
constexpr double kConverged = 1e-4;
constexpr int kSolverSteps = 40;

} // namespace

LineShiftLevel::LineShiftLevel(LineCorrelation correlation, int axis,
                               const LineShiftSettings& settings, const Context& context)
    : correlation_(std::move(correlation)), axis_(static_cast<std::size_t>(axis)),
      settings_(settings), context_(context) {
  const Eigen::Vector3d spacing = correlation_.grid().spacing_mm();
  std::size_t stride = 1;
  for (std::size_t a = 0; a < 3; ++a) {
    length_[a] = static_cast<std::size_t>(correlation_.grid().shape[a]);
    stride_[a] = stride;
    stride *= length_[a];
    const double h = spacing[static_cast<Eigen::Index>(a)];
    per_mm2_[a] = static_cast<float>(1.0 / (h * h));
  }
  voxels_per_mm_ = 1.0 / spacing[axis];
}

double LineShiftLevel::r2(const std::vector<float>& b) const {
  return correlation_.evaluate(in_voxels(b), false, context_).mean_r2;
}

void LineShiftLevel::minimise(std::vector<float>& b) const {
  double current = value(b);
  // What a coarser level found must hold here.
  const std::vector<float> none(b.size(), 0.0F);
  if (const double without = value(none); without <= current) {
    b = none;
    current = without;
  }
  for (int iteration = 0; iteration < settings_.max_iterations; ++iteration) {
    const auto at = correlation_.evaluate(in_voxels(b), true, context_);
    const std::vector<float> step = newton_step(b, at);
    std::vector<float> trial(b.size());
    double next = std::numeric_limits<double>::infinity();
    double length = 1.0;
    for (int halving = 0; halving < 6 && !(next < current); ++halving, length *= 0.5) {
      const auto limit = static_cast<float>(settings_.max_shift_mm);
      for (std::size_t v = 0; v < b.size(); ++v) {
        trial[v] = std::clamp(b[v] + static_cast<float>(length) * step[v], -limit, limit);
      }
      next = value(trial);
    }
    if (!(next < current)) return;
    const double gain = current - next;
    current = next;
    b = std::move(trial);
    if (gain < kConverged * std::abs(current)) return;
  }
}

std::vector<float> LineShiftLevel::in_voxels(const std::vector<float>& b) const {
  std::vector<float> shift = b;
  for (float& x : shift) x *= static_cast<float>(voxels_per_mm_);
  return shift;
}

float LineShiftLevel::roughness(std::size_t v, const std::vector<float>& b) const {
  float sum = 0.0F;
  for (std::size_t a = 0; a < 3; ++a) {
    const std::size_t m = v / stride_[a] % length_[a];
    float change = 0.0F;
    if (m > 0) change += b[v] - b[v - stride_[a]];
    if (m + 1 < length_[a]) change += b[v] - b[v + stride_[a]];
    sum += per_mm2_[a] * change;
  }
  return sum;
}

double LineShiftLevel::value(const std::vector<float>& b) const {
  const double smooth =
      parallel_sum(context_, b.size(), kBlock, 0.0, [&](std::size_t begin, std::size_t end) {
        double sum = 0.0;
        for (std::size_t v = begin; v < end; ++v) {
          const std::size_t m = v / stride_[axis_] % length_[axis_];
          if (m + 1 < length_[axis_]) {
            const double slope = voxels_per_mm_ * static_cast<double>(b[v + stride_[axis_]] - b[v]);
            if (std::abs(slope) > kSteepest) return std::numeric_limits<double>::infinity();
          }
          sum += 0.5 * settings_.smoothness * static_cast<double>(b[v] * roughness(v, b));
        }
        return sum;
      });
  if (!std::isfinite(smooth)) return smooth;
  return smooth - r2(b) * static_cast<double>(correlation_.n_domain());
}

double LineShiftLevel::dot(const std::vector<float>& a, const std::vector<float>& b) const {
  return parallel_sum(context_, a.size(), kBlock, 0.0, [&](std::size_t begin, std::size_t end) {
    double sum = 0.0;
    for (std::size_t v = begin; v < end; ++v) {
      sum += static_cast<double>(a[v]) * static_cast<double>(b[v]);
    }
    return sum;
  });
}

std::vector<float> LineShiftLevel::newton_step(const std::vector<float>& b,
                                               const LineCorrelation::Value& at) const {
  const std::size_t n = b.size();
  const auto scale = static_cast<float>(voxels_per_mm_);
  const auto weight = static_cast<float>(settings_.smoothness);
  float constant = 1e-4F;
  for (std::size_t a = 0; a < 3; ++a) {
    if (length_[a] > 1) constant += 2.0F * weight * per_mm2_[a];
  }
  std::vector<float> r(n), x(n, 0.0F), z(n), p, q(n), curvature(n);
  for (std::size_t v = 0; v < n; ++v) {
    r[v] = scale * at.by_shift[v] - weight * roughness(v, b);
    curvature[v] = scale * scale * at.curvature[v];
    z[v] = r[v] / (constant + curvature[v]);
  }
  p = z;
  double rz = dot(r, z);
  const double stop = 1e-3 * rz;
  for (int step = 0; step < kSolverSteps && rz > stop && rz > 0.0; ++step) {
    parallel_blocks(context_, n, kBlock, [&](std::size_t begin, std::size_t end) {
      for (std::size_t v = begin; v < end; ++v) {
        q[v] = curvature[v] * p[v] + weight * roughness(v, p);
      }
    });
    const double pq = dot(p, q);
    if (!(pq > 0.0)) break;
    const auto length = static_cast<float>(rz / pq);
    for (std::size_t v = 0; v < n; ++v) {
      x[v] += length * p[v];
      r[v] -= length * q[v];
      z[v] = r[v] / (constant + curvature[v]);
    }
    const double next = dot(r, z);
    const auto keep = static_cast<float>(next / rz);
    for (std::size_t v = 0; v < n; ++v) p[v] = z[v] + keep * p[v];
    rz = next;
  }
  return x;
}

} // namespace boldmill
