#include "stages/denoise/framewise_displacement.hpp"

#include <cmath>
#include <limits>
#include <numbers>
#include <string>

#include "stages/core/statistics.hpp"

namespace boldmill::framewise_displacement {

Outputs run(const Inputs& inputs, const Params& params, const Context& context) {
  context.check_stop();
  const auto& motion = inputs.motion;
  if (motion.cols() != 6 || motion.rows() == 0) {
    throw Error(ErrorKind::input, "motion: found " + std::to_string(motion.rows()) + " x " +
                                      std::to_string(motion.cols()) + " values, expected T x 6");
  }
  Outputs out;
  out.fd_mm.resize(motion.rows());
  out.fd_mm[0] = std::numeric_limits<double>::quiet_NaN();
  for (Eigen::Index t = 1; t < motion.rows(); ++t) {
    const auto step = (motion.row(t) - motion.row(t - 1)).cwiseAbs();
    out.fd_mm[t] = step.leftCols<3>().sum() + params.head_radius_mm * step.rightCols<3>().sum();
  }
  out.mean_fd_mm = mean({out.fd_mm.data(), static_cast<std::size_t>(out.fd_mm.size())});
  return out;
}

double brain_radius_mm(const Mask& brain) {
  const double volume = static_cast<double>(count(brain)) * brain.grid.voxel_volume_mm3();
  return std::cbrt(3.0 * volume / (4.0 * std::numbers::pi));
}

std::size_t peak_bytes(const Shape& shape, const Params&) {
  return shape.n_volumes * sizeof(double);
}

} // namespace boldmill::framewise_displacement
