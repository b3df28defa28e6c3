#include "stages/anatomy/bias_field.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

#include "stages/anatomy/kernels/block_average.hpp"
#include "stages/anatomy/kernels/checks.hpp"
#include "stages/anatomy/kernels/n4.hpp"
#include "stages/anatomy/kernels/otsu.hpp"
#include "stages/core/error.hpp"

namespace boldmill::bias_field {
namespace {

constexpr std::size_t kLeastVoxels = 500;

// Share of each coarse voxel that is lesion.
Volume lesion_share(const Mask& lesion, double spacing_mm, const Context& context) {
  Volume share(lesion.grid);
  for (std::size_t v = 0; v < share.data.size(); ++v) share.data[v] = lesion.data[v] != 0 ? 1 : 0;
  return anatomy::block_average(share, spacing_mm, context);
}

Mask head_of(const Volume& coarse, const Volume& lesion) {
  std::vector<float> sound;
  for (std::size_t v = 0; v < lesion.data.size(); ++v) {
    if (!(lesion.data[v] > 0.0F)) sound.push_back(coarse.data[v]);
  }
  const float threshold =
      std::max(0.0F, anatomy::otsu_threshold(lesion.data.empty() ? coarse.data : sound));
  Mask head(coarse.grid);
  for (std::size_t v = 0; v < head.data.size(); ++v)
    head.data[v] = coarse.data[v] > threshold ? 1 : 0;
  for (std::size_t v = 0; v < lesion.data.size(); ++v) {
    if (lesion.data[v] > 0.0F) head.data[v] = 0;
  }
  const std::size_t found = count(head);
  if (found < kLeastVoxels) {
    throw Error(ErrorKind::input, "T1w: found " + std::to_string(found) +
                                      " bright voxels at the working spacing, expected a head or "
                                      "brain of " +
                                      std::to_string(kLeastVoxels));
  }
  return head;
}

std::array<int, 3> first_spans(const Grid& grid, double knot_spacing_mm) {
  std::array<int, 3> spans{};
  for (std::size_t a = 0; a < 3; ++a) {
    const double length = grid.shape[a] * grid.spacing_mm()[static_cast<int>(a)];
    spans[a] = std::max(1, static_cast<int>(std::ceil(length / knot_spacing_mm)));
  }
  return spans;
}

// Fills the outputs' range; returns the log of the field's mean over the head.
double center_field(const anatomy::SplineField& log_field, const Mask& head, const Context& context,
                    Outputs& out) {
  struct Slice {
    double low = 1e30, high = 0.0, sum = 0.0;
  };
  std::vector<Slice> slices(static_cast<std::size_t>(head.grid.shape[2]));
  anatomy::evaluate(
      log_field, anatomy::basis_weights(log_field, head.grid.shape),
      [&](std::size_t j, std::size_t k, const double* row) {
        const std::uint8_t* in = &head.at(0, static_cast<int>(j), static_cast<int>(k));
        for (int i = 0; i < head.grid.shape[0]; ++i) {
          if (in[i] == 0) continue;
          const double value = std::exp(row[i]);
          slices[k].low = std::min(slices[k].low, value);
          slices[k].high = std::max(slices[k].high, value);
          slices[k].sum += value;
        }
      },
      context);
  Slice total;
  for (const Slice& slice : slices) {
    total.low = std::min(total.low, slice.low);
    total.high = std::max(total.high, slice.high);
    total.sum += slice.sum;
  }
  const double mean = total.sum / static_cast<double>(count(head));
  out.field_min = total.low / mean;
  out.field_max = total.high / mean;
  return std::log(mean);
}

// image / exp(log_field - log_mean). The field's voxel x covers `factor` voxels of the image.
Volume divided(const Volume& image, const anatomy::SplineField& log_field,
               const std::array<int, 3>& factors, double log_mean, const Context& context) {
  std::array<double, 3> factor{};
  std::array<double, 3> offset{};
  for (std::size_t a = 0; a < 3; ++a) {
    factor[a] = factors[a];
    offset[a] = 0.5 * (factors[a] - 1);
  }
  const int n = image.grid.shape[0];
  Volume out(image.grid);
  anatomy::evaluate(
      log_field, anatomy::basis_weights(log_field, image.grid.shape, factor, offset),
      [&](std::size_t j, std::size_t k, const double* row) {
        // Own memory, so that the vectorised exponential meets the same alignment at every call.
        const Eigen::ArrayXf gain =
            (log_mean - Eigen::Map<const Eigen::ArrayXd>(row, n)).cast<float>().exp();
        const std::size_t begin = image.grid.index(0, static_cast<int>(j), static_cast<int>(k));
        for (int i = 0; i < n; ++i) {
          const std::size_t v = begin + static_cast<std::size_t>(i);
          out.data[v] = image.data[v] * gain[i];
        }
      },
      context);
  return out;
}

} // namespace

Outputs run(const Inputs& inputs, const Params& params, const Context& context) {
  anatomy::require_image(inputs.t1w, "T1w");
  const Volume coarse = anatomy::block_average(inputs.t1w, params.working_spacing_mm, context);
  Volume lesion;
  if (inputs.lesion != nullptr) {
    anatomy::require_mask(*inputs.lesion, inputs.t1w.grid, "lesion mask");
    lesion = lesion_share(*inputs.lesion, params.working_spacing_mm, context);
  }
  const Mask head = head_of(coarse, lesion);
  anatomy::N4Settings settings;
  settings.levels = params.levels;
  settings.iterations = params.iterations;
  settings.convergence = params.convergence;
  settings.first_spans = first_spans(coarse.grid, params.knot_spacing_mm);
  const anatomy::N4Result found = anatomy::n4(coarse, head, settings, context);
  Outputs out;
  const double log_mean = center_field(found.log_field, head, context, out);
  out.corrected = divided(inputs.t1w, found.log_field,
                          anatomy::block_factors(inputs.t1w.grid, params.working_spacing_mm),
                          log_mean, context);
  out.levels_done = params.levels;
  out.iterations_done = found.iterations_done;
  out.last_change = found.last_change;
  out.converged = found.converged;
  return out;
}

std::size_t peak_bytes(const Shape& shape, const Params& params) {
  // The corrected copy, and at the working spacing the image, the head and what N4 holds. Whole
  // factors leave voxels of 2/3 of the working spacing at the least; 20 litres of field of view.
  const double edge = params.working_spacing_mm / 1.5;
  const std::size_t coarse =
      std::min(shape.n_voxels, static_cast<std::size_t>(2.0e7 / (edge * edge * edge)));
  constexpr double kLongestMm = 400.0;
  anatomy::N4Settings settings;
  settings.levels = params.levels;
  settings.first_spans.fill(static_cast<int>(std::ceil(kLongestMm / params.knot_spacing_mm)));
  return shape.n_voxels * sizeof(float) + 5 * coarse +
         anatomy::n4_peak_bytes(coarse, kLongestMm / edge, settings) + (std::size_t{4} << 20U);
}

} // namespace boldmill::bias_field
