#include "stages/denoise/carpet.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

#include "stages/denoise/kernels/gather.hpp"

namespace boldmill::carpet {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

// z over the values present, without their linear trend; all NaN when nothing varies.
Eigen::VectorXd standardised(const Eigen::VectorXf& column) {
  const Eigen::VectorXd y = column.cast<double>();
  const auto present = y.array().isFinite().cast<double>().eval();
  const double n = present.sum();
  const Eigen::VectorXd t = Eigen::VectorXd::LinSpaced(y.size(), -1.0, 1.0);
  const Eigen::ArrayXd value = y.array().isFinite().select(y.array(), 0.0);
  const double mean_t = (present * t.array()).sum() / n;
  const Eigen::ArrayXd time = present * (t.array() - mean_t);
  const Eigen::ArrayXd centred = present * (value - value.sum() / n);
  const double spread = time.square().sum();
  const double slope = spread > 0.0 ? (time * centred).sum() / spread : 0.0;
  const Eigen::ArrayXd left = centred - slope * time;
  const double sd = std::sqrt(left.square().sum() / (n - 1.0));
  const double size = std::sqrt(value.square().sum() / n);
  if (!(sd > 1e-6 * size)) return Eigen::VectorXd::Constant(y.size(), kNaN);
  return (present > 0.0).select(left / sd, kNaN);
}

std::int8_t byte_of(double z) {
  if (std::isnan(z)) return kMissing;
  return static_cast<std::int8_t>(std::lround(std::clamp(kBytesPerSd * z, -127.0, 127.0)));
}

Eigen::Index volumes_per_column(Eigen::Index n_volumes, const Params& params) {
  return (n_volumes + params.max_columns - 1) / params.max_columns;
}

} // namespace

std::vector<std::size_t> chosen_rows(std::span<const std::int32_t> tissue, int max_rows) {
  std::vector<std::size_t> order;
  for (std::size_t v = 0; v < tissue.size(); ++v) {
    if (tissue[v] != 0) order.push_back(v);
  }
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return tissue[a] < tissue[b]; });
  const std::size_t rows = std::min(order.size(), static_cast<std::size_t>(max_rows));
  std::vector<std::size_t> out(rows);
  for (std::size_t r = 0; r < rows; ++r) out[r] = order[(2 * r + 1) * order.size() / (2 * rows)];
  return out;
}

Eigen::Matrix<std::int8_t, Eigen::Dynamic, Eigen::Dynamic> bytes_of(const Eigen::MatrixXf& columns,
                                                                    const Params& params) {
  const Eigen::Index n = columns.rows();
  const Eigen::Index step = volumes_per_column(n, params);
  Eigen::Matrix<std::int8_t, Eigen::Dynamic, Eigen::Dynamic> out(columns.cols(),
                                                                 (n + step - 1) / step);
  for (Eigen::Index row = 0; row < columns.cols(); ++row) {
    const Eigen::VectorXd z = standardised(columns.col(row));
    for (Eigen::Index column = 0; column < out.cols(); ++column) {
      const auto some = z.segment(column * step, std::min(step, n - column * step)).array();
      const auto present = some.isFinite();
      const double count = static_cast<double>(present.count());
      out(row, column) = byte_of(count > 0 ? present.select(some, 0.0).sum() / count : kNaN);
    }
  }
  return out;
}

Outputs run(const Inputs& inputs, const Params& params, const Context& context) {
  const Series& bold = *inputs.bold;
  if (!inputs.tissue->grid.same_as(bold.grid)) {
    throw Error(ErrorKind::input, "carpet: the grid of the tissues differs from the series'");
  }
  Outputs out;
  out.row_voxel = chosen_rows(inputs.tissue->data, params.max_rows);
  if (out.row_voxel.empty() || bold.n_volumes == 0) {
    throw Error(ErrorKind::input, "carpet: found " + std::to_string(out.row_voxel.size()) +
                                      " voxels and " + std::to_string(bold.n_volumes) +
                                      " volumes, expected some of both");
  }
  for (const std::size_t v : out.row_voxel) out.row_tissue.push_back(inputs.tissue->data[v]);
  context.check_stop();
  out.z = bytes_of(gather_columns(bold, out.row_voxel), params);
  out.volumes_per_column = static_cast<int>(volumes_per_column(bold.n_volumes, params));
  return out;
}

std::size_t peak_bytes(const Shape& shape, const Params& params) {
  const std::size_t rows = std::min(shape.n_voxels, static_cast<std::size_t>(params.max_rows));
  return shape.n_voxels * 2 * sizeof(std::size_t) + rows * shape.n_volumes * (sizeof(float) + 1) +
         10 * shape.n_volumes * sizeof(double);
}

} // namespace boldmill::carpet
