// Point maps in RAS millimetres. A transform named a_to_b maps coordinates of a into b. To resample
// an image of a on the grid of b one needs b_to_a.
#pragma once

#include <Eigen/Dense>
#include <memory>
#include <span>
#include <variant>
#include <vector>

#include "stages/core/image.hpp"

namespace boldmill {

using Affine = Eigen::Matrix4d;

// y = x + u(x), u sampled on `grid` in mm, three floats per grid point, linear in between. Outside
// the grid u is that of the nearest point of the grid, so the map stays continuous.
struct DisplacementField {
  Grid grid;
  std::vector<float> mm; // 3 * n_voxels, (x, y, z) interleaved

  [[nodiscard]] Eigen::Vector3d displacement(const Eigen::Vector3d& point_mm) const;
};

// Steps applied first to last.
struct PointMap {
  using Step = std::variant<Affine, std::shared_ptr<const DisplacementField>>;
  std::vector<Step> steps;

  [[nodiscard]] Eigen::Vector3d operator()(Eigen::Vector3d point_mm) const;
  PointMap& then(Step step);
  PointMap& then(const PointMap& other);
};

// Rigid and affine parameters. Rotations in radians about `center_mm`, R = Rz * Ry * Rx.
struct RigidParameters {
  Eigen::Vector3d translation_mm = Eigen::Vector3d::Zero();
  Eigen::Vector3d rotation_rad = Eigen::Vector3d::Zero();
};
[[nodiscard]] Affine rigid_matrix(const RigidParameters& parameters,
                                  const Eigen::Vector3d& center_mm);
[[nodiscard]] RigidParameters rigid_parameters(const Affine& matrix,
                                               const Eigen::Vector3d& center_mm);

// Root mean square displacement between two maps over a solid sphere (Jenkinson 1999):
// sqrt(trace(M'M) r^2 / 5 + |t + M c|^2) with M, t the linear part and translation of a - b.
[[nodiscard]] double rms_displacement_mm(const Affine& a, const Affine& b,
                                         const Eigen::Vector3d& center_mm, double radius_mm = 80.0);

} // namespace boldmill
