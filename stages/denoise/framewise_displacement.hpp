// Head displacement between neighbouring volumes: the sum of the absolute backward differences of
// the three translations and of the three rotations turned into arc length on a sphere.
//   FD(t) = sum_k |d trans_k(t)| + r sum_k |d rot_k(t)|,  r = head radius
// Input T x 6 (mm, rad), output T (mm) whose first value is NaN. A NaN in either volume gives NaN.
// Source: Power 2012, doi:10.1016/j.neuroimage.2011.10.018; radius and missing first value as in
// fMRIPrep. Cost O(T).
#pragma once

#include <Eigen/Dense>
#include <array>
#include <cstddef>

#include "stages/core/image.hpp"
#include "stages/core/stage_info.hpp"

namespace boldmill::framewise_displacement {

inline constexpr std::array<std::string_view, 1> kReferences{
    "Power 2012, NeuroImage, doi:10.1016/j.neuroimage.2011.10.018"};
inline constexpr StageInfo kStage{.name = "framewise_displacement",
                                  .version = 1,
                                  .summary = "head displacement between neighbouring volumes",
                                  .references = kReferences};

struct Params {
  double head_radius_mm = 50.0;
  bool operator==(const Params&) const = default;
};
template <class P, class F>
void for_each_field(P& params, F&& visit) {
  auto& [head_radius_mm] = params;
  visit("head_radius_mm", head_radius_mm, "mm",
        "radius of the sphere that turns rotations into arc length", Limits::between(1.0, 200.0));
}

struct Inputs {
  Eigen::Map<const Eigen::MatrixXd> motion; // T x 6: trans_x..z in mm, rot_x..z in rad
};
struct Outputs {
  Eigen::VectorXd fd_mm; // T, first is NaN
  double mean_fd_mm = 0; // over the values present; NaN when there is none
};
// Throws input: motion without 6 columns or without rows.
[[nodiscard]] Outputs run(const Inputs& inputs, const Params& params, const Context& context);

// Radius of a sphere with the volume of the mask: XCP-D's head radius "auto". 0 when it is empty.
[[nodiscard]] double brain_radius_mm(const Mask& brain);

struct Shape {
  std::size_t n_volumes = 0;
};
[[nodiscard]] std::size_t peak_bytes(const Shape& shape, const Params& params);

} // namespace boldmill::framewise_displacement
