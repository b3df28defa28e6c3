#include "stages/anatomy/t1w_average.hpp"

#include <algorithm>
#include <cmath>

#include "stages/anatomy/kernels/affine_fit.hpp"
#include "stages/anatomy/kernels/block_average.hpp"
#include "stages/anatomy/kernels/checks.hpp"
#include "stages/core/interpolate.hpp"
#include "stages/core/parallel.hpp"
#include "stages/core/statistics.hpp"

namespace boldmill::t1w_average {
namespace {

constexpr double kLevelsMm[] = {8.0, 4.0, 2.0};
constexpr std::size_t kMaxSamples = 200000;
constexpr std::size_t kGrain = 1 << 16;

// Brightness of the head: the median of what is brighter than half of the 99th percentile, which
// air and noise are not.
double brightness(const Volume& image) {
  std::vector<double> values;
  const std::size_t stride = std::max<std::size_t>(1, image.data.size() / 500000);
  for (std::size_t v = 0; v < image.data.size(); v += stride) {
    values.push_back(static_cast<double>(image.data[v]));
  }
  const auto bright =
      values.begin() + static_cast<std::ptrdiff_t>(0.99 * static_cast<double>(values.size() - 1));
  std::nth_element(values.begin(), bright, values.end());
  const double limit = 0.5 * *bright;
  std::erase_if(values, [limit](double value) { return !(value > limit); });
  return median(std::move(values));
}

// The voxels of the head and what surrounds it; air says nothing of the pose.
anatomy::FixedSamples samples_of(const Volume& image, double limit) {
  anatomy::FixedSamples samples;
  samples.center_mm = center_of_mass_mm(image);
  std::size_t n_bright = 0;
  for (const float value : image.data) n_bright += static_cast<double>(value) > limit ? 1 : 0;
  const std::size_t stride = std::max<std::size_t>(1, n_bright / kMaxSamples);
  std::size_t seen = 0;
  for (std::size_t v = 0; v < image.data.size(); ++v) {
    if (!(static_cast<double>(image.data[v]) > limit) || seen++ % stride != 0) continue;
    const auto [i, j, k] = image.grid.coordinates(v);
    const Eigen::Vector3f mm =
        (image.grid.to_mm(Eigen::Vector3d(i, j, k)) - samples.center_mm).cast<float>();
    samples.point_mm.insert(samples.point_mm.end(), {mm[0], mm[1], mm[2]});
    samples.value.push_back(image.data[v]);
  }
  return samples;
}

anatomy::FitResult align(const Volume& first, const Volume& image, double level_of_first,
                         const Context& context) {
  anatomy::FitResult fit;
  for (const double spacing : kLevelsMm) {
    const Volume fixed = anatomy::block_average(first, spacing, context);
    const Volume moving = anatomy::block_average(image, spacing, context);
    const anatomy::FixedSamples samples = samples_of(fixed, 0.2 * level_of_first);
    fit = anatomy::fit_affine(samples, moving, fit.fixed_to_moving,
                              {anatomy::Freedom::rigid, 60, 0.002}, context);
  }
  return fit;
}

// Adds gain * image where it covers the grid of the sum; counts what was added.
void add(const Volume& image, const Affine& sum_to_image, double gain, Volume& sum,
         std::vector<float>& weight, const Context& context) {
  const PointMap map{{sum_to_image}};
  const float outside = -1e30F;
  const Volume moved =
      resample(image, sum.grid, map, Interpolation::cubic_bspline, context, outside);
  parallel_blocks(context, sum.data.size(), kGrain, [&](std::size_t begin, std::size_t end) {
    for (std::size_t v = begin; v < end; ++v) {
      if (moved.data[v] == outside) continue;
      sum.data[v] += static_cast<float>(gain) * std::max(0.0F, moved.data[v]);
      weight[v] += 1.0F;
    }
  });
}

} // namespace

Outputs run(const Inputs& inputs, const Params& params, const Context& context) {
  if (inputs.images.empty()) {
    throw Error(ErrorKind::input, "T1w average: found no image, expected at least one");
  }
  for (const Volume& image : inputs.images) anatomy::require_image(image, "T1w");
  const Volume& first = inputs.images.front();
  Outputs out;
  out.average = first;
  out.first_to_image.assign(inputs.images.size(), Affine::Identity());
  out.correlation.assign(inputs.images.size(), 1.0);
  out.used.assign(inputs.images.size(), 0);
  out.used[0] = 1;
  if (!params.enabled) return out;
  const double level = brightness(first);
  const Eigen::Vector3d center = center_of_mass_mm(first);
  std::vector<float> weight(first.data.size(), 1.0F);
  for (std::size_t n = 1; n < inputs.images.size(); ++n) {
    const Volume& image = inputs.images[n];
    const anatomy::FitResult fit = align(first, image, level, context);
    out.first_to_image[n] = fit.fixed_to_moving;
    out.correlation[n] = fit.correlation;
    const double moved = rms_displacement_mm(fit.fixed_to_moving, Affine::Identity(), center, 80.0);
    if (!(fit.correlation >= params.min_correlation) || moved > params.max_displacement_mm) {
      continue;
    }
    out.used[n] = 1;
    add(image, fit.fixed_to_moving, level / brightness(image), out.average, weight, context);
  }
  for (std::size_t v = 0; v < weight.size(); ++v) out.average.data[v] /= weight[v];
  return out;
}

std::size_t peak_bytes(const Shape& shape, const Params&) {
  return shape.n_voxels * 5 * sizeof(float); // average, weights, coefficients, the moved image
}

} // namespace boldmill::t1w_average
