#include "stages/denoise/dvars.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "stages/core/parallel.hpp"
#include "stages/core/planned_threads.hpp"
#include "stages/denoise/kernels/exact_median.hpp"
#include "stages/denoise/kernels/gather.hpp"

namespace boldmill::dvars {
namespace {

constexpr std::size_t kGrain = 2048; // voxels
constexpr double kQuartilesToSd = 1.349;

struct Sums {
  Eigen::VectorXd squared_change; // T - 1
  Eigen::VectorXd squared_ratio;  // T - 1, change over its predicted SD
  double predicted_sd = 0.0;
  std::size_t n_voxels = 0;
  Sums& operator+=(const Sums& other) {
    squared_change += other.squared_change;
    squared_ratio += other.squared_ratio;
    predicted_sd += other.predicted_sd;
    n_voxels += other.n_voxels;
    return *this;
  }
};

void check(const Inputs& inputs) {
  const Series& bold = *inputs.bold;
  if (!bold.grid.same_as(inputs.mask->grid)) {
    throw Error(ErrorKind::input, "dvars: the mask's grid differs from the series' grid");
  }
  if (bold.n_volumes < 3) {
    throw Error(ErrorKind::input,
                "dvars: found " + std::to_string(bold.n_volumes) + " volumes, expected at least 3");
  }
}

// In-mask voxels without a non-finite value.
std::vector<std::size_t> finite_voxels(const Inputs& inputs) {
  const Series& bold = *inputs.bold;
  std::vector<std::uint8_t> usable = inputs.mask->data;
  for (int t = 0; t < bold.n_volumes; ++t) {
    const float* volume = bold.volume(t);
    for (std::size_t v = 0; v < usable.size(); ++v) {
      if (!std::isfinite(volume[v])) usable[v] = 0;
    }
  }
  std::vector<std::size_t> voxels;
  for (std::size_t v = 0; v < usable.size(); ++v) {
    if (usable[v] != 0) voxels.push_back(v);
  }
  if (voxels.empty()) throw Error(ErrorKind::input, "dvars: no finite voxel inside the mask");
  return voxels;
}

// (Q75 - Q25) / 1.349 with numpy's "lower" percentiles.
double robust_sd(std::vector<float>& values) {
  const auto last = static_cast<double>(values.size() - 1);
  const auto low = values.begin() + static_cast<std::ptrdiff_t>(0.25 * last);
  const auto high = values.begin() + static_cast<std::ptrdiff_t>(0.75 * last);
  std::nth_element(values.begin(), low, values.end());
  const double q25 = *low;
  std::nth_element(low, high, values.end());
  return (static_cast<double>(*high) - q25) / kQuartilesToSd;
}

// Yule-Walker estimate of order 1: autocovariance at lag 1 over lag 0, both with divisor T.
double lag1_autocorrelation(const Eigen::VectorXd& series) {
  const Eigen::VectorXd x = series.array() - series.mean();
  const Eigen::Index n = x.size();
  return x.head(n - 1).dot(x.tail(n - 1)) / x.squaredNorm();
}

void add_voxel(const Eigen::VectorXd& x, double sd, Sums& sums) {
  const Eigen::Index n = x.size();
  const double predicted = std::sqrt(2.0 * (1.0 - lag1_autocorrelation(x))) * sd;
  const Eigen::VectorXd change = (x.tail(n - 1) - x.head(n - 1)).cwiseAbs2();
  sums.squared_change += change;
  sums.squared_ratio += change / (predicted * predicted);
  sums.predicted_sd += predicted;
  ++sums.n_voxels;
}

Sums zero_sums(Eigen::Index n_volumes) {
  return {Eigen::VectorXd::Zero(n_volumes - 1), Eigen::VectorXd::Zero(n_volumes - 1), 0.0, 0};
}

} // namespace

Outputs run(const Inputs& inputs, const Params& params, const Context& context) {
  check(inputs);
  const Series& bold = *inputs.bold;
  const std::vector<std::size_t> voxels = finite_voxels(inputs);
  const Eigen::Index n_volumes = bold.n_volumes;
  const double median =
      exact_median(voxels.size() * static_cast<std::uint64_t>(bold.n_volumes), [&](auto&& take) {
        for (int t = 0; t < bold.n_volumes; ++t) {
          context.check_stop();
          const float* volume = bold.volume(t);
          for (const std::size_t v : voxels) take(volume[v]);
        }
      });
  if (!(median > 0.0)) {
    throw Error(ErrorKind::input, "dvars: the median of the series inside the mask is " +
                                      std::to_string(median) + ", expected a positive value");
  }
  const double scale = params.intensity_norm / median;
  const Sums zero = zero_sums(n_volumes);
  const Sums sums =
      parallel_sum(context, voxels.size(), kGrain, zero, [&](std::size_t begin, std::size_t end) {
        Sums block = zero;
        const Eigen::MatrixXf columns = gather_columns(bold, {&voxels[begin], end - begin});
        std::vector<float> sorted(static_cast<std::size_t>(n_volumes));
        for (Eigen::Index v = 0; v < columns.cols(); ++v) {
          std::copy_n(columns.col(v).data(), n_volumes, sorted.begin());
          const double sd = robust_sd(sorted) * scale;
          if (sd <= params.variance_tolerance) continue;
          add_voxel(columns.col(v).cast<double>() * scale, sd, block);
        }
        return block;
      });
  if (sums.n_voxels == 0) {
    throw Error(ErrorKind::input, "dvars: no voxel inside the mask varies over time");
  }
  Outputs out;
  out.n_voxels_used = sums.n_voxels;
  out.dvars.setConstant(n_volumes, std::numeric_limits<double>::quiet_NaN());
  out.dvars.tail(n_volumes - 1) =
      (sums.squared_change / static_cast<double>(sums.n_voxels)).cwiseSqrt();
  out.std_dvars = out.dvars / (sums.predicted_sd / static_cast<double>(sums.n_voxels));
  out.voxel_std_dvars.setConstant(n_volumes, std::numeric_limits<double>::quiet_NaN());
  out.voxel_std_dvars.tail(n_volumes - 1) =
      (sums.squared_ratio / static_cast<double>(sums.n_voxels)).cwiseSqrt();
  return out;
}

Eigen::VectorXd std_dvars_of(const Eigen::MatrixXf& columns, const Context& context,
                             double variance_tolerance) {
  const Eigen::Index n = columns.rows();
  Eigen::VectorXd out = Eigen::VectorXd::Constant(n, std::numeric_limits<double>::quiet_NaN());
  if (n < 3) return out;
  const Sums sums = parallel_sum(context, static_cast<std::size_t>(columns.cols()), kGrain,
                                 zero_sums(n), [&](std::size_t begin, std::size_t end) {
                                   Sums block = zero_sums(n);
                                   std::vector<float> sorted(static_cast<std::size_t>(n));
                                   for (std::size_t v = begin; v < end; ++v) {
                                     const auto column = columns.col(static_cast<Eigen::Index>(v));
                                     if (!column.allFinite()) continue;
                                     std::copy_n(column.data(), n, sorted.begin());
                                     const double sd = robust_sd(sorted);
                                     if (sd > variance_tolerance)
                                       add_voxel(column.cast<double>(), sd, block);
                                   }
                                   return block;
                                 });
  if (sums.n_voxels == 0) return out;
  const auto count = static_cast<double>(sums.n_voxels);
  out.tail(n - 1) = (sums.squared_change / count).cwiseSqrt() / (sums.predicted_sd / count);
  return out;
}

std::size_t peak_bytes(const Shape& shape, const Params&) {
  const std::size_t blocks = (shape.n_in_mask + kGrain - 1) / kGrain;
  return shape.n_in_mask * 2 * sizeof(std::size_t) + 2 * blocks * shape.n_volumes * sizeof(double) +
         std::min(blocks, kPlannedThreads) * kGrain * shape.n_volumes * sizeof(float);
}

} // namespace boldmill::dvars
