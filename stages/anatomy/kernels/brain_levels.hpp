// The images of a brain-to-template registration, reduced and put on the levels' working grids.
#pragma once

#include <vector>

#include "stages/anatomy/kernels/diffeomorphic.hpp"
#include "stages/core/image.hpp"
#include "stages/core/stage_info.hpp"
#include "stages/core/transform.hpp"

namespace boldmill::anatomy {

struct BrainPair {
  const Volume& moving;
  const Mask* moving_mask; // null: the whole moving image is used, metric inside the template brain
  const Volume& template_brain;
  const Mask& template_mask;
  const Affine& moving_to_template;
  const Mask* excluded = nullptr; // on the grid of moving: does not count in the metric, nor
  int window_radius = 0;          // places whose windows of this half width (voxels) reach it
};

// One level per spacing, coarse first. Intensities are clamped at the 99.5th percentile inside the
// brain and divided by the SD there; 0 outside the masks. The metric's weight is the template brain
// dilated by `margin_mm`.
[[nodiscard]] std::vector<DiffeomorphicLevel>
brain_levels(const BrainPair& pair, const std::vector<double>& spacing_mm,
             const std::vector<int>& iterations, double margin_mm, const Context& context);

// Voxel displacements of `field` on `grid` (axis-aligned, isotropic) as a map of millimetres.
[[nodiscard]] std::shared_ptr<const DisplacementField> to_millimetres(const VectorField& field,
                                                                      const Grid& grid);

} // namespace boldmill::anatomy
