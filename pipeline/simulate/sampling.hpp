// Windowed-sinc interpolation (Lanczos, three lobes): the simulator's kernel, on purpose another
// one than the cubic B-spline of the pipeline. Duchon 1979, doi:10.1175/1520-0450(1979)018.
#pragma once

#include <array>
#include <vector>

#include "stages/core/image.hpp"

namespace boldmill::simulate {

// Value at continuous voxel coordinates; 0 where the 6 x 6 x 6 neighbourhood leaves the lattice.
[[nodiscard]] float sample_lanczos(const float* data, const std::array<int, 3>& shape, double x,
                                   double y, double z);

} // namespace boldmill::simulate
