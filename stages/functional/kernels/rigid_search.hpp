// Rigid maps as six numbers of one unit, for derivative-free search.
#pragma once

#include "stages/core/transform.hpp"
#include "stages/functional/kernels/mutual_information.hpp"
#include "stages/functional/kernels/powell.hpp"

namespace boldmill {

using Vector6 = Eigen::Matrix<double, 6, 1>;

inline constexpr double kArmMm = 60.0; // a rotation parameter of 1 moves a point this far by 1 mm

// Translations in mm, rotations in mm at kArmMm, about `center`.
[[nodiscard]] inline Affine rigid_move(const Vector6& x, const Eigen::Vector3d& center) {
  return rigid_matrix({x.head<3>(), x.tail<3>() / kArmMm}, center);
}

// Of a rotation, or a reflection, and a translation.
[[nodiscard]] inline Affine rigid_inverse(const Affine& matrix) {
  Affine inverse = Affine::Identity();
  inverse.topLeftCorner<3, 3>() = matrix.topLeftCorner<3, 3>().transpose();
  inverse.topRightCorner<3, 1>() = -inverse.topLeftCorner<3, 3>() * matrix.topRightCorner<3, 1>();
  return inverse;
}

struct RigidFit {
  Affine map;
  double similarity = 0.0;
};

// The best start * move.
[[nodiscard]] inline RigidFit fit_rigid(const MutualInformation& similarity, const Affine& start,
                                        const Eigen::Vector3d& center,
                                        const PowellOptions& options) {
  const auto result =
      powell<6>([&](const Vector6& x) { return -similarity(start * rigid_move(x, center)); },
                Vector6::Zero(), options);
  return {start * rigid_move(result.x, center), -result.value};
}

} // namespace boldmill
