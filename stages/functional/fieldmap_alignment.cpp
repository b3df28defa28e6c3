#include "stages/functional/fieldmap_alignment.hpp"

#include <cmath>

#include "stages/core/error.hpp"
#include "stages/core/interpolate.hpp"
#include "stages/core/morphology.hpp"
#include "stages/core/smooth.hpp"
#include "stages/functional/kernels/rigid_search.hpp"
#include "stages/functional/kernels/shift_map.hpp"

namespace boldmill::fieldmap_alignment {
namespace {

constexpr double kHeadRadius_mm = 80.0;
constexpr double kCoarse_mm = 6.0;
constexpr std::size_t kPoints = 30000;
constexpr double kShell_mm = 6.0;

Volume positive(const Volume& volume) {
  Volume out = volume;
  for (float& value : out.data) value = std::isfinite(value) && value > 0.0F ? value : 0.0F;
  return out;
}

MutualInformation similarity_at(const Volume& bold, const Mask& near, const Volume& moving,
                                double spacing_mm, const Context& context) {
  if (spacing_mm <= 0.0) return MutualInformation(bold, near, moving, kPoints);
  const Volume small = downsample(bold, spacing_mm, context);
  return MutualInformation(small, resample_mask(near, small.grid, PointMap{}, context),
                           downsample(moving, spacing_mm, context), kPoints);
}

} // namespace

Outputs run(const Inputs& inputs, const Params& params, const Context& context) {
  if (inputs.boldref == nullptr || inputs.bold_mask == nullptr || inputs.field_hz == nullptr ||
      inputs.reference == nullptr) {
    throw Error(ErrorKind::internal, "fieldmap_alignment: an image is missing");
  }
  if (!inputs.bold_mask->grid.same_as(inputs.boldref->grid)) {
    throw Error(ErrorKind::input, "fieldmap_alignment: the mask is not on the grid of the BOLD");
  }
  const Grid& grid = inputs.boldref->grid;
  const Volume bold = positive(*inputs.boldref);
  const Volume reference = positive(*inputs.reference);
  const Mask near = dilate(*inputs.bold_mask, kShell_mm, context);
  const Eigen::Vector3d center = center_of_mass_mm(bold);
  Outputs out;
  for (int round = 0; round < params.rounds; ++round) {
    // What the BOLD would show if its head lay where we think it lies.
    const auto shift =
        distortion::from_field(*inputs.field_hz, grid, inputs.encoding, out.bold_to_field, context);
    const Volume here =
        resample(reference, grid, PointMap{{out.bold_to_field}}, Interpolation::linear, context);
    const Volume shown = positive(distortion::warp(here, shift, context));
    RigidFit fit{Affine::Identity(), 0.0};
    if (round == 0) {
      const auto coarse = similarity_at(bold, near, shown, kCoarse_mm, context);
      PowellOptions wide;
      wide.first_step = 4.0;
      wide.tolerance = 0.1;
      fit = fit_rigid(coarse, Affine::Identity(), center, wide);
    }
    const auto fine = similarity_at(bold, near, shown, 0.0, context);
    if (round == 0) out.similarity_before = fine(Affine::Identity());
    PowellOptions close;
    close.first_step = 0.5;
    close.tolerance = 0.02;
    fit = fit_rigid(fine, fit.map, center, close);
    out.similarity = fit.similarity;
    out.bold_to_field = out.bold_to_field * fit.map;
  }
  out.movement_mm =
      rms_displacement_mm(out.bold_to_field, Affine::Identity(), center, kHeadRadius_mm);
  out.doubtful = out.movement_mm > params.max_movement_mm;
  return out;
}

std::size_t peak_bytes(const Shape& shape, const Params& /*params*/) {
  return shape.n_bold_voxels * 8 * sizeof(float) + shape.n_field_voxels * 2 * sizeof(float);
}

} // namespace boldmill::fieldmap_alignment
