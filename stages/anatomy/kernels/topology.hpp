// Jacobian determinants of voxel displacement fields, and the repair of near folds.
#pragma once

#include <cstdint>
#include <vector>

#include "stages/anatomy/kernels/vector_field.hpp"

namespace boldmill::anatomy {

// Smallest and largest determinant of each voxel over the eight one-sided difference stencils,
// which bound the trilinear map around it; 1 on the border of the lattice.
struct Jacobians {
  std::vector<float> low;
  std::vector<float> high;
};
[[nodiscard]] Jacobians jacobians(const VectorField& field, const Context& context);

// Blends the field with a smoothed copy of itself around every voxel whose smallest determinant is
// below `least`, until there is none. Returns the number of rounds, 0 when nothing had to be done.
int keep_topology(VectorField& field, double least, const Context& context);

} // namespace boldmill::anatomy
