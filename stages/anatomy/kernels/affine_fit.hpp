// Levenberg-Marquardt on the linear correlation of two images over a set of sample points.
#pragma once

#include <Eigen/Dense>
#include <vector>

#include "stages/core/image.hpp"
#include "stages/core/stage_info.hpp"
#include "stages/core/transform.hpp"

namespace boldmill::anatomy {

// Points of the fixed image, relative to a centre, and its values there.
struct FixedSamples {
  Eigen::Vector3d center_mm = Eigen::Vector3d::Zero();
  std::vector<float> point_mm; // 3 per sample
  std::vector<float> value;
  bool moving_has_gaps = false; // samples next to a NaN of the moving image do not count
};

inline constexpr int kAffineParameters = 12;
inline constexpr double kReachMm = 80.0; // parameters are displacements at this distance

// Correlation and its derivatives with respect to 12 increments: entry 4 * i + j moves axis i of
// the fixed point by parameter * x_j / kReachMm (j < 3) or by the parameter (j = 3) before the map.
struct CorrelationStep {
  double correlation = -1.0; // -1 when fewer than 10 % of the samples fall inside the image
  double inside = 0.0;       // share of samples inside
  Eigen::Matrix<double, 12, 1> gradient = Eigen::Matrix<double, 12, 1>::Zero();
  Eigen::Matrix<double, 12, 12> curvature = Eigen::Matrix<double, 12, 12>::Zero(); // Gauss-Newton
};

// fixed_to_moving maps millimetres. Trilinear interpolation and its exact derivative.
[[nodiscard]] CorrelationStep correlation_step(const FixedSamples& fixed, const Volume& moving,
                                               const Affine& fixed_to_moving,
                                               const Context& context);
[[nodiscard]] double correlation_only(const FixedSamples& fixed, const Volume& moving,
                                      const Affine& fixed_to_moving, const Context& context,
                                      double* inside = nullptr);

// The correlation, less where under 70 % of the samples are inside: no fit wins by leaving the
// image.
[[nodiscard]] double merit(double correlation, double inside);

enum class Freedom { rigid, similarity, affine }; // 6, 7, 12

struct FitResult {
  Affine fixed_to_moving = Affine::Identity();
  double correlation = -1.0;
  double inside = 0.0;
  int iterations = 0;
  bool converged = false;
};

struct FitControl {
  Freedom freedom = Freedom::affine;
  int iterations = 40;
  double convergence_mm = 0.01;
};

[[nodiscard]] FitResult fit_affine(const FixedSamples& fixed, const Volume& moving,
                                   const Affine& start, const FitControl& control,
                                   const Context& context);

} // namespace boldmill::anatomy
