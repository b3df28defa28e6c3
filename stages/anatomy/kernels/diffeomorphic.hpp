// Symmetric diffeomorphic registration of two images that share a working grid.
#pragma once

#include <vector>

#include "stages/anatomy/kernels/vector_field.hpp"
#include "stages/core/image.hpp"
#include "stages/core/stage_info.hpp"

namespace boldmill::anatomy {

struct DiffeomorphicLevel {
  Volume fixed;                     // on the level's grid
  Volume moving;                    // same grid
  std::vector<float> weight;        // of fixed voxels in the metric; empty: all 1
  std::vector<float> moving_weight; // of moving voxels; empty: all 1. The product counts.
  int iterations = 0;
};

struct DiffeomorphicSettings {
  int window_radius = 4;
  double noise = 0.05; // intensity SD, in the images' units, that counts as flat
  double update_sigma_voxels = 1.75;
  double total_sigma_voxels = 0.5;
  double step_voxels = 0.25;
  double convergence = 1e-4;
};

struct DiffeomorphicResult {
  Grid grid; // of the finest level
  VectorField middle_to_fixed;
  VectorField middle_to_moving;
  double value = 0.0; // mean squared local correlation at the end
  std::vector<int> iterations;
  bool converged = false;
};

// Levels coarse first. Both images move to a common middle; each iteration composes both maps with
// a smoothed, bounded step up the exact gradient, so that no map folds.
[[nodiscard]] DiffeomorphicResult register_symmetric(const std::vector<DiffeomorphicLevel>& levels,
                                                     const DiffeomorphicSettings& settings,
                                                     const Context& context);

struct BothWays {
  VectorField fixed_to_moving;
  VectorField moving_to_fixed;
};
[[nodiscard]] BothWays both_ways(const DiffeomorphicResult& result, const Context& context);

} // namespace boldmill::anatomy
