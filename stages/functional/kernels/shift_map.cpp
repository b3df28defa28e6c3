#include "stages/functional/kernels/shift_map.hpp"

#include <algorithm>
#include <array>
#include <cmath>

#include "stages/core/error.hpp"
#include "stages/core/interpolate.hpp"
#include "stages/core/parallel.hpp"

namespace boldmill::distortion {
namespace {

constexpr std::size_t kVoxelsPerBlock = 8192;

std::size_t length_of(const Grid& grid, int axis) {
  return static_cast<std::size_t>(grid.shape[static_cast<std::size_t>(axis)]);
}
std::size_t stride_of(const Grid& grid, int axis) {
  std::size_t stride = 1;
  for (int a = 0; a < axis; ++a) stride *= length_of(grid, a);
  return stride;
}

Eigen::Vector3d clamped(Eigen::Vector3d voxel, const Grid& grid) {
  for (int a = 0; a < 3; ++a) {
    const double last = grid.shape[static_cast<std::size_t>(a)] - 1;
    voxel[a] = std::min(std::max(0.0, voxel[a]), last);
  }
  return voxel;
}

void require_same_grid(const Volume& image, const ShiftMap& shift) {
  if (!image.grid.same_as(shift.shift_voxels.grid)) {
    throw Error(ErrorKind::internal, "distortion: image and shift are on different grids");
  }
}

// For each voxel v the position x + shift along the axis: use(v, x, y, z).
template <class Use>
void for_each_shifted(const ShiftMap& shift, const Context& context, Use&& use) {
  const Grid& grid = shift.shift_voxels.grid;
  parallel_blocks(context, grid.n_voxels(), kVoxelsPerBlock, [&](std::size_t a, std::size_t b) {
    for (std::size_t v = a; v < b; ++v) {
      const auto ijk = grid.coordinates(v);
      Eigen::Vector3d x(ijk[0], ijk[1], ijk[2]);
      x[shift.axis] += static_cast<double>(shift.shift_voxels.data[v]);
      use(v, x);
    }
  });
}

std::vector<float> coefficients_of(const Volume& volume) {
  std::vector<float> data = volume.data;
  for (float& value : data) value = std::isfinite(value) ? value : 0.0F;
  bspline_prefilter(data.data(), volume.grid.shape);
  return data;
}

} // namespace

ShiftMap from_shift(Volume shift_voxels, int axis, const Context& context) {
  const Grid& grid = shift_voxels.grid;
  ShiftMap out;
  out.axis = axis;
  out.factor = Volume(grid, 1.0F);
  const std::size_t stride = stride_of(grid, axis);
  const std::size_t n = length_of(grid, axis);
  parallel_blocks(context, grid.n_voxels(), kVoxelsPerBlock, [&](std::size_t a, std::size_t b) {
    for (std::size_t v = a; v < b && n > 1; ++v) {
      const std::size_t at = v / stride % n;
      const std::size_t low = at > 0 ? v - stride : v;
      const std::size_t high = at + 1 < n ? v + stride : v;
      const float steps = high - low == stride ? 1.0F : 2.0F;
      const float slope = (shift_voxels.data[high] - shift_voxels.data[low]) / steps;
      out.factor.data[v] = std::max(0.0F, 1.0F + slope);
    }
  });
  out.shift_voxels = std::move(shift_voxels);
  return out;
}

ShiftMap from_field(const Volume& field_hz, const Grid& bold, const PhaseEncoding& encoding,
                    const Affine& bold_to_field, const Context& context) {
  const Grid& field_grid = field_hz.grid;
  if (field_grid.n_voxels() == 0) throw Error(ErrorKind::internal, "distortion: no field");
  const std::vector<float> coefficients = coefficients_of(field_hz);
  const Affine to_field = field_grid.affine.inverse() * bold_to_field * bold.affine;
  const double scale = encoding.voxels_per_hz();
  Volume shift(bold);
  parallel_blocks(context, shift.data.size(), kVoxelsPerBlock, [&](std::size_t a, std::size_t b) {
    for (std::size_t v = a; v < b; ++v) {
      const auto [i, j, k] = bold.coordinates(v);
      const Eigen::Vector4d at = to_field * Eigen::Vector4d(i, j, k, 1.0);
      const Eigen::Vector3d x = clamped(at.head<3>(), field_grid);
      const float hz =
          sample_bspline(coefficients.data(), field_grid.shape, x[0], x[1], x[2], 0.0F);
      shift.data[v] = static_cast<float>(scale * static_cast<double>(hz));
    }
  });
  return from_shift(std::move(shift), encoding.axis, context);
}

std::shared_ptr<const DisplacementField> undistorted_to_distorted(const Volume& shift_voxels,
                                                                  int axis) {
  auto field = std::make_shared<DisplacementField>();
  field->grid = shift_voxels.grid;
  field->mm.resize(3 * shift_voxels.data.size());
  const Eigen::Vector3f step = shift_voxels.grid.affine.col(axis).head<3>().cast<float>();
  for (std::size_t v = 0; v < shift_voxels.data.size(); ++v) {
    for (std::size_t c = 0; c < 3; ++c) {
      field->mm[3 * v + c] = shift_voxels.data[v] * step[static_cast<Eigen::Index>(c)];
    }
  }
  return field;
}

Volume unwarp(const Volume& distorted, const ShiftMap& shift, bool modulate,
              const Context& context) {
  require_same_grid(distorted, shift);
  const std::vector<float> coefficients = coefficients_of(distorted);
  Volume out(distorted.grid);
  for_each_shifted(shift, context, [&](std::size_t v, const Eigen::Vector3d& x) {
    const float value =
        sample_bspline(coefficients.data(), distorted.grid.shape, x[0], x[1], x[2], 0.0F);
    out.data[v] = modulate ? value * shift.factor.data[v] : value;
  });
  return out;
}

Volume warp(const Volume& undistorted, const ShiftMap& shift, const Context& context) {
  require_same_grid(undistorted, shift);
  const std::vector<float> coefficients = coefficients_of(undistorted);
  const Grid& grid = undistorted.grid;
  const std::size_t stride = stride_of(grid, shift.axis);
  const std::size_t n = length_of(grid, shift.axis);
  Volume out(grid);
  parallel_blocks(context, grid.n_voxels(), kVoxelsPerBlock, [&](std::size_t a, std::size_t b) {
    for (std::size_t v = a; v < b; ++v) {
      const std::size_t place = v / stride % n;
      const std::size_t first = v - place * stride;
      const auto at = [&](const Volume& volume, double y) {
        const double c = std::clamp(y, 0.0, static_cast<double>(n - 1));
        const std::size_t low = std::min(static_cast<std::size_t>(c), n < 2 ? 0 : n - 2);
        const double w = c - static_cast<double>(low);
        const float* p = volume.data.data() + first + low * stride;
        return (1.0 - w) * static_cast<double>(p[0]) +
               (n < 2 ? 0.0 : w * static_cast<double>(p[stride]));
      };
      double y = static_cast<double>(place);
      for (int step = 0; step < 60; ++step) { // damped: steep shifts would oscillate
        const double change = 0.6 * (static_cast<double>(place) - at(shift.shift_voxels, y) - y);
        y += change;
        if (std::abs(change) < 1e-5) break;
      }
      const auto ijk = grid.coordinates(v);
      Eigen::Vector3d x(ijk[0], ijk[1], ijk[2]);
      x[shift.axis] = y;
      const double factor = std::max(0.25, at(shift.factor, y));
      out.data[v] =
          static_cast<float>(static_cast<double>(sample_bspline(coefficients.data(), grid.shape,
                                                                x[0], x[1], x[2], 0.0F)) /
                             factor);
    }
  });
  return out;
}

AtVoxels at_voxels(const ShiftMap& shift, bool modulate, const Grid& target,
                   std::span<const std::size_t> voxels, const PointMap& target_to_ref,
                   const Context& context) {
  const Grid& grid = shift.shift_voxels.grid;
  const Affine to_voxel = grid.affine.inverse();
  AtVoxels out;
  out.shift_voxels.resize(voxels.size());
  out.factor.assign(voxels.size(), 1.0F);
  parallel_blocks(context, voxels.size(), kVoxelsPerBlock, [&](std::size_t a, std::size_t b) {
    for (std::size_t n = a; n < b; ++n) {
      const auto [i, j, k] = target.coordinates(voxels[n]);
      const Eigen::Vector3d mm = target_to_ref(target.to_mm(Eigen::Vector3d(i, j, k)));
      const Eigen::Vector4d at = to_voxel * mm.homogeneous();
      const Eigen::Vector3d x = clamped(at.head<3>(), grid);
      out.shift_voxels[n] =
          sample_linear(shift.shift_voxels.data.data(), grid.shape, x[0], x[1], x[2]);
      if (modulate) {
        out.factor[n] = sample_linear(shift.factor.data.data(), grid.shape, x[0], x[1], x[2]);
      }
    }
  });
  return out;
}

} // namespace boldmill::distortion
