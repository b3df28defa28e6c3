// A person's own shape: a random affine change of size and pose, and a smooth diffeomorphic warp.
#pragma once

#include <memory>

#include "pipeline/simulate/anatomy.hpp"
#include "stages/core/random.hpp"
#include "stages/core/transform.hpp"

namespace boldmill::simulate {

// The person's frame is the scanner frame of the T1w image.
struct Shape {
  Affine person_to_anatomy_affine = Affine::Identity();
  std::shared_ptr<const DisplacementField> warp; // applied after the affine, on anatomy mm
  double min_jacobian = 1.0;                     // of the warp

  [[nodiscard]] PointMap person_to_anatomy() const;
  // Inverse by fixed-point iteration to 1e-4 mm.
  [[nodiscard]] Eigen::Vector3d anatomy_to_person(const Eigen::Vector3d& point_mm) const;
};

struct ShapeParams {
  double size_sd = 0.035; // relative, common; each axis has half of it on its own
  double mean_size = 1.0;
  double pose_mm = 4.0; // SD of the head's place in the scanner
  double pose_rad = 0.05;
  double warp_rms_mm = 2.5; // per axis
  double warp_sigma_mm = 16.0;
};

[[nodiscard]] Shape draw_shape(const Anatomy& anatomy, const ShapeParams& params, Random& random,
                               const Context& context);

} // namespace boldmill::simulate
