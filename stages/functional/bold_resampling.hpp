// All spatial transforms in one interpolation. Volume t at target voxel y:
//   out_t(y) = V_t( A_t( m(y) ) + s(y) e ) j(y)
// with m: target mm -> reference mm (static), A_t: ref_to_volume, s: distortion in voxels along the
// phase-encoding axis e of the scanner, j: factor of the intensity,
// by cubic B-spline with prefilter (Unser 1999, doi:10.1109/79.799930), mirror borders, only for
// the voxels asked for. Shapes: bold V x T -> T x P. Missing data: a voxel more than half a voxel
// outside the field of view of volume t is NaN in that volume; non-finite input voxels count as 0.
// Cost: a prefilter a volume and 64 taps a voxel and volume.
#pragma once

#include <Eigen/Dense>
#include <functional>
#include <span>
#include <vector>

#include "stages/core/stage_info.hpp"
#include "stages/core/transform.hpp"
#include "stages/functional/kernels/volume_source.hpp"

namespace boldmill::bold_resampling {

inline constexpr std::string_view kReferences[] = {
    "Unser 1999, IEEE Signal Process. Mag. 16(6):22, doi:10.1109/79.799930"};
inline constexpr StageInfo kStage{.name = "bold_resampling",
                                  .version = 1,
                                  .summary = "every transform of a BOLD run in one interpolation",
                                  .references = kReferences};

struct Params {
  bool operator==(const Params&) const = default;
};
template <class P, class F>
void for_each_field(P&, F&&) {}

struct Inputs {
  VolumeSource bold;
  Grid target;
  std::span<const std::size_t> voxels;   // P indices into target, any order
  PointMap target_to_ref;                // RAS mm of target -> RAS mm of the BOLD reference
  std::span<const Affine> ref_to_volume; // T; empty means no motion
  // Distortion of the voxels asked for, P each; empty means none.
  std::span<const float> shift_voxels{}; // undistorted -> distorted, along shift_axis
  std::span<const float> factor{};
  int shift_axis = 1;
};
struct Outputs {
  Eigen::MatrixXf series;    // T x P, time contiguous per voxel
  Eigen::VectorXf coverage;  // P, share of the volumes in which the voxel was inside
  std::size_t n_covered = 0; // voxels inside in every volume
};

struct Shape {
  std::size_t n_source_voxels = 0;
  std::size_t n_volumes = 0;
  std::size_t n_target_voxels = 0; // P
  std::size_t n_threads = 1;
};

[[nodiscard]] Outputs run(const Inputs& inputs, const Params& params, const Context& context);
// Without the T x P matrix.
[[nodiscard]] std::size_t working_bytes(const Shape& shape, const Params& params);
[[nodiscard]] std::size_t peak_bytes(const Shape& shape, const Params& params);

// Volume by volume in time order: `consume(t, values)` gets P floats in the order of `voxels`.
// Never holds more than a block of volumes. Used to write 4-D images and to fold a run into
// parcels.
using Consume = std::function<void(int t, std::span<const float> values)>;
void for_each_volume(const Inputs& inputs, const Context& context, const Consume& consume);

// The whole target grid as a 4-D image; voxels not asked for, and outside, are `outside`.
[[nodiscard]] Series to_series(const Inputs& inputs, const Context& context, float outside = 0.0F);

} // namespace boldmill::bold_resampling
