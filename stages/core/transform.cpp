#include "stages/core/transform.hpp"

#include <algorithm>
#include <cmath>

namespace boldmill {

Eigen::Vector3d DisplacementField::displacement(const Eigen::Vector3d& point_mm) const {
  const Eigen::Vector3d voxel = grid.to_voxel(point_mm);
  std::array<int, 3> base{};
  Eigen::Vector3d weight;
  for (int axis = 0; axis < 3; ++axis) {
    const auto a = static_cast<std::size_t>(axis);
    // Written so that NaN becomes 0: the index stays valid, and the point stays NaN when moved.
    const double x = std::min(std::max(0.0, voxel[axis]), static_cast<double>(grid.shape[a] - 1));
    base[a] = std::min(static_cast<int>(x), std::max(grid.shape[a] - 2, 0));
    weight[axis] = x - base[a];
  }
  Eigen::Vector3d sum = Eigen::Vector3d::Zero();
  for (int corner = 0; corner < 8; ++corner) {
    const int di = corner & 1;
    const int dj = (corner >> 1) & 1;
    const int dk = (corner >> 2) & 1;
    const double w = (di != 0 ? weight[0] : 1.0 - weight[0]) *
                     (dj != 0 ? weight[1] : 1.0 - weight[1]) *
                     (dk != 0 ? weight[2] : 1.0 - weight[2]);
    if (w == 0.0) continue;
    const float* u = mm.data() + 3 * grid.index(base[0] + di, base[1] + dj, base[2] + dk);
    sum += w * Eigen::Vector3d(u[0], u[1], u[2]);
  }
  return sum;
}

Eigen::Vector3d PointMap::operator()(Eigen::Vector3d point_mm) const {
  for (const Step& step : steps) {
    if (const auto* affine = std::get_if<Affine>(&step)) {
      point_mm = affine->topLeftCorner<3, 3>() * point_mm + affine->topRightCorner<3, 1>();
    } else {
      point_mm += std::get<1>(step)->displacement(point_mm);
    }
  }
  return point_mm;
}

PointMap& PointMap::then(Step step) {
  steps.push_back(std::move(step));
  return *this;
}

PointMap& PointMap::then(const PointMap& other) {
  const std::vector<Step> added = other.steps;
  steps.insert(steps.end(), added.begin(), added.end());
  return *this;
}

Affine rigid_matrix(const RigidParameters& parameters, const Eigen::Vector3d& center_mm) {
  const Eigen::Matrix3d rotation =
      (Eigen::AngleAxisd(parameters.rotation_rad[2], Eigen::Vector3d::UnitZ()) *
       Eigen::AngleAxisd(parameters.rotation_rad[1], Eigen::Vector3d::UnitY()) *
       Eigen::AngleAxisd(parameters.rotation_rad[0], Eigen::Vector3d::UnitX()))
          .toRotationMatrix();
  Affine matrix = Affine::Identity();
  matrix.topLeftCorner<3, 3>() = rotation;
  matrix.topRightCorner<3, 1>() = center_mm + parameters.translation_mm - rotation * center_mm;
  return matrix;
}

RigidParameters rigid_parameters(const Affine& matrix, const Eigen::Vector3d& center_mm) {
  const Eigen::Matrix3d r = matrix.topLeftCorner<3, 3>();
  RigidParameters parameters;
  parameters.rotation_rad = {std::atan2(r(2, 1), r(2, 2)),
                             std::asin(std::clamp(-r(2, 0), -1.0, 1.0)),
                             std::atan2(r(1, 0), r(0, 0))};
  parameters.translation_mm = matrix.topRightCorner<3, 1>() + r * center_mm - center_mm;
  return parameters;
}

double rms_displacement_mm(const Affine& a, const Affine& b, const Eigen::Vector3d& center_mm,
                           double radius_mm) {
  const Affine difference = a - b;
  const Eigen::Matrix3d m = difference.topLeftCorner<3, 3>();
  const Eigen::Vector3d t = difference.topRightCorner<3, 1>() + m * center_mm;
  return std::sqrt(t.squaredNorm() + (m.transpose() * m).trace() * radius_mm * radius_mm / 5.0);
}

} // namespace boldmill
