#include "stages/functional/boldref.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "stages/core/error.hpp"
#include "stages/core/parallel.hpp"
#include "stages/core/planned_threads.hpp"
#include "stages/functional/kernels/rigid_matching.hpp"

namespace boldmill::boldref {
namespace {

constexpr double kLostCorrelation = 0.5;
constexpr std::size_t kGrain = 4096;

std::vector<int> choose_volumes(const Inputs& inputs, const Params& params) {
  const int n_dummies = std::clamp(inputs.n_dummies, 0, inputs.bold.n_volumes);
  int first = n_dummies;
  int last = inputs.bold.n_volumes;
  if (params.use_dummies && n_dummies >= 2) {
    first = 0;
    last = n_dummies;
  } else if (n_dummies == inputs.bold.n_volumes) {
    first = last - 1;
  }
  last = std::min(last, std::max(params.last_volume, first + params.n_average));
  first = std::max(first, last - params.n_average);
  std::vector<int> volumes;
  for (int t = first; t < last; ++t) volumes.push_back(t);
  return volumes;
}

double positive_mean(const std::vector<float>& volume) {
  double sum = 0.0;
  std::size_t n = 0;
  for (const float value : volume) {
    if (!(value > 0.0F) || !std::isfinite(value)) continue;
    sum += static_cast<double>(value);
    ++n;
  }
  return n > 0 ? sum / static_cast<double>(n) : 0.0;
}

Volume read_volume(const VolumeSource& bold, int t) {
  Volume volume(bold.grid);
  std::vector<float> buffer;
  const float* data = bold.read(t, buffer);
  for (std::size_t v = 0; v < volume.data.size(); ++v) {
    volume.data[v] = std::isfinite(data[v]) ? data[v] : 0.0F;
  }
  return volume;
}

// One volume in the pose of the reference, NaN outside its field of view, times `scale`.
std::vector<float> in_reference_pose(const Volume& volume, const Affine& ref_to_volume,
                                     double scale, const Context& context) {
  BsplineCoefficients spline;
  spline.interpolate(volume.data.data(), volume.grid.shape);
  const Eigen::Matrix4f m =
      (volume.grid.affine.inverse() * ref_to_volume * volume.grid.affine).cast<float>();
  std::vector<float> out(volume.data.size(), std::numeric_limits<float>::quiet_NaN());
  parallel_blocks(context, out.size(), kGrain, [&](std::size_t begin, std::size_t end) {
    for (std::size_t v = begin; v < end; ++v) {
      const auto [i, j, k] = volume.grid.coordinates(v);
      const Eigen::Vector4f x = m * Eigen::Vector4f(static_cast<float>(i), static_cast<float>(j),
                                                    static_cast<float>(k), 1.0F);
      if (!spline.inside(x[0], x[1], x[2])) continue;
      out[v] = std::max(0.0F, static_cast<float>(scale) * spline.evaluate(x[0], x[1], x[2]));
    }
  });
  return out;
}

// Median over the volumes with a value; 0 where there is none.
void voxelwise_median(const std::vector<std::vector<float>>& volumes, std::vector<float>& out,
                      const Context& context) {
  parallel_blocks(context, out.size(), kGrain, [&](std::size_t begin, std::size_t end) {
    std::vector<float> values;
    for (std::size_t v = begin; v < end; ++v) {
      values.clear();
      for (const auto& volume : volumes) {
        if (!std::isnan(volume[v])) values.push_back(volume[v]);
      }
      if (values.empty()) {
        out[v] = 0.0F;
        continue;
      }
      const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
      std::nth_element(values.begin(), middle, values.end());
      out[v] = *middle;
      if (values.size() % 2 == 0)
        out[v] = 0.5F * (*middle + *std::max_element(values.begin(), middle));
    }
  });
}

} // namespace

Outputs run(const Inputs& inputs, const Params& params, const Context& context) {
  check_source(inputs.bold, kStage.name);
  Outputs out;
  out.volumes = choose_volumes(inputs, params);
  const std::size_t n = out.volumes.size();
  const std::size_t seed = n / 2;
  out.reference = read_volume(inputs.bold, out.volumes[seed]);
  const double level = positive_mean(out.reference.data);
  const RigidReference reference(out.reference, RigidMatchOptions{});
  out.ref_to_volume.assign(n, Affine::Identity());
  if (n == 1) return out;

  std::vector<std::vector<float>> aligned(n);
  std::vector<std::uint8_t> good(n, 1);
  parallel_blocks(context, n, 1, [&](std::size_t begin, std::size_t end) {
    RigidReference::Scratch scratch;
    for (std::size_t s = begin; s < end; ++s) {
      const Volume volume = read_volume(inputs.bold, out.volumes[s]);
      if (s != seed) {
        const RigidMatch match =
            reference.match(volume.data.data(), Affine::Identity(), false, scratch);
        good[s] = match.converged && match.correlation > kLostCorrelation ? 1 : 0;
        out.ref_to_volume[s] = match.ref_to_volume;
      }
      const double mean = positive_mean(volume.data);
      if (good[s] == 0 || !(mean > 0.0)) continue;
      aligned[s] = in_reference_pose(volume, out.ref_to_volume[s], level / mean, context);
    }
  });
  std::vector<std::vector<float>> used;
  Outputs kept;
  for (std::size_t s = 0; s < n; ++s) {
    if (aligned[s].empty()) {
      kept.aligned = false;
      continue;
    }
    kept.volumes.push_back(out.volumes[s]);
    kept.ref_to_volume.push_back(out.ref_to_volume[s]);
    used.push_back(std::move(aligned[s]));
  }
  kept.reference = std::move(out.reference);
  voxelwise_median(used, kept.reference.data, context);
  return kept;
}

std::size_t peak_bytes(const Shape& shape, const Params& params) {
  const std::size_t n = std::min(shape.n_volumes, static_cast<std::size_t>(params.n_average));
  // The volumes averaged, reference and median; of each thread a volume, its padded copy, its
  // coefficients and its moved image; the reference's points.
  constexpr std::size_t kPointBytes = 88;
  const RigidMatchOptions options;
  const std::size_t points = std::min(shape.n_voxels, static_cast<std::size_t>(options.n_points));
  return (n + 4 + 4 * kPlannedThreads) * shape.n_voxels * sizeof(float) + points * kPointBytes;
}

} // namespace boldmill::boldref
