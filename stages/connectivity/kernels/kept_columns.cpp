#include "stages/connectivity/kernels/kept_columns.hpp"

#include <algorithm>
#include <limits>
#include <string>

#include "stages/core/error.hpp"

namespace boldmill::connectivity {

std::vector<Eigen::Index> kept_volumes(std::span<const std::uint8_t> keep, Eigen::Index n_volumes,
                                       std::string_view stage, int min_volumes) {
  const std::string name(stage);
  if (!keep.empty() && static_cast<Eigen::Index>(keep.size()) != n_volumes) {
    throw Error(ErrorKind::input, name + ": keep has " + std::to_string(keep.size()) +
                                      " values, the series " + std::to_string(n_volumes) +
                                      " volumes");
  }
  std::vector<Eigen::Index> out;
  for (Eigen::Index t = 0; t < n_volumes; ++t) {
    if (keep.empty() || keep[static_cast<std::size_t>(t)] != 0) out.push_back(t);
  }
  if (static_cast<int>(out.size()) < std::max(min_volumes, 1)) {
    throw Error(ErrorKind::gate, name + ": " + std::to_string(out.size()) +
                                     " volumes kept, expected at least min_volumes = " +
                                     std::to_string(min_volumes));
  }
  return out;
}

void centered_columns(const Eigen::Map<const Eigen::MatrixXf>& columns,
                      const std::vector<Eigen::Index>& volumes, Eigen::Index begin,
                      Eigen::MatrixXd& out, Eigen::VectorXd& norm) {
  const auto n = static_cast<Eigen::Index>(volumes.size());
  norm.resize(out.cols());
  for (Eigen::Index c = 0; c < out.cols(); ++c) {
    const float* from = columns.col(begin + c).data();
    auto to = out.col(c);
    if (n == columns.rows()) {
      to = columns.col(begin + c).cast<double>();
    } else {
      for (Eigen::Index i = 0; i < n; ++i) {
        to(i) = static_cast<double>(from[volumes[static_cast<std::size_t>(i)]]);
      }
    }
    const double largest = to.cwiseAbs().maxCoeff();
    to.array() -= to.mean();
    norm(c) = to.norm();
    if (!(norm(c) > 1e-10 * largest)) {
      norm(c) = std::numeric_limits<double>::quiet_NaN();
      to.setConstant(norm(c));
    }
  }
}

} // namespace boldmill::connectivity
