#include "stages/anatomy/bias_field.hpp"

#include <algorithm>
#include <cmath>

#include "stages/anatomy/kernels/block_average.hpp"
#include "stages/anatomy/kernels/checks.hpp"
#include "stages/anatomy/kernels/n4.hpp"
#include "stages/anatomy/kernels/otsu.hpp"
#include "stages/core/error.hpp"

namespace boldmill::bias_field {
namespace {

// Fills the outputs' range and makes the field's mean over the coarse head one.
void center_field(Volume& field, const Volume& coarse_field, const Mask& head, Outputs& out) {
  double sum = 0.0;
  double low = 1e30;
  double high = 0.0;
  for (std::size_t v = 0; v < head.data.size(); ++v) {
    if (head.data[v] == 0) continue;
    const double value = coarse_field.data[v];
    sum += value;
    low = std::min(low, value);
    high = std::max(high, value);
  }
  const double mean = sum / static_cast<double>(count(head));
  const float scale = static_cast<float>(1.0 / mean);
  for (float& value : field.data) value *= scale;
  out.field_min = low / mean;
  out.field_max = high / mean;
}

} // namespace

Outputs run(const Inputs& inputs, const Params& params, const Context& context) {
  anatomy::require_image(inputs.t1w, "T1w");
  const Volume coarse = anatomy::block_average(inputs.t1w, params.working_spacing_mm, context);
  const float threshold = std::max(0.0F, anatomy::otsu_threshold(coarse.data));
  Mask head(coarse.grid);
  for (std::size_t v = 0; v < head.data.size(); ++v)
    head.data[v] = coarse.data[v] > threshold ? 1 : 0;
  if (count(head) < 500) {
    throw Error(ErrorKind::input, "T1w: found " + std::to_string(count(head)) +
                                      " bright voxels at 4 mm, expected a head or brain");
  }
  anatomy::N4Settings settings;
  settings.levels = params.levels;
  settings.iterations = params.iterations;
  settings.convergence = params.convergence;
  const auto factors = anatomy::block_factors(inputs.t1w.grid, params.working_spacing_mm);
  const Eigen::Vector3d spacing = coarse.grid.spacing_mm();
  std::array<double, 3> factor{};
  std::array<double, 3> offset{};
  for (std::size_t a = 0; a < 3; ++a) {
    const double length = coarse.grid.shape[a] * spacing[static_cast<int>(a)];
    settings.first_spans[a] =
        std::max(1, static_cast<int>(std::ceil(length / params.knot_spacing_mm)));
    factor[a] = factors[a];
    offset[a] = 0.5 * (factors[a] - 1);
  }
  const auto log_field = anatomy::n4_log_field(coarse, head, settings, context);
  const Volume coarse_field =
      anatomy::field_on_grid(log_field, coarse.grid, {1.0, 1.0, 1.0}, {0.0, 0.0, 0.0}, context);
  Outputs out;
  out.corrected = anatomy::field_on_grid(log_field, inputs.t1w.grid, factor, offset, context);
  center_field(out.corrected, coarse_field, head, out);
  for (std::size_t v = 0; v < out.corrected.data.size(); ++v) {
    out.corrected.data[v] = inputs.t1w.data[v] / out.corrected.data[v];
  }
  out.levels_done = log_field.levels_done;
  return out;
}

std::size_t peak_bytes(const Shape& shape, const Params& params) {
  // The corrected copy, and at the working spacing about 30 floats a voxel inside ITK.
  const double edge = params.working_spacing_mm;
  return shape.n_voxels * 5 + static_cast<std::size_t>(2.0e7 / (edge * edge * edge) * 120.0) +
         (std::size_t{64} << 20U);
}

} // namespace boldmill::bias_field
