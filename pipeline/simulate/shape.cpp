#include "pipeline/simulate/shape.hpp"

#include <cmath>

#include "stages/core/smooth.hpp"

namespace boldmill::simulate {
namespace {

constexpr double kWarpSpacing_mm = 6.0;

// Smallest determinant of I + grad u over the lattice (central differences).
double smallest_jacobian(const DisplacementField& field) {
  const Grid& g = field.grid;
  const double step = 2.0 * g.spacing_mm()[0];
  double smallest = 1e9;
  for (int k = 1; k + 1 < g.shape[2]; ++k) {
    for (int j = 1; j + 1 < g.shape[1]; ++j) {
      for (int i = 1; i + 1 < g.shape[0]; ++i) {
        Eigen::Matrix3d jac = Eigen::Matrix3d::Identity();
        const std::array<std::size_t, 3> up{g.index(i + 1, j, k), g.index(i, j + 1, k),
                                            g.index(i, j, k + 1)};
        const std::array<std::size_t, 3> down{g.index(i - 1, j, k), g.index(i, j - 1, k),
                                              g.index(i, j, k - 1)};
        for (std::size_t a = 0; a < 3; ++a) {
          for (std::size_t c = 0; c < 3; ++c) {
            jac(static_cast<int>(c), static_cast<int>(a)) +=
                static_cast<double>(field.mm[3 * up[a] + c] - field.mm[3 * down[a] + c]) / step;
          }
        }
        smallest = std::min(smallest, jac.determinant());
      }
    }
  }
  return smallest;
}

std::shared_ptr<DisplacementField> draw_warp(const Grid& over, const ShapeParams& params,
                                             Random& random, const Context& context) {
  auto field = std::make_shared<DisplacementField>();
  field->grid = regular_grid_over(over, kWarpSpacing_mm);
  field->mm.resize(3 * field->grid.n_voxels());
  for (float& u : field->mm) u = static_cast<float>(random.normal());
  gaussian_smooth_in_place(field->mm, field->grid.shape,
                           Eigen::Vector3d::Constant(params.warp_sigma_mm / kWarpSpacing_mm),
                           context, 3);
  double power = 0.0;
  for (const float u : field->mm) power += static_cast<double>(u) * u;
  const double rms = std::sqrt(power / static_cast<double>(field->mm.size()));
  const double scale = rms > 0.0 ? params.warp_rms_mm / rms : 0.0;
  for (float& u : field->mm) u = static_cast<float>(u * scale);
  return field;
}

} // namespace

PointMap Shape::person_to_anatomy() const {
  PointMap map;
  map.then(person_to_anatomy_affine);
  if (warp) map.then(std::shared_ptr<const DisplacementField>(warp));
  return map;
}

Eigen::Vector3d Shape::anatomy_to_person(const Eigen::Vector3d& point_mm) const {
  Eigen::Vector3d before = point_mm;
  for (int iteration = 0; warp && iteration < 100; ++iteration) {
    const Eigen::Vector3d next = point_mm - warp->displacement(before);
    const double change = (next - before).norm();
    before = next;
    if (change < 1e-4) break;
  }
  const Affine inverse = person_to_anatomy_affine.inverse();
  return inverse.topLeftCorner<3, 3>() * before + inverse.topRightCorner<3, 1>();
}

Shape draw_shape(const Anatomy& anatomy, const ShapeParams& params, Random& random,
                 const Context& context) {
  Shape shape;
  const double size = params.mean_size * (1.0 + params.size_sd * random.normal());
  Affine anatomy_to_person = Affine::Identity();
  for (int axis = 0; axis < 3; ++axis) {
    anatomy_to_person(axis, axis) = size * (1.0 + 0.5 * params.size_sd * random.normal());
  }
  RigidParameters pose;
  for (int axis = 0; axis < 3; ++axis) {
    pose.translation_mm[axis] = params.pose_mm * random.normal();
    pose.rotation_rad[axis] = params.pose_rad * random.normal();
  }
  anatomy_to_person = rigid_matrix(pose, Eigen::Vector3d(0, -18, 10)) * anatomy_to_person;
  shape.person_to_anatomy_affine = anatomy_to_person.inverse();
  if (params.warp_rms_mm <= 0.0) return shape;
  auto warp = draw_warp(anatomy.grid, params, random, context);
  shape.min_jacobian = smallest_jacobian(*warp);
  // A fold would break the anatomy: take the warp back until the smallest determinant is safe.
  while (shape.min_jacobian < 0.3) {
    for (float& u : warp->mm) u *= 0.85F;
    shape.min_jacobian = smallest_jacobian(*warp);
  }
  shape.warp = warp;
  return shape;
}

} // namespace boldmill::simulate
