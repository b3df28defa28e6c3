#include "stages/anatomy/brain_mask.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

#include "stages/anatomy/kernels/block_average.hpp"
#include "stages/anatomy/kernels/brain_levels.hpp"
#include "stages/anatomy/kernels/checks.hpp"
#include "stages/anatomy/kernels/morphology.hpp"
#include "stages/anatomy/kernels/otsu.hpp"
#include "stages/anatomy/kernels/template_space.hpp"
#include "stages/core/error.hpp"
#include "stages/core/interpolate.hpp"

namespace boldmill::brain_mask {
namespace {

constexpr int kWindowRadius = 2;
constexpr double kWorkingMm = 1.4; // masks are corrected at about this voxel size
constexpr double kCropMm = 25.0;   // kept around the carried mask
constexpr double kRimMm = 12.0;    // beyond this a skull-stripped image holds nothing
constexpr double kOpeningMm = 2.5; // breaks the bridges to dura, eyes and vessels
constexpr double kClosingMm = 6.0; // covers the sulci
constexpr double kStrippedShare = 0.02;

PointMap fit_template(const Inputs& inputs, const Params& params, const Context& context) {
  std::vector<double> spacing{8.0};
  std::vector<int> iterations{40};
  for (double s = 4.0; s >= params.finest_spacing_mm; s *= 0.5) {
    spacing.push_back(s);
    iterations.push_back(20);
  }
  const anatomy::BrainPair pair{inputs.t1w,
                                nullptr,
                                inputs.template_brain,
                                inputs.template_mask,
                                inputs.t1w_to_template,
                                inputs.lesion,
                                kWindowRadius};
  const auto levels = anatomy::brain_levels(pair, spacing, iterations, 0.0, context);
  anatomy::DiffeomorphicSettings settings;
  settings.window_radius = kWindowRadius;
  settings.update_sigma_voxels = 2.5;
  settings.total_sigma_voxels = 1.0;
  const auto fit = anatomy::register_symmetric(levels, settings, context);
  const auto maps = anatomy::both_ways(fit, context);
  PointMap t1w_to_template;
  t1w_to_template.then(inputs.t1w_to_template)
      .then(anatomy::to_millimetres(maps.moving_to_fixed, fit.grid));
  return t1w_to_template;
}

Grid crop_around(const Grid& grid, const Inputs& inputs) {
  // The template brain's box in voxels of `grid`, by its corners and the affine.
  const Grid box = anatomy::working_grid(inputs.template_mask, 10.0, kCropMm);
  const Eigen::Matrix4d map = grid.affine.inverse() * inputs.t1w_to_template.inverse() * box.affine;
  Eigen::Vector3d low = Eigen::Vector3d::Constant(1e30);
  Eigen::Vector3d high = -low;
  for (int corner = 0; corner < 8; ++corner) {
    const Eigen::Vector3d x((corner & 1) != 0 ? box.shape[0] - 1.0 : 0.0,
                            (corner & 2) != 0 ? box.shape[1] - 1.0 : 0.0,
                            (corner & 4) != 0 ? box.shape[2] - 1.0 : 0.0);
    const Eigen::Vector3d y = map.topLeftCorner<3, 3>() * x + map.topRightCorner<3, 1>();
    low = low.cwiseMin(y);
    high = high.cwiseMax(y);
  }
  Grid out = grid;
  Eigen::Vector3d first;
  for (int axis = 0; axis < 3; ++axis) {
    const int n = grid.shape[static_cast<std::size_t>(axis)];
    const int from = std::clamp(static_cast<int>(std::floor(low[axis])), 0, n - 1);
    const int to = std::clamp(static_cast<int>(std::ceil(high[axis])), from, n - 1);
    out.shape[static_cast<std::size_t>(axis)] = to - from + 1;
    first[axis] = from;
  }
  out.affine.topRightCorner<3, 1>() = grid.to_mm(first);
  return out;
}

struct Bounds {
  float low = 0.0F;  // between CSF and grey matter
  float high = 0.0F; // above white matter: fat, vessels
};

// Otsu's threshold inside the eroded mask parts tissue from CSF badly when CSF is scarce; the
// median of the core is tissue for certain, and CSF lies below half of the way to it from the dark
// end.
Bounds tissue_bounds(const Volume& image, const Mask& core) {
  std::vector<float> values;
  for (std::size_t v = 0; v < core.data.size(); ++v) {
    if (core.data[v] != 0) values.push_back(image.data[v]);
  }
  if (values.size() < 100) return {0.0F, 1e30F};
  const auto at = [&](double q) {
    const auto n = values.begin() + static_cast<std::ptrdiff_t>(q * double(values.size() - 1));
    std::nth_element(values.begin(), n, values.end());
    return *n;
  };
  const float dark = at(0.005);
  const float middle = at(0.5);
  const float white = at(0.9);
  return {dark + 0.5F * (middle - dark), white + 0.6F * (white - dark)};
}

Mask both(const Mask& a, const Mask& b) {
  Mask out(a.grid);
  for (std::size_t v = 0; v < out.data.size(); ++v) out.data[v] = a.data[v] & b.data[v];
  return out;
}

Mask either(const Mask& a, const Mask& b) {
  Mask out(a.grid);
  for (std::size_t v = 0; v < out.data.size(); ++v) out.data[v] = a.data[v] | b.data[v];
  return out;
}

Mask without(const Mask& a, const Mask& b) {
  Mask out = a;
  for (std::size_t v = 0; v < out.data.size(); ++v) {
    if (b.data[v] != 0) out.data[v] = 0;
  }
  return out;
}

Mask close(const Mask& mask, double mm, const Context& context) {
  return anatomy::erode(anatomy::dilate(mask, mm, context), mm, context);
}

Mask open_and_keep_largest(const Mask& mask, double mm, const Context& context) {
  const Mask inner = anatomy::largest_component(anatomy::erode(mask, mm, context));
  return both(anatomy::dilate(inner, mm, context), mask);
}

// The image decides between the carried edge moved inwards by `margin_mm` and outwards by half of
// it: muscle and dura have the brain's intensities, and the carried edge errs outwards.
// What a lesion looks like tells nothing; where the carried mask holds it, it belongs to the brain.
Mask refine(const Volume& image, const Mask& carried, const Mask& lesion, double margin_mm,
            const Context& context) {
  Mask core = anatomy::erode(carried, std::max(margin_mm, 1.0), context);
  const Mask reach = anatomy::dilate(carried, 0.5 * margin_mm, context);
  const Bounds bounds = tissue_bounds(image, without(core, lesion));
  core = either(core, both(lesion, carried));
  Mask tissue(image.grid);
  for (std::size_t v = 0; v < tissue.data.size(); ++v) {
    const float value = image.data[v];
    tissue.data[v] = value > bounds.low && value < bounds.high && reach.data[v] != 0 ? 1 : 0;
  }
  Mask mask = open_and_keep_largest(either(tissue, core), kOpeningMm, context);
  mask = both(close(either(mask, core), kClosingMm, context), reach);
  return anatomy::fill_holes(mask);
}

// A brain-only input: its own edge is the mask.
Mask own_edge(const Volume& image, const Mask& carried, const Context& context) {
  const float threshold = 0.2F * anatomy::otsu_threshold(image.data);
  const Mask reach = anatomy::dilate(carried, kRimMm, context);
  Mask mask(image.grid);
  for (std::size_t v = 0; v < mask.data.size(); ++v) {
    mask.data[v] = image.data[v] > threshold && reach.data[v] != 0 ? 1 : 0;
  }
  return anatomy::fill_holes(close(anatomy::largest_component(mask), 3.0, context));
}

bool holds_brain_only(const Volume& t1w, const Inputs& inputs, const Context& context) {
  const Volume coarse = anatomy::block_average(t1w, 4.0, context);
  PointMap to_template;
  to_template.then(inputs.t1w_to_template);
  const Mask brain = resample_mask(inputs.template_mask, coarse.grid, to_template, context);
  const Mask reach = anatomy::dilate(brain, kRimMm, context);
  const float threshold = 0.25F * anatomy::otsu_threshold(coarse.data);
  std::size_t beyond = 0;
  std::size_t bright = 0;
  for (std::size_t v = 0; v < coarse.data.size(); ++v) {
    if (!(coarse.data[v] > threshold)) continue;
    ++bright;
    beyond += reach.data[v] == 0 ? 1U : 0U;
  }
  return static_cast<double>(beyond) < kStrippedShare * static_cast<double>(bright);
}

} // namespace

Outputs run(const Inputs& inputs, const Params& params, const Context& context) {
  anatomy::require_image(inputs.t1w, "T1w");
  anatomy::require_image(inputs.template_brain, "template");
  anatomy::require_mask(inputs.template_mask, inputs.template_brain.grid, "template mask");
  if (inputs.lesion != nullptr) {
    anatomy::require_mask(*inputs.lesion, inputs.t1w.grid, "lesion mask");
  }
  const PointMap t1w_to_template = fit_template(inputs, params, context);
  const Volume reduced = anatomy::block_average(inputs.t1w, kWorkingMm, context);
  const Grid grid = crop_around(reduced.grid, inputs);
  const Volume image = resample(reduced, grid, PointMap{}, Interpolation::nearest, context);
  const Mask carried = resample_mask(inputs.template_mask, grid, t1w_to_template, context);
  if (count(carried) < 1000) {
    throw Error(ErrorKind::input, "T1w: the template's brain falls outside the image");
  }
  Outputs out;
  out.skull_stripped = holds_brain_only(inputs.t1w, inputs, context);
  Mask mask = carried;
  const Mask lesion = inputs.lesion == nullptr
                          ? Mask(grid, 0)
                          : resample_mask(*inputs.lesion, grid, PointMap{}, context);
  if (params.refine) {
    mask = out.skull_stripped ? either(own_edge(image, carried, context), both(lesion, carried))
                              : refine(image, carried, lesion, params.margin_mm, context);
  }
  out.carried_dice = dice(mask, carried);
  out.mask = resample_mask(mask, inputs.t1w.grid, PointMap{}, context);
  const std::size_t n = count(out.mask);
  if (n < 1000) throw Error(ErrorKind::input, "T1w: no brain was found");
  out.volume_ml = static_cast<double>(n) * inputs.t1w.grid.voxel_volume_mm3() * 1e-3;
  return out;
}

std::size_t peak_bytes(const Shape& shape, const Params& params) {
  const double edge = params.finest_spacing_mm;
  const double working = 6.0e6 / (edge * edge * edge);
  const double crop =
      std::min(static_cast<double>(shape.n_voxels), 8.0e6 / (kWorkingMm * kWorkingMm * kWorkingMm));
  return shape.n_voxels * 6 + shape.n_template_voxels * 9 +
         static_cast<std::size_t>(working * 45.0 * 4.0 + crop * 24.0);
}

} // namespace boldmill::brain_mask
