#include "stages/connectivity/kernels/selected_series.hpp"

#include <cmath>
#include <limits>
#include <string>

#include "stages/core/error.hpp"

namespace boldmill::connectivity {
namespace {

// A constant column keeps rounding noise of its mean; what is below that is constant.
constexpr double kConstant = 1e-10;

bool usable(const Eigen::Ref<const Eigen::VectorXd>& column) {
  if (!column.allFinite()) return false;
  const double spread = (column.array() - column.mean()).matrix().norm();
  return spread > kConstant * column.cwiseAbs().maxCoeff();
}

} // namespace

SelectedSeries select_series(const Eigen::Map<const Eigen::MatrixXf>& series,
                             std::span<const std::uint8_t> keep, std::string_view stage,
                             int min_volumes) {
  const std::string name(stage);
  if (!keep.empty() && static_cast<Eigen::Index>(keep.size()) != series.rows()) {
    throw Error(ErrorKind::input, name + ": keep has " + std::to_string(keep.size()) +
                                      " values, the series " + std::to_string(series.rows()) +
                                      " volumes");
  }
  if (series.cols() < 2) {
    throw Error(ErrorKind::input, name + ": found " + std::to_string(series.cols()) +
                                      " regions, expected at least 2");
  }
  SelectedSeries out;
  for (Eigen::Index t = 0; t < series.rows(); ++t) {
    if (!keep.empty() && keep[static_cast<std::size_t>(t)] == 0) continue;
    if (!series.row(t).array().isNaN().all()) out.volumes.push_back(t);
  }
  if (static_cast<int>(out.volumes.size()) < std::max(min_volumes, 2)) {
    throw Error(ErrorKind::gate, name + ": " + std::to_string(out.volumes.size()) +
                                     " volumes kept, expected at least min_volumes = " +
                                     std::to_string(min_volumes));
  }
  const auto n = static_cast<Eigen::Index>(out.volumes.size());
  out.x.resize(n, series.cols());
  Eigen::Index used = 0;
  for (Eigen::Index r = 0; r < series.cols(); ++r) {
    for (Eigen::Index row = 0; row < n; ++row) {
      out.x(row, used) = series(out.volumes[static_cast<std::size_t>(row)], r);
    }
    if (!usable(out.x.col(used))) continue;
    out.regions.push_back(r);
    ++used;
  }
  out.x.conservativeResize(Eigen::NoChange, used);
  return out;
}

void center_columns(Eigen::MatrixXd& x) {
  for (Eigen::Index c = 0; c < x.cols(); ++c) x.col(c).array() -= x.col(c).mean();
}

void normalize_columns(Eigen::MatrixXd& x) {
  for (Eigen::Index c = 0; c < x.cols(); ++c) {
    x.col(c).array() -= x.col(c).mean();
    x.col(c) /= x.col(c).norm();
  }
}

void standardize_columns(Eigen::MatrixXd& x) {
  normalize_columns(x);
  x *= std::sqrt(static_cast<double>(x.rows() - 1));
}

Eigen::MatrixXd scatter_regions(const Eigen::MatrixXd& small,
                                const std::vector<Eigen::Index>& regions, Eigen::Index n) {
  Eigen::MatrixXd out = Eigen::MatrixXd::Constant(n, n, std::numeric_limits<double>::quiet_NaN());
  for (Eigen::Index b = 0; b < small.cols(); ++b) {
    for (Eigen::Index a = 0; a < small.rows(); ++a) {
      out(regions[static_cast<std::size_t>(a)], regions[static_cast<std::size_t>(b)]) = small(a, b);
    }
  }
  return out;
}

} // namespace boldmill::connectivity
