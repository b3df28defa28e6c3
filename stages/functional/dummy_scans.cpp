#include "stages/functional/dummy_scans.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "stages/core/parallel.hpp"
#include "stages/core/planned_threads.hpp"
#include "stages/core/statistics.hpp"

namespace boldmill::dummy_scans {
namespace {

// Voxels per volume that enter the percentile.
constexpr std::size_t kPercentileSample = 50000;

double percentile(const VolumeSource& bold, int n_volumes, double percent) {
  const std::size_t stride = std::max<std::size_t>(1, bold.grid.n_voxels() / kPercentileSample);
  std::vector<float> sample;
  sample.reserve(static_cast<std::size_t>(n_volumes) *
                 ((bold.grid.n_voxels() + stride - 1) / stride));
  std::vector<float> buffer;
  for (int t = 0; t < n_volumes; ++t) {
    const float* volume = bold.read(t, buffer);
    for (std::size_t v = 0; v < bold.grid.n_voxels(); v += stride) {
      if (std::isfinite(volume[v])) sample.push_back(volume[v]);
    }
  }
  if (sample.empty()) return std::numeric_limits<double>::infinity();
  const auto rank =
      static_cast<std::ptrdiff_t>(percent / 100.0 * static_cast<double>(sample.size() - 1));
  std::nth_element(sample.begin(), sample.begin() + rank, sample.end());
  return static_cast<double>(sample[static_cast<std::size_t>(rank)]);
}

double clipped_mean(const float* volume, std::size_t n_voxels, double ceiling) {
  double sum = 0.0;
  std::size_t n = 0;
  for (std::size_t v = 0; v < n_voxels; ++v) {
    if (!std::isfinite(volume[v])) continue;
    sum += std::clamp(static_cast<double>(volume[v]), 0.0, std::max(ceiling, 0.0));
    ++n;
  }
  return n > 0 ? sum / static_cast<double>(n) : std::numeric_limits<double>::quiet_NaN();
}

} // namespace

int leading_outliers(std::span<const double> series, double threshold) {
  const double center = median({series.begin(), series.end()});
  const double spread = median_absolute_deviation({series.begin(), series.end()});
  if (!std::isfinite(center) || !(spread > 1e-9 * std::abs(center))) return 0;
  int n = 0;
  for (const double value : series) {
    if (!(0.6745 * std::abs(value - center) / spread > threshold)) return n;
    ++n;
  }
  return 0;
}

Outputs run(const Inputs& inputs, const Params& params, const Context& context) {
  check_source(inputs.bold, kStage.name);
  const int n_volumes = std::min(inputs.bold.n_volumes, params.window);
  const double ceiling = percentile(inputs.bold, n_volumes, params.clip_percentile);
  Outputs out;
  out.mean_signal.resize(n_volumes);
  parallel_blocks(context, static_cast<std::size_t>(n_volumes), 4,
                  [&](std::size_t begin, std::size_t end) {
                    std::vector<float> buffer;
                    for (std::size_t t = begin; t < end; ++t) {
                      const float* volume = inputs.bold.read(static_cast<int>(t), buffer);
                      out.mean_signal[static_cast<Eigen::Index>(t)] =
                          clipped_mean(volume, inputs.bold.grid.n_voxels(), ceiling);
                    }
                  });
  out.n_dummies = leading_outliers({out.mean_signal.data(), static_cast<std::size_t>(n_volumes)},
                                   params.threshold);
  return out;
}

std::size_t peak_bytes(const Shape& shape, const Params& params) {
  const std::size_t volumes = std::min(shape.n_volumes, static_cast<std::size_t>(params.window));
  const std::size_t sample = std::min(shape.n_voxels, 2 * kPercentileSample) * volumes;
  // The sample beside one volume, then a volume a thread.
  return std::max(sample + shape.n_voxels, kPlannedThreads * shape.n_voxels) * sizeof(float);
}

} // namespace boldmill::dummy_scans
