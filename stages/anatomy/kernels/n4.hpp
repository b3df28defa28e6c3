// The only place that knows ITK: N4 on a coarse image, returned as the spline of its log field.
#pragma once

#include <array>
#include <vector>

#include "stages/core/image.hpp"
#include "stages/core/stage_info.hpp"

namespace boldmill::anatomy {

// Uniform cubic B-spline over the coarse image: coefficient (a, b, c), a fastest. Voxel index x of
// an axis with n voxels and m coefficients lies at parameter x / (n - 1) * (m - 3).
struct LogField {
  std::array<int, 3> coefficients_shape{0, 0, 0};
  std::array<int, 3> image_shape{0, 0, 0};
  std::vector<float> coefficients;
  int levels_done = 0;
};

struct N4Settings {
  std::array<int, 3> first_spans{1, 1, 1}; // spline spans per axis at the first level
  int levels = 4;
  int iterations = 50;
  double convergence = 1e-4;
};

// Voxels of the mask count. Same bits at any number of threads: ITK always gets 8 work units.
// Polls the stop token at every iteration.
[[nodiscard]] LogField n4_log_field(const Volume& image, const Mask& mask,
                                    const N4Settings& settings, const Context& context);

// exp(log field) on `grid`, whose voxel x lies at coarse voxel (x - offset) / factor, per axis.
// Beyond the coarse image's outer voxel centres the field is that of its edge.
[[nodiscard]] Volume field_on_grid(const LogField& field, const Grid& grid,
                                   const std::array<double, 3>& factor,
                                   const std::array<double, 3>& offset, const Context& context);

} // namespace boldmill::anatomy
