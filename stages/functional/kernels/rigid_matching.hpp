// Rigid alignment of volumes to one reference, with everything that depends on the reference alone
// computed once (inverse-compositional Gauss-Newton, Baker & Matthews 2004,
// doi:10.1023/B:VISI.0000011205.11775.fd).
//
// At a pose A (reference mm -> volume mm) the volume is explained by the reference:
//   V(A x_i) = (alpha + q(x_i)) R(x_i) + beta + J_i gamma + noise,  J_i = [g_i', ((x_i - c) x
//   g_i)']
// with g the gradient of R and q a quadratic polynomial without constant. Gain, offset and step are
// solved together, so neither a global change of signal nor the receive field of the coil, through
// which the head moves, pulls the pose; delta = gamma / alpha moves it: A <- A W(delta)^-1. The
// normal matrix is fixed; points that fall outside the volume are subtracted from it.
#pragma once

#include <Eigen/Dense>
#include <vector>

#include "stages/core/image.hpp"
#include "stages/core/transform.hpp"
#include "stages/functional/kernels/bspline_coefficients.hpp"

namespace boldmill {

struct RigidMatchOptions {
  double fine_fwhm_mm = 4.0;
  double coarse_fwhm_mm = 10.0;
  int n_points = 20000;
  int max_iterations = 30;
  double tolerance_mm = 0.0005; // RMS of a step over an 80 mm sphere
};

struct RigidMatch {
  Affine ref_to_volume = Affine::Identity();
  double correlation = 0.0;   // of matched points, 0 when there is nothing to correlate
  double first_step_mm = 0.0; // RMS over an 80 mm sphere
  double inside = 0.0;        // share of the points inside the volume at the end
  int iterations = 0;
  bool converged = false;
};

class RigidReference {
public:
  // Throws input when the reference has no contrast or too few voxels with gradient (< 50).
  RigidReference(const Volume& reference, const RigidMatchOptions& options);

  // Buffers of one thread.
  struct Scratch {
    BsplineCoefficients coefficients;
    std::vector<float> raw;
  };

  // Fine level from `start`; when that does not settle well, or `coarse_first`, coarse levels
  // first.
  [[nodiscard]] RigidMatch match(const float* volume, const Affine& start, bool coarse_first,
                                 Scratch& scratch) const;

  [[nodiscard]] const Eigen::Vector3d& center_mm() const { return center_mm_; }
  [[nodiscard]] std::size_t n_points() const { return levels_.front().x.size(); }

private:
  static constexpr int kUnknowns = 17; // alpha, beta, six of the step, nine of q
  using Row = Eigen::Matrix<double, kUnknowns, 1>;
  using Normal = Eigen::Matrix<double, kUnknowns, kUnknowns>;

  struct Level {
    Eigen::Vector3d sigma_voxels;
    std::vector<float> x, y, z;                             // voxel coordinates of the points
    Eigen::Matrix<float, kUnknowns, Eigen::Dynamic> design; // columns: one point each
    Normal normal;
  };

  [[nodiscard]] Level make_level(const Volume& reference, double fwhm_mm, int n_points) const;
  [[nodiscard]] RigidMatch run_level(const Level& level, const Affine& start,
                                     const BsplineCoefficients& volume, double tolerance_mm) const;

  Grid grid_;
  RigidMatchOptions options_;
  Eigen::Vector3d center_mm_;
  std::vector<Level> levels_; // fine, coarse
};

} // namespace boldmill
