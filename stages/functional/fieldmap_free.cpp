#include "stages/functional/fieldmap_free.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "stages/core/error.hpp"
#include "stages/core/interpolate.hpp"
#include "stages/core/morphology.hpp"
#include "stages/core/parallel.hpp"
#include "stages/core/smooth.hpp"
#include "stages/core/statistics.hpp"
#include "stages/functional/kernels/line_correlation.hpp"

namespace boldmill::fieldmap_free {
namespace {

constexpr std::size_t kBlock = 4096;
constexpr double kSteepest = 0.8; // largest slope of the shift, voxels per voxel
constexpr double kConverged = 1e-4;
constexpr int kSolverSteps = 40;
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

// One level: value, Newton steps. Unknown is the shift in mm.
class Level {
public:
  Level(LineCorrelation correlation, int axis, const Params& params, const Context& context)
      : correlation_(std::move(correlation)), axis_(static_cast<std::size_t>(axis)),
        params_(params), context_(context) {
    const Eigen::Vector3d spacing = correlation_.grid().spacing_mm();
    std::size_t stride = 1;
    for (std::size_t a = 0; a < 3; ++a) {
      length_[a] = static_cast<std::size_t>(correlation_.grid().shape[a]);
      stride_[a] = stride;
      stride *= length_[a];
      const double h = spacing[static_cast<Eigen::Index>(a)];
      per_mm2_[a] = static_cast<float>(1.0 / (h * h));
    }
    voxels_per_mm_ = 1.0 / spacing[axis];
  }

  [[nodiscard]] double r2(const std::vector<float>& b) const {
    return correlation_.evaluate(in_voxels(b), false, context_).mean_r2;
  }

  void minimise(std::vector<float>& b) const {
    double current = value(b);
    // What a coarser level found must hold here.
    const std::vector<float> none(b.size(), 0.0F);
    if (const double without = value(none); without <= current) {
      b = none;
      current = without;
    }
    for (int iteration = 0; iteration < params_.max_iterations; ++iteration) {
      const auto at = correlation_.evaluate(in_voxels(b), true, context_);
      const std::vector<float> step = newton_step(b, at);
      std::vector<float> trial(b.size());
      double next = std::numeric_limits<double>::infinity();
      double length = 1.0;
      for (int halving = 0; halving < 6 && !(next < current); ++halving, length *= 0.5) {
        const auto limit = static_cast<float>(params_.max_shift_mm);
        for (std::size_t v = 0; v < b.size(); ++v) {
          trial[v] = std::clamp(b[v] + static_cast<float>(length) * step[v], -limit, limit);
        }
        next = value(trial);
      }
      if (!(next < current)) return;
      const double gain = current - next;
      current = next;
      b = std::move(trial);
      if (gain < kConverged * std::abs(current)) return;
    }
  }

private:
  [[nodiscard]] std::vector<float> in_voxels(const std::vector<float>& b) const {
    std::vector<float> shift = b;
    for (float& x : shift) x *= static_cast<float>(voxels_per_mm_);
    return shift;
  }

  [[nodiscard]] float roughness(std::size_t v, const std::vector<float>& b) const {
    float sum = 0.0F;
    for (std::size_t a = 0; a < 3; ++a) {
      const std::size_t m = v / stride_[a] % length_[a];
      float change = 0.0F;
      if (m > 0) change += b[v] - b[v - stride_[a]];
      if (m + 1 < length_[a]) change += b[v] - b[v + stride_[a]];
      sum += per_mm2_[a] * change;
    }
    return sum;
  }

  // Infinite when the shift nearly folds.
  [[nodiscard]] double value(const std::vector<float>& b) const {
    const double smooth =
        parallel_sum(context_, b.size(), kBlock, 0.0, [&](std::size_t begin, std::size_t end) {
          double sum = 0.0;
          for (std::size_t v = begin; v < end; ++v) {
            const std::size_t m = v / stride_[axis_] % length_[axis_];
            if (m + 1 < length_[axis_]) {
              const double slope =
                  voxels_per_mm_ * static_cast<double>(b[v + stride_[axis_]] - b[v]);
              if (std::abs(slope) > kSteepest) return std::numeric_limits<double>::infinity();
            }
            sum += 0.5 * params_.smoothness * static_cast<double>(b[v] * roughness(v, b));
          }
          return sum;
        });
    if (!std::isfinite(smooth)) return smooth;
    return smooth - r2(b) * static_cast<double>(correlation_.n_domain());
  }

  [[nodiscard]] double dot(const std::vector<float>& a, const std::vector<float>& b) const {
    return parallel_sum(context_, a.size(), kBlock, 0.0, [&](std::size_t begin, std::size_t end) {
      double sum = 0.0;
      for (std::size_t v = begin; v < end; ++v) {
        sum += static_cast<double>(a[v]) * static_cast<double>(b[v]);
      }
      return sum;
    });
  }

  [[nodiscard]] std::vector<float> newton_step(const std::vector<float>& b,
                                               const LineCorrelation::Value& at) const {
    const std::size_t n = b.size();
    const auto scale = static_cast<float>(voxels_per_mm_);
    const auto weight = static_cast<float>(params_.smoothness);
    float constant = 1e-4F;
    for (std::size_t a = 0; a < 3; ++a) {
      if (length_[a] > 1) constant += 2.0F * weight * per_mm2_[a];
    }
    std::vector<float> r(n), x(n, 0.0F), z(n), p, q(n), curvature(n);
    for (std::size_t v = 0; v < n; ++v) {
      r[v] = scale * at.by_shift[v] - weight * roughness(v, b);
      curvature[v] = scale * scale * at.curvature[v];
      z[v] = r[v] / (constant + curvature[v]);
    }
    p = z;
    double rz = dot(r, z);
    const double stop = 1e-3 * rz;
    for (int step = 0; step < kSolverSteps && rz > stop && rz > 0.0; ++step) {
      parallel_blocks(context_, n, kBlock, [&](std::size_t begin, std::size_t end) {
        for (std::size_t v = begin; v < end; ++v) {
          q[v] = curvature[v] * p[v] + weight * roughness(v, p);
        }
      });
      const double pq = dot(p, q);
      if (!(pq > 0.0)) break;
      const auto length = static_cast<float>(rz / pq);
      for (std::size_t v = 0; v < n; ++v) {
        x[v] += length * p[v];
        r[v] -= length * q[v];
        z[v] = r[v] / (constant + curvature[v]);
      }
      const double next = dot(r, z);
      const auto keep = static_cast<float>(next / rz);
      for (std::size_t v = 0; v < n; ++v) p[v] = z[v] + keep * p[v];
      rz = next;
    }
    return x;
  }

  LineCorrelation correlation_;
  std::size_t axis_;
  const Params& params_;
  const Context& context_;
  std::array<std::size_t, 3> length_{}, stride_{};
  std::array<float, 3> per_mm2_{};
  double voxels_per_mm_ = 1.0;
};

Level make_level(const Inputs& inputs, const Volume& bold, const Volume& t1w, double spacing_mm,
                 const Params& params, const Context& context) {
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
  return {LineCorrelation(fixed, moving, domain, inputs.axis, params.window_radius), inputs.axis,
          params, context};
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
  Volume b;
  for (std::size_t n = 0; n < params.level_spacing_mm.size(); ++n) {
    const double spacing = params.level_spacing_mm[n];
    const Grid grid = downsample(bold, spacing, context).grid;
    const Level level = make_level(inputs, bold, t1w, spacing, params, context);
    if (n == 0) {
      b = Volume(grid);
    } else {
      b = resample(b, grid, PointMap{}, Interpolation::linear, context);
    }
    level.minimise(b.data);
    if (n + 1 < params.level_spacing_mm.size()) continue;
    out.r2_before = level.r2(std::vector<float>(b.data.size(), 0.0F));
    out.r2_after = level.r2(b.data);
  }
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
  out.corrected = out.r2_after - out.r2_before >= params.min_gain;
  if (!out.corrected) {
    out.reason = "the agreement with the T1w hardly gains (r2 " +
                 std::to_string(out.r2_before).substr(0, 5) + " to " +
                 std::to_string(out.r2_after).substr(0, 5) + ")";
    std::fill(out.shift_voxels.data.begin(), out.shift_voxels.data.end(), 0.0F);
  }
  return out;
}

std::size_t peak_bytes(const Shape& shape, const Params& /*params*/) {
  return shape.n_t1w_voxels * 2 * sizeof(float) + shape.n_bold_voxels * 28 * sizeof(float);
}

} // namespace boldmill::fieldmap_free
