// The part of run_quality that looks at images: MRIQC's measures.
#include <algorithm>
#include <cmath>
#include <numbers>
#include <numeric>
#include <string>

#include "stages/core/parallel.hpp"
#include "stages/core/statistics.hpp"
#include "stages/denoise/image_quality.hpp"
#include "stages/denoise/kernels/gather.hpp"
#include "stages/denoise/kernels/ranks.hpp"

namespace boldmill::run_quality {
namespace {

constexpr std::size_t kGrain = 512;
constexpr double kLeastSd = 1e-3; // nipype's TSNR

// x with upper tail probability p of the standard normal, by bisection.
double normal_upper_quantile(double p) {
  double low = 0.0, high = 40.0;
  for (int i = 0; i < 200; ++i) {
    const double middle = 0.5 * (low + high);
    (0.5 * std::erfc(middle / std::numbers::sqrt2) > p ? low : high) = middle;
  }
  return 0.5 * (low + high);
}

float median_in_place(std::vector<float>& values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  if (values.size() % 2 == 1) return *middle;
  return 0.5F * (*middle + *std::max_element(values.begin(), middle));
}

struct VoxelSums {
  Eigen::VectorXd unit;     // sum of voxels scaled to unit length
  Eigen::VectorXd outliers; // voxels that are outliers in a volume
  double n = 0.0;           // voxels that vary
  VoxelSums& operator+=(const VoxelSums& other) {
    unit += other.unit;
    outliers += other.outliers;
    n += other.n;
    return *this;
  }
};

struct VoxelPass {
  const std::vector<std::size_t>& voxels;
  Eigen::Index n_steady;
  double cut; // in median absolute deviations
  std::vector<float>& median;

  void one(const Eigen::MatrixXf& columns, Eigen::Index c, std::size_t voxel, Outputs& out,
           VoxelSums& sums, std::vector<float>& sorted) const {
    const auto column = columns.col(c).tail(n_steady);
    if (!column.allFinite()) return;
    const Eigen::VectorXd x = column.cast<double>();
    const double mean = x.mean();
    const Eigen::VectorXd centred = x.array() - mean;
    const double sd = std::sqrt(centred.squaredNorm() / static_cast<double>(n_steady));
    out.tsnr.data[voxels[voxel]] = static_cast<float>(sd > kLeastSd ? mean / sd : 0.0);
    if (sd > 0.0) {
      sums.unit += centred / centred.norm();
      sums.n += 1.0;
    }
    sorted.assign(column.data(), column.data() + n_steady);
    const float middle = median_in_place(sorted);
    median[voxel] = middle;
    for (Eigen::Index t = 0; t < n_steady; ++t) {
      sorted[static_cast<std::size_t>(t)] = std::abs(column[t] - middle);
    }
    const double limit = cut * static_cast<double>(median_in_place(sorted));
    if (!(limit > 0.0)) return;
    for (Eigen::Index t = 0; t < n_steady; ++t) {
      if (static_cast<double>(std::abs(column[t] - middle)) > limit) sums.outliers[t] += 1.0;
    }
  }
};

// MRIQC's quantile of integers: the middle of two neighbours where p n is whole.
double step_quantile(const std::vector<double>& sorted, double p) {
  const double position = p * static_cast<double>(sorted.size());
  const auto below = static_cast<std::size_t>(std::ceil(position - 1e-9));
  const std::size_t k = below == 0 ? 0 : below - 1;
  const bool whole = std::abs(position - std::round(position)) < 1e-9;
  if (whole && k + 1 < sorted.size()) return 0.5 * (sorted[k] + sorted[k + 1]);
  return sorted[k];
}

Summary summary(const std::vector<double>& values) {
  Summary out;
  out.n = static_cast<double>(values.size());
  if (values.empty()) return out;
  std::vector<double> rounded(values.size());
  std::transform(values.begin(), values.end(), rounded.begin(),
                 [](double v) { return std::nearbyint(v); });
  std::sort(rounded.begin(), rounded.end());
  out.mean = mean(rounded);
  out.median = step_quantile(rounded, 0.5);
  out.p05 = step_quantile(rounded, 0.05);
  out.p95 = step_quantile(rounded, 0.95);
  out.stdv = standard_deviation(rounded) * std::sqrt((out.n - 1.0) / out.n);
  std::vector<double> deviation(values.size());
  std::transform(values.begin(), values.end(), deviation.begin(),
                 [&](double v) { return std::abs(v - out.median); });
  constexpr double kNormalMad = 0.6744897501960817;
  out.mad = median(deviation) / kNormalMad;
  const double centre = mean(values);
  double second = 0.0, fourth = 0.0;
  for (const double v : values) {
    const double d = (v - centre) * (v - centre);
    second += d;
    fourth += d * d;
  }
  out.k = out.n * fourth / (second * second) - 3.0;
  return out;
}

double squared_median(const std::vector<double>& values) {
  std::vector<double> squares(values.size());
  std::transform(values.begin(), values.end(), squares.begin(), [](double v) { return v * v; });
  return median(squares);
}

// Entropy of the energy of all voxels over its largest value (Atkinson 1997).
double entropy_focus(const Volume& image) {
  const auto n = static_cast<double>(image.data.size());
  double energy = 0.0;
  for (const float v : image.data) energy += static_cast<double>(v) * static_cast<double>(v);
  const double scale = std::sqrt(energy);
  double sum = 0.0;
  for (const float v : image.data) {
    const auto value = static_cast<double>(v);
    sum += value / scale * std::log((value + 1e-16) / scale);
  }
  return sum / (std::sqrt(n) * std::log(1.0 / std::sqrt(n)));
}

// Mean of the mask shifted by half the field of view, less the mean of the rest, over the median of
// the brain.
double ghost_ratio(const Volume& image, const Mask& brain, std::size_t axis) {
  const auto& shape = image.grid.shape;
  double ghost = 0.0, rest = 0.0, n_ghost = 0.0, n_rest = 0.0;
  std::vector<double> signal;
  for (std::size_t v = 0; v < image.data.size(); ++v) {
    const auto value = static_cast<double>(image.data[v]);
    if (brain.data[v] != 0) {
      signal.push_back(value);
      continue;
    }
    auto c = image.grid.coordinates(v);
    c[axis] = (c[axis] - shape[axis] / 2 + shape[axis]) % shape[axis];
    const bool shifted = brain.at(c[0], c[1], c[2]) != 0;
    (shifted ? ghost : rest) += value;
    (shifted ? n_ghost : n_rest) += 1.0;
  }
  return (ghost / n_ghost - rest / n_rest) / median(signal);
}

void measure_mean(const Mask& brain, Outputs& out) {
  std::vector<double> inside, outside;
  for (std::size_t v = 0; v < brain.data.size(); ++v) {
    (brain.data[v] != 0 ? inside : outside).push_back(static_cast<double>(out.mean.data[v]));
  }
  ImageQuality& q = out.mriqc;
  q.fg = summary(inside);
  q.bg = summary(outside);
  q.snr = q.fg.median / (q.fg.stdv * std::sqrt(q.fg.n / (q.fg.n - 1.0)));
  const double background = squared_median(outside);
  q.fber = background < 1e-3 ? -1.0 : squared_median(inside) / background;
  q.efc = entropy_focus(out.mean);
  q.gsr_x = ghost_ratio(out.mean, brain, 0);
  q.gsr_y = ghost_ratio(out.mean, brain, 1);
}

double spearman_distance(std::span<const float> values, const std::vector<double>& ranks) {
  const std::vector<double> own = average_ranks(values);
  return 1.0 - pearson(own, ranks);
}

} // namespace

void mean_volume(const Series& bold, int n_dummy, const Context& context, Volume& mean) {
  mean = Volume(bold.grid, 0.0F);
  const double n = bold.n_volumes - n_dummy;
  parallel_blocks(context, mean.data.size(), 8192, [&](std::size_t begin, std::size_t end) {
    std::vector<double> sum(end - begin, 0.0);
    for (int t = n_dummy; t < bold.n_volumes; ++t) {
      const float* volume = bold.volume(t);
      for (std::size_t v = begin; v < end; ++v) {
        const float value = volume[v];
        sum[v - begin] += std::isfinite(value) ? static_cast<double>(value) : 0.0;
      }
    }
    for (std::size_t v = begin; v < end; ++v) {
      mean.data[v] = static_cast<float>(std::max(0.0, sum[v - begin] / n));
    }
  });
}

void measure_images(const Series& bold, const Mask& brain, int n_dummy, const Params& params,
                    const Context& context, Outputs& out) {
  const Eigen::Index n_steady = bold.n_volumes - n_dummy;
  const std::vector<std::size_t> voxels = indices_of(brain);
  mean_volume(bold, n_dummy, context, out.mean);
  out.tsnr = Volume(bold.grid, 0.0F);
  std::vector<float> medians(voxels.size(), 0.0F);
  const double cut = normal_upper_quantile(params.outlier_p / static_cast<double>(n_steady)) *
                     std::sqrt(0.5 * std::numbers::pi);
  const VoxelPass pass{voxels, n_steady, cut, medians};
  const VoxelSums zero{Eigen::VectorXd::Zero(n_steady), Eigen::VectorXd::Zero(n_steady), 0.0};
  const VoxelSums sums =
      parallel_sum(context, voxels.size(), kGrain, zero, [&](std::size_t begin, std::size_t end) {
        VoxelSums block = zero;
        std::vector<float> sorted;
        const Eigen::MatrixXf columns = gather_columns(bold, {&voxels[begin], end - begin});
        for (std::size_t v = begin; v < end; ++v) {
          pass.one(columns, static_cast<Eigen::Index>(v - begin), v, out, block, sorted);
        }
        return block;
      });
  std::vector<double> tsnr;
  for (const std::size_t v : voxels) tsnr.push_back(static_cast<double>(out.tsnr.data[v]));
  out.mriqc.tsnr = median(tsnr);
  out.afni.tsnr_average = mean(tsnr);
  out.mriqc.gcor = (sums.unit / sums.n).squaredNorm();
  out.outlier_fraction.setConstant(bold.n_volumes, kMissing);
  out.outlier_fraction.tail(n_steady) = sums.outliers / static_cast<double>(voxels.size());
  out.mriqc.aor = out.outlier_fraction.tail(n_steady).mean();
  measure_mean(brain, out);
  out.quality_index.setConstant(bold.n_volumes, kMissing);
  if (!params.quality_index) return;
  const std::vector<double> ranks = average_ranks(std::span<const float>(medians));
  parallel_blocks(context, static_cast<std::size_t>(n_steady), 1, [&](std::size_t t, std::size_t) {
    std::vector<float> values(voxels.size());
    const float* volume = bold.volume(static_cast<int>(t) + n_dummy);
    for (std::size_t v = 0; v < voxels.size(); ++v) {
      values[v] = std::isfinite(volume[voxels[v]]) ? volume[voxels[v]] : 0.0F;
    }
    out.quality_index[static_cast<Eigen::Index>(t) + n_dummy] = spearman_distance(values, ranks);
  });
  out.mriqc.aqi = out.quality_index.tail(n_steady).mean();
}

} // namespace boldmill::run_quality
