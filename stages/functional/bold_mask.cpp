#include "stages/functional/bold_mask.hpp"

#include <algorithm>
#include <cmath>

#include "stages/core/error.hpp"
#include "stages/core/morphology.hpp"
#include "stages/core/smooth.hpp"

namespace boldmill::bold_mask {
namespace {

constexpr int kBins = 256;
constexpr double kFlattenSigmaMm = 20.0;
constexpr double kClipQuantile = 0.995;

double upper_value(const std::vector<float>& values) {
  std::vector<float> positive;
  for (const float v : values) {
    if (v > 0.0F) positive.push_back(v);
  }
  if (positive.empty()) return 0.0;
  const auto rank =
      static_cast<std::ptrdiff_t>(kClipQuantile * static_cast<double>(positive.size() - 1));
  std::nth_element(positive.begin(), positive.begin() + rank, positive.end());
  return static_cast<double>(positive[static_cast<std::size_t>(rank)]);
}

// Otsu's threshold of the positive values, clipped at `top`.
double otsu(const std::vector<float>& values, double top) {
  std::vector<double> histogram(kBins, 0.0);
  double n = 0.0;
  for (const float v : values) {
    if (!(v > 0.0F)) continue;
    const double x = std::min(static_cast<double>(v) / top, 1.0);
    histogram[static_cast<std::size_t>(std::min(kBins - 1, static_cast<int>(x * kBins)))] += 1.0;
    n += 1.0;
  }
  double total = 0.0;
  for (int b = 0; b < kBins; ++b) total += histogram[static_cast<std::size_t>(b)] * b;
  double below = 0.0;
  double below_sum = 0.0;
  double best = -1.0;
  int threshold = 0;
  for (int b = 0; b < kBins; ++b) {
    below += histogram[static_cast<std::size_t>(b)];
    below_sum += histogram[static_cast<std::size_t>(b)] * b;
    if (below == 0.0 || below == n) continue;
    const double difference = below_sum / below - (total - below_sum) / (n - below);
    const double between = below * (n - below) * difference * difference;
    if (between > best) {
      best = between;
      threshold = b + 1;
    }
  }
  return top * threshold / kBins;
}

Mask above(const Volume& volume, double threshold) {
  Mask mask(volume.grid);
  for (std::size_t v = 0; v < mask.data.size(); ++v) {
    mask.data[v] = static_cast<double>(volume.data[v]) > threshold ? 1 : 0;
  }
  return mask;
}

// Divides by the local mean of the tissue, so that one threshold serves near and far from the
// coils.
Volume flatten(const Volume& volume, const Mask& tissue, const Context& context) {
  Volume sum = volume;
  Volume weight(volume.grid);
  for (std::size_t v = 0; v < tissue.data.size(); ++v) {
    weight.data[v] = tissue.data[v] != 0 ? 1.0F : 0.0F;
    sum.data[v] *= weight.data[v];
  }
  sum = gaussian_smooth(std::move(sum), kFlattenSigmaMm, context);
  weight = gaussian_smooth(std::move(weight), kFlattenSigmaMm, context);
  Volume flat = volume;
  for (std::size_t v = 0; v < flat.data.size(); ++v) {
    const float mean = weight.data[v] > 0.02F ? sum.data[v] / weight.data[v] : 0.0F;
    flat.data[v] = mean > 0.0F ? volume.data[v] / mean : 0.0F;
  }
  return flat;
}

Mask closed(const Mask& mask, double mm, const Context& context) {
  return fill_holes(erode(dilate(mask, mm, context), mm, context));
}

void check(const Inputs& inputs) {
  if (inputs.reference == nullptr) throw Error(ErrorKind::internal, "bold_mask: no reference");
  if (inputs.prior != nullptr && !inputs.prior->grid.same_as(inputs.reference->grid)) {
    throw Error(ErrorKind::input, "bold_mask: the prior is not on the grid of the reference");
  }
}

} // namespace

Outputs run(const Inputs& inputs, const Params& params, const Context& context) {
  check(inputs);
  Volume clean = *inputs.reference;
  for (float& value : clean.data) value = std::isfinite(value) && value > 0.0F ? value : 0.0F;
  const double top = upper_value(clean.data);
  const auto [low, high] = std::minmax_element(clean.data.begin(), clean.data.end());
  if (!(top > 0.0) || *low == *high) {
    throw Error(ErrorKind::input,
                "bold_mask: found a reference without contrast, expected an image of a head");
  }
  Outputs out;
  const double first = params.threshold_fraction * otsu(clean.data, top);
  const Volume flat = flatten(clean, above(clean, first), context);
  out.threshold = params.threshold_fraction * otsu(flat.data, upper_value(flat.data));
  Mask tissue = above(flat, out.threshold);
  for (std::size_t v = 0; v < tissue.data.size(); ++v) {
    if (static_cast<double>(clean.data[v]) < 0.25 * first) tissue.data[v] = 0;
  }
  if (inputs.prior != nullptr) {
    const Mask allowed = dilate(*inputs.prior, params.prior_dilation_mm, context);
    for (std::size_t v = 0; v < tissue.data.size(); ++v) tissue.data[v] &= allowed.data[v];
    out.mask = closed(largest_component(tissue), params.prior_dilation_mm, context);
    for (std::size_t v = 0; v < out.mask.data.size(); ++v) out.mask.data[v] &= allowed.data[v];
  } else {
    const Mask core = largest_component(erode(tissue, params.opening_mm, context));
    Mask opened = dilate(core, params.opening_mm * 1.1, context);
    for (std::size_t v = 0; v < tissue.data.size(); ++v) opened.data[v] &= tissue.data[v];
    out.mask = closed(largest_component(opened), params.opening_mm, context);
  }
  const auto n = static_cast<double>(count(out.mask));
  out.volume_ml = n * inputs.reference->grid.voxel_volume_mm3() / 1000.0;
  const double share = n / static_cast<double>(out.mask.data.size());
  out.doubtful = share < 0.05 || share > 0.9;
  return out;
}

std::size_t peak_bytes(const Shape& shape, const Params& /*params*/) {
  return shape.n_voxels * (5 * sizeof(float) + 2 * sizeof(float) + 6);
}

} // namespace boldmill::bold_mask
