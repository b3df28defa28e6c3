// Interpolation kernels: trilinear, nearest, and cubic B-spline with prefilter (Unser 1999, IEEE
// Signal Process. Mag. 16(6), doi:10.1109/79.799930). Positions are continuous voxel coordinates.
// A position more than half a voxel outside the lattice is outside the image.
#pragma once

#include <array>
#include <cstddef>
#include <vector>

#include "stages/core/image.hpp"
#include "stages/core/stage_info.hpp"
#include "stages/core/transform.hpp"

namespace boldmill {

using Shape3 = std::array<int, 3>;

[[nodiscard]] bool inside_image(const Shape3& shape, double x, double y, double z);

// Trilinear with edge voxels repeated for the outer half voxel. `outside` beyond it.
[[nodiscard]] float sample_linear(const float* data, const Shape3& shape, double x, double y,
                                  double z, float outside = 0.0F);

// Turns samples into cubic B-spline coefficients in place; mirror-symmetric borders (about the edge
// samples). Cost: 3 passes over the data. Non-finite voxels must have been removed before.
void bspline_prefilter(float* data, const Shape3& shape);

// Evaluates coefficients (64 taps, mirror borders). `outside` beyond the outer half voxel.
[[nodiscard]] float sample_bspline(const float* coefficients, const Shape3& shape, double x,
                                   double y, double z, float outside = 0.0F);

enum class Interpolation { nearest, linear, cubic_bspline };

// source on `target`: out(x) = source(target_to_source(x)), x in mm.
[[nodiscard]] Volume resample(const Volume& source, const Grid& target,
                              const PointMap& target_to_source, Interpolation interpolation,
                              const Context& context, float outside = 0.0F);
// Nearest neighbour; 0 outside.
[[nodiscard]] LabelImage resample_labels(const LabelImage& source, const Grid& target,
                                         const PointMap& target_to_source, const Context& context);
// Trilinear membership >= 0.5; 0 outside.
[[nodiscard]] Mask resample_mask(const Mask& source, const Grid& target,
                                 const PointMap& target_to_source, const Context& context);

// Continuous voxel coordinates in `source` of the given voxels of `target`: 3 doubles each.
[[nodiscard]] std::vector<double> source_coordinates(const Grid& source, const Grid& target,
                                                     const std::vector<std::size_t>& voxels,
                                                     const PointMap& target_to_source,
                                                     const Context& context);

} // namespace boldmill
