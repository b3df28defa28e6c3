#include "stages/connectivity/signal_quality.hpp"

#include <cmath>

#include "stages/connectivity/kernels/kept_columns.hpp"
#include "stages/core/parallel.hpp"
#include "stages/core/statistics.hpp"

namespace boldmill::signal_quality {
namespace {

struct Sum {
  Eigen::VectorXd series; // of unit-length columns
  double count = 0.0;
  Sum& operator+=(const Sum& other) {
    if (other.series.size() != 0) series += other.series;
    count += other.count;
    return *this;
  }
};

double mean_over(const float* column, const std::vector<Eigen::Index>& volumes) {
  double sum = 0.0;
  for (const Eigen::Index t : volumes) sum += static_cast<double>(column[t]);
  return sum / static_cast<double>(volumes.size());
}

} // namespace

Outputs run(const Inputs& inputs, const Params& params, const Context& context) {
  const std::vector<Eigen::Index> volumes = connectivity::kept_volumes(
      inputs.keep, inputs.columns.rows(), kStage.name, params.min_volumes);
  const auto n = static_cast<Eigen::Index>(volumes.size());
  Outputs out;
  out.n_volumes = static_cast<int>(n);
  out.tsnr.resize(static_cast<std::size_t>(inputs.columns.cols()));
  const Sum zero{Eigen::VectorXd::Zero(n), 0.0};
  const Sum total =
      parallel_sum(context, out.tsnr.size(), 4096, zero, [&](std::size_t begin, std::size_t end) {
        Sum sum = zero;
        Eigen::MatrixXd x(n, 1);
        Eigen::VectorXd norm;
        for (std::size_t p = begin; p < end; ++p) {
          const auto column = static_cast<Eigen::Index>(p);
          connectivity::centered_columns(inputs.columns, volumes, column, x, norm);
          const double sd = norm(0) / std::sqrt(static_cast<double>(n));
          out.tsnr[p] =
              static_cast<float>(mean_over(inputs.columns.col(column).data(), volumes) / sd);
          if (std::isnan(norm(0))) continue;
          sum.series += x.col(0) / norm(0);
          ++sum.count;
        }
        return sum;
      });
  out.median_tsnr = median({out.tsnr.begin(), out.tsnr.end()});
  if (total.count > 0.0) out.gcor = (total.series / total.count).squaredNorm();
  return out;
}

} // namespace boldmill::signal_quality
