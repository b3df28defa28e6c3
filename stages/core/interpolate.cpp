#include "stages/core/interpolate.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "stages/core/parallel.hpp"

namespace boldmill {
namespace {

constexpr std::size_t kGrain = 8192;

// Recursive filter along one line of n samples with the given stride; pole sqrt(3) - 2.
void prefilter_line(float* line, int n, std::size_t stride, std::vector<double>& work) {
  if (n < 2) return;
  static const double pole = std::sqrt(3.0) - 2.0;
  constexpr double kGain = 6.0;
  auto& c = work;
  c.resize(static_cast<std::size_t>(n));
  const auto size = static_cast<std::size_t>(n);
  for (std::size_t i = 0; i < size; ++i) c[i] = kGain * static_cast<double>(line[i * stride]);
  // Mirror initialisation: exact sum over one period for short lines, truncated where pole^k <
  // 1e-9.
  constexpr std::size_t kHorizon = 16;
  double sum = c[0];
  if (size > kHorizon) {
    double power = pole;
    for (std::size_t k = 1; k < kHorizon; ++k, power *= pole) sum += power * c[k];
  } else {
    double power = pole;
    const double inverse = 1.0 / pole;
    double mirrored = std::pow(pole, static_cast<double>(size - 1));
    sum += mirrored * c[size - 1];
    mirrored *= mirrored * inverse;
    for (std::size_t k = 1; k + 1 < size; ++k) {
      sum += (power + mirrored) * c[k];
      power *= pole;
      mirrored *= inverse;
    }
    sum /= 1.0 - power * power;
  }
  c[0] = sum;
  for (std::size_t i = 1; i < size; ++i) c[i] += pole * c[i - 1];
  c[size - 1] = pole / (pole * pole - 1.0) * (c[size - 1] + pole * c[size - 2]);
  for (std::size_t i = size - 1; i-- > 0;) c[i] = pole * (c[i + 1] - c[i]);
  for (std::size_t i = 0; i < size; ++i) line[i * stride] = static_cast<float>(c[i]);
}

int mirror(int index, int n) {
  if (n == 1) return 0;
  const int period = 2 * (n - 1);
  index = std::abs(index) % period;
  return index < n ? index : period - index;
}

struct CubicWeights {
  int first;
  float weight[4];
};

CubicWeights cubic_weights(double x) {
  const double floor_x = std::floor(x);
  const double t = x - floor_x;
  const double s = 1.0 - t;
  return {static_cast<int>(floor_x) - 1,
          {static_cast<float>(s * s * s / 6.0),
           static_cast<float>((4.0 - 6.0 * t * t + 3.0 * t * t * t) / 6.0),
           static_cast<float>((4.0 - 6.0 * s * s + 3.0 * s * s * s) / 6.0),
           static_cast<float>(t * t * t / 6.0)}};
}

template <class Body>
void for_each_target(const Grid& source, const Grid& target, const PointMap& target_to_source,
                     const Context& context, Body&& body) {
  const Eigen::Matrix4d to_voxel = source.affine.inverse();
  parallel_blocks(context, target.n_voxels(), kGrain, [&](std::size_t begin, std::size_t end) {
    for (std::size_t v = begin; v < end; ++v) {
      const auto [i, j, k] = target.coordinates(v);
      const Eigen::Vector3d mm = target_to_source(target.to_mm(Eigen::Vector3d(i, j, k)));
      body(v, to_voxel.topLeftCorner<3, 3>() * mm + to_voxel.topRightCorner<3, 1>());
    }
  });
}

} // namespace

bool inside_image(const Shape3& shape, double x, double y, double z) {
  return x >= -0.5 && y >= -0.5 && z >= -0.5 && x <= shape[0] - 0.5 && y <= shape[1] - 0.5 &&
         z <= shape[2] - 0.5;
}

float sample_linear(const float* data, const Shape3& shape, double x, double y, double z,
                    float outside) {
  if (!inside_image(shape, x, y, z)) return outside;
  const auto nx = static_cast<std::size_t>(shape[0]);
  const auto nxy = nx * static_cast<std::size_t>(shape[1]);
  x = std::clamp(x, 0.0, static_cast<double>(shape[0] - 1));
  y = std::clamp(y, 0.0, static_cast<double>(shape[1] - 1));
  z = std::clamp(z, 0.0, static_cast<double>(shape[2] - 1));
  const auto i = static_cast<std::size_t>(x);
  const auto j = static_cast<std::size_t>(y);
  const auto k = static_cast<std::size_t>(z);
  const float fx = static_cast<float>(x - static_cast<double>(i));
  const float fy = static_cast<float>(y - static_cast<double>(j));
  const float fz = static_cast<float>(z - static_cast<double>(k));
  const std::size_t di = i + 1 < nx ? 1 : 0;
  const std::size_t dj = j + 1 < static_cast<std::size_t>(shape[1]) ? nx : 0;
  const std::size_t dk = k + 1 < static_cast<std::size_t>(shape[2]) ? nxy : 0;
  const float* p = data + i + nx * j + nxy * k;
  const float c00 = p[0] + fx * (p[di] - p[0]);
  const float c10 = p[dj] + fx * (p[dj + di] - p[dj]);
  const float c01 = p[dk] + fx * (p[dk + di] - p[dk]);
  const float c11 = p[dk + dj] + fx * (p[dk + dj + di] - p[dk + dj]);
  const float c0 = c00 + fy * (c10 - c00);
  const float c1 = c01 + fy * (c11 - c01);
  return c0 + fz * (c1 - c0);
}

void bspline_prefilter(float* data, const Shape3& shape) {
  const auto nx = static_cast<std::size_t>(shape[0]);
  const auto ny = static_cast<std::size_t>(shape[1]);
  const auto nz = static_cast<std::size_t>(shape[2]);
  std::vector<double> work;
  for (std::size_t row = 0; row < ny * nz; ++row)
    prefilter_line(data + row * nx, shape[0], 1, work);
  for (std::size_t k = 0; k < nz; ++k) {
    for (std::size_t i = 0; i < nx; ++i) {
      prefilter_line(data + k * nx * ny + i, shape[1], nx, work);
    }
  }
  for (std::size_t column = 0; column < nx * ny; ++column) {
    prefilter_line(data + column, shape[2], nx * ny, work);
  }
}

float sample_bspline(const float* coefficients, const Shape3& shape, double x, double y, double z,
                     float outside) {
  if (!inside_image(shape, x, y, z)) return outside;
  const CubicWeights wx = cubic_weights(x);
  const CubicWeights wy = cubic_weights(y);
  const CubicWeights wz = cubic_weights(z);
  const auto nx = static_cast<std::size_t>(shape[0]);
  const auto nxy = nx * static_cast<std::size_t>(shape[1]);
  const bool interior = wx.first >= 0 && wy.first >= 0 && wz.first >= 0 &&
                        wx.first + 3 < shape[0] && wy.first + 3 < shape[1] &&
                        wz.first + 3 < shape[2];
  float sum = 0.0F;
  if (interior) {
    const float* p = coefficients + static_cast<std::size_t>(wx.first) +
                     nx * static_cast<std::size_t>(wy.first) +
                     nxy * static_cast<std::size_t>(wz.first);
    for (std::size_t c = 0; c < 4; ++c) {
      float plane = 0.0F;
      for (std::size_t b = 0; b < 4; ++b) {
        const float* row = p + nxy * c + nx * b;
        plane += wy.weight[b] * (wx.weight[0] * row[0] + wx.weight[1] * row[1] +
                                 wx.weight[2] * row[2] + wx.weight[3] * row[3]);
      }
      sum += wz.weight[c] * plane;
    }
    return sum;
  }
  for (int c = 0; c < 4; ++c) {
    const auto k = static_cast<std::size_t>(mirror(wz.first + c, shape[2]));
    float plane = 0.0F;
    for (int b = 0; b < 4; ++b) {
      const auto j = static_cast<std::size_t>(mirror(wy.first + b, shape[1]));
      float line = 0.0F;
      for (int a = 0; a < 4; ++a) {
        const auto i = static_cast<std::size_t>(mirror(wx.first + a, shape[0]));
        line += wx.weight[a] * coefficients[i + nx * j + nxy * k];
      }
      plane += wy.weight[b] * line;
    }
    sum += wz.weight[c] * plane;
  }
  return sum;
}

Volume resample(const Volume& source, const Grid& target, const PointMap& target_to_source,
                Interpolation interpolation, const Context& context, float outside) {
  Volume out(target, outside);
  const Shape3& shape = source.grid.shape;
  std::vector<float> coefficients;
  const float* data = source.data.data();
  if (interpolation == Interpolation::cubic_bspline) {
    coefficients = source.data;
    for (float& value : coefficients) value = std::isfinite(value) ? value : 0.0F;
    bspline_prefilter(coefficients.data(), shape);
    data = coefficients.data();
  }
  for_each_target(source.grid, target, target_to_source, context,
                  [&](std::size_t v, const Eigen::Vector3d& x) {
                    switch (interpolation) {
                    case Interpolation::nearest:
                      if (inside_image(shape, x[0], x[1], x[2])) {
                        const auto at = [&](int axis) {
                          return std::clamp(static_cast<int>(std::lround(x[axis])), 0,
                                            shape[static_cast<std::size_t>(axis)] - 1);
                        };
                        out.data[v] = data[source.grid.index(at(0), at(1), at(2))];
                      }
                      break;
                    case Interpolation::linear:
                      out.data[v] = sample_linear(data, shape, x[0], x[1], x[2], outside);
                      break;
                    case Interpolation::cubic_bspline:
                      out.data[v] = sample_bspline(data, shape, x[0], x[1], x[2], outside);
                      break;
                    }
                  });
  return out;
}

LabelImage resample_labels(const LabelImage& source, const Grid& target,
                           const PointMap& target_to_source, const Context& context) {
  LabelImage out(target, 0);
  const Shape3& shape = source.grid.shape;
  for_each_target(source.grid, target, target_to_source, context,
                  [&](std::size_t v, const Eigen::Vector3d& x) {
                    if (!inside_image(shape, x[0], x[1], x[2])) return;
                    const auto at = [&](int axis) {
                      return std::clamp(static_cast<int>(std::lround(x[axis])), 0,
                                        shape[static_cast<std::size_t>(axis)] - 1);
                    };
                    out.data[v] = source.data[source.grid.index(at(0), at(1), at(2))];
                  });
  return out;
}

Mask resample_mask(const Mask& source, const Grid& target, const PointMap& target_to_source,
                   const Context& context) {
  const std::vector<float> membership(source.data.begin(), source.data.end());
  Mask out(target, 0);
  for_each_target(
      source.grid, target, target_to_source, context, [&](std::size_t v, const Eigen::Vector3d& x) {
        const float value = sample_linear(membership.data(), source.grid.shape, x[0], x[1], x[2]);
        out.data[v] = value >= 0.5F ? 1 : 0;
      });
  return out;
}

std::vector<double> source_coordinates(const Grid& source, const Grid& target,
                                       const std::vector<std::size_t>& voxels,
                                       const PointMap& target_to_source, const Context& context) {
  std::vector<double> coordinates(3 * voxels.size());
  const Eigen::Matrix4d to_voxel = source.affine.inverse();
  parallel_blocks(context, voxels.size(), kGrain, [&](std::size_t begin, std::size_t end) {
    for (std::size_t n = begin; n < end; ++n) {
      const auto [i, j, k] = target.coordinates(voxels[n]);
      const Eigen::Vector3d mm = target_to_source(target.to_mm(Eigen::Vector3d(i, j, k)));
      const Eigen::Vector3d x =
          to_voxel.topLeftCorner<3, 3>() * mm + to_voxel.topRightCorner<3, 1>();
      coordinates[3 * n] = x[0];
      coordinates[3 * n + 1] = x[1];
      coordinates[3 * n + 2] = x[2];
    }
  });
  return coordinates;
}

} // namespace boldmill
