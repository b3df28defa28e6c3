#include "stages/functional/fieldmap_free.hpp"

#include <algorithm>
#include <cmath>

#include "stages/core/error.hpp"
#include "stages/core/interpolate.hpp"
#include "stages/core/morphology.hpp"
#include "stages/core/smooth.hpp"
#include "stages/core/statistics.hpp"
#include "stages/functional/kernels/line_shift.hpp"

namespace boldmill::fieldmap_free {
namespace {

constexpr double kDomain_mm = 3.0;

// T1w intensities turned round, so that they rise as those of a T2*-weighted image do: fluid above
// grey above white matter, in about its proportions, and all above what lies outside.
void invert(Volume& brain, const Mask& mask) {
  constexpr double kLevel = 2.2; // times the brightest white matter
  std::vector<double> values;
  for (const std::size_t v : indices_of(mask)) {
    values.push_back(static_cast<double>(brain.data[v]));
  }
  const auto top = static_cast<float>(kLevel * quantile(std::move(values), 0.99));
  for (const std::size_t v : indices_of(mask)) {
    brain.data[v] = std::max(0.0F, top - brain.data[v]);
  }
}

// The brain scaled to a mean of 1, nothing outside.
Volume brain_of(const Volume& image, const Mask& mask, bool inverted, const char* name) {
  if (!mask.grid.same_as(image.grid) || count(mask) == 0) {
    throw Error(ErrorKind::input, std::string("fieldmap_free: the mask of the ") + name +
                                      " is empty or on another grid");
  }
  Volume out(image.grid);
  for (std::size_t v = 0; v < out.data.size(); ++v) {
    if (mask.data[v] != 0 && std::isfinite(image.data[v])) out.data[v] = image.data[v];
  }
  if (inverted) invert(out, mask);
  double sum = 0.0;
  for (const float value : out.data) sum += static_cast<double>(value);
  const double mean = sum / static_cast<double>(count(mask));
  if (!(mean > 0.0)) {
    throw Error(ErrorKind::input, std::string("fieldmap_free: no signal in the ") + name);
  }
  for (float& value : out.data) value /= static_cast<float>(mean);
  return out;
}

LineShiftLevel make_level(const Inputs& inputs, int axis, const Volume& bold, const Volume& t1w,
                          double spacing_mm, const Params& params, const Context& context) {
  const Volume moving = downsample(bold, spacing_mm, context);
  const Grid& grid = moving.grid;
  const PointMap to_t1w{{inputs.bold_to_t1w}};
  // As blurred as the moving image.
  const double sigma = grid.spacing_mm().mean() / kFwhmPerSigma;
  const Volume fixed =
      resample(gaussian_smooth(t1w, sigma, context), grid, to_t1w, Interpolation::linear, context);
  const Mask brain = resample_mask(*inputs.t1w_mask, grid, to_t1w, context);
  if (count(brain) == 0) {
    throw Error(ErrorKind::input, "fieldmap_free: the T1w brain lies outside the BOLD");
  }
  const Mask domain = dilate(brain, kDomain_mm, context);
  return {LineCorrelation(fixed, moving, domain, axis, params.window_radius),
          axis,
          {params.smoothness, params.max_shift_mm, params.max_iterations},
          context};
}

// The shift in mm along one axis of the BOLD that brings the images to agree, coarse to fine.
struct Estimate {
  Volume shift_mm; // on the finest level's grid
  double r2_before = 0.0;
  double r2_after = 0.0;
};

Estimate estimate_along(const Inputs& inputs, int axis, const Volume& bold, const Volume& t1w,
                        const Params& params, const Context& context) {
  Estimate out;
  Volume& b = out.shift_mm;
  for (std::size_t n = 0; n < params.level_spacing_mm.size(); ++n) {
    const double spacing = params.level_spacing_mm[n];
    const Grid grid = downsample(bold, spacing, context).grid;
    const LineShiftLevel level = make_level(inputs, axis, bold, t1w, spacing, params, context);
    b = n == 0 ? Volume(grid) : resample(b, grid, PointMap{}, Interpolation::linear, context);
    level.minimise(b.data);
    if (n + 1 < params.level_spacing_mm.size()) continue;
    out.r2_before = level.r2(std::vector<float>(b.data.size(), 0.0F));
    out.r2_after = level.r2(b.data);
  }
  return out;
}

// Takes the median inside the BOLD's mask away: a shift of the whole brain is coregistration's.
// Returns a quantile of the size of what stays there.
double center(Volume& shift_mm, const Mask& bold_mask, double q, const Context& context) {
  const Mask inside = resample_mask(bold_mask, shift_mm.grid, PointMap{}, context);
  std::vector<double> values;
  for (const std::size_t v : indices_of(inside)) {
    values.push_back(static_cast<double>(shift_mm.data[v]));
  }
  if (values.empty()) return 0.0;
  const double middle = median(values);
  for (float& b : shift_mm.data) b -= static_cast<float>(middle);
  for (double& b : values) b = std::abs(b - middle);
  return quantile(std::move(values), q);
}

// Garrote: b (1 - t^2 / b^2) beyond t, nothing below.
void shrink(Volume& shift, double threshold) {
  const auto t2 = static_cast<float>(threshold * threshold);
  for (float& b : shift.data) b = b * b > t2 ? b * (1.0F - t2 / (b * b)) : 0.0F;
}

} // namespace

Outputs run(const Inputs& inputs, const Params& params, const Context& context) {
  if (inputs.boldref == nullptr || inputs.bold_mask == nullptr || inputs.t1w == nullptr ||
      inputs.t1w_mask == nullptr) {
    throw Error(ErrorKind::internal, "fieldmap_free: an image is missing");
  }
  if (params.level_spacing_mm.empty()) {
    throw Error(ErrorKind::usage, "fieldmap_free: level_spacing_mm: found none, expected one");
  }
  const Volume bold = brain_of(*inputs.boldref, *inputs.bold_mask, false, "BOLD reference");
  const Volume t1w = brain_of(*inputs.t1w, *inputs.t1w_mask, true, "T1w");
  Outputs out;
  Estimate found = estimate_along(inputs, inputs.axis, bold, t1w, params, context);
  // Nothing is distorted along the other axes: what is found there is what noise, contrast and
  // coregistration make of no shift.
  for (int axis = 0; axis < 3; ++axis) {
    if (axis == inputs.axis || params.control_factor == 0.0) continue;
    Estimate control = estimate_along(inputs, axis, bold, t1w, params, context);
    out.control_gain = std::max(out.control_gain, control.r2_after - control.r2_before);
    out.control_mm = std::max(out.control_mm, center(control.shift_mm, *inputs.bold_mask,
                                                     params.control_quantile, context));
  }
  Volume& b = found.shift_mm;
  (void)center(b, *inputs.bold_mask, params.control_quantile, context);
  out.r2_before = found.r2_before;
  out.r2_after = found.r2_after;
  const double least_mm = params.min_shift_voxels * inputs.boldref->grid.spacing_mm()[inputs.axis];
  shrink(b, std::max(params.control_factor * out.control_mm, least_mm));
  const Grid& native = inputs.boldref->grid;
  out.shift_voxels = resample(b, native, PointMap{}, Interpolation::linear, context);
  const auto per_mm = static_cast<float>(1.0 / native.spacing_mm()[inputs.axis]);
  for (std::size_t v = 0; v < out.shift_voxels.data.size(); ++v) {
    if (inputs.bold_mask->data[v] != 0) {
      out.max_shift_mm =
          std::max(out.max_shift_mm, std::abs(static_cast<double>(out.shift_voxels.data[v])));
    }
    out.shift_voxels.data[v] *= per_mm;
  }
  const double gain = out.r2_after - out.r2_before;
  const auto number = [](double value) { return std::to_string(value).substr(0, 5); };
  if (gain < params.min_gain) {
    out.reason = "the agreement with the T1w hardly gains (r2 " + number(out.r2_before) + " to " +
                 number(out.r2_after) + ")";
  } else if (params.control_factor > 0.0 && gain <= out.control_gain) {
    out.reason = "the agreement with the T1w gains no more (r2 by " + number(gain) +
                 ") than along an axis without distortion (by " + number(out.control_gain) + ")";
  } else if (!(out.max_shift_mm > 0.0)) {
    out.reason = "no shift is larger than those found along the axes without distortion (" +
                 number(out.control_mm) + " mm)";
  }
  out.corrected = out.reason.empty();
  if (!out.corrected) {
    std::fill(out.shift_voxels.data.begin(), out.shift_voxels.data.end(), 0.0F);
  }
  return out;
}

std::size_t peak_bytes(const Shape& shape, const Params& /*params*/) {
  return shape.n_t1w_voxels * 2 * sizeof(float) + shape.n_bold_voxels * 28 * sizeof(float);
}

} // namespace boldmill::fieldmap_free
