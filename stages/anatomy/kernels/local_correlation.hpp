// Squared local correlation of two images on one lattice, and its exact derivatives by every voxel.
#pragma once

#include <array>
#include <vector>

#include "stages/core/stage_info.hpp"

namespace boldmill::anatomy {

struct LocalCorrelation {
  double value = 0.0;     // weighted mean over voxels of max(A, 0)^2 / (B C), 0 to 1
  std::vector<float> d_a; // derivative of the weighted SUM by each voxel of a
  std::vector<float> d_b;
};

// A, B, C: covariance and variances over the cube of half width `radius` (zeros beyond the
// lattice), B and C raised by `noise` squared times the window's voxels. `weight` (empty: 1) weighs
// windows by their centre. Reuses the buffers of `out`.
void local_correlation(const std::vector<float>& a, const std::vector<float>& b,
                       const std::vector<float>& weight, const std::array<int, 3>& shape,
                       int radius, double noise, LocalCorrelation& out, const Context& context);

// Sums over cubes of half width `radius`, zeros beyond the lattice. In place.
void box_sum_in_place(std::vector<float>& data, const std::array<int, 3>& shape, int radius,
                      const Context& context);

} // namespace boldmill::anatomy
