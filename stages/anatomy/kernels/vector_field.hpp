// Displacement fields on a voxel lattice, in voxels: the working form of a diffeomorphism.
#pragma once

#include <array>
#include <vector>

#include "stages/core/image.hpp"
#include "stages/core/stage_info.hpp"

namespace boldmill::anatomy {

// y(x) = x + u(x); u has three floats per voxel, interleaved, and one float of padding at the end.
struct VectorField {
  std::array<int, 3> shape{0, 0, 0};
  std::vector<float> u;

  VectorField() = default;
  explicit VectorField(const std::array<int, 3>& s);
  [[nodiscard]] std::size_t n_voxels() const { return u.empty() ? 0 : (u.size() - 1) / 3; }
};

// out(x) = image(x + u(x)), trilinear, edge voxels repeated.
void warp(const std::vector<float>& image, const VectorField& field, std::vector<float>& out,
          const Context& context);
// (first, then second): out(x) = first(x) + second(x + first(x)).
void compose(const VectorField& first, const VectorField& second, VectorField& out,
             const Context& context);
// v with x + v(x) + u(x + v(x)) = x, by fixed-point iteration from `start` (or zero).
[[nodiscard]] VectorField invert(const VectorField& field, int iterations, const Context& context,
                                 const VectorField* start = nullptr);
// Gaussian smoothing of all components; sigma in voxels, 0 does nothing. In place.
void smooth_in_place(VectorField& field, double sigma_voxels, const Context& context);
// The same map on another grid over the same space: values in the new grid's voxels.
[[nodiscard]] VectorField on_grid(const VectorField& field, const Grid& from, const Grid& to,
                                  const Context& context);

// Largest length of a displacement, in voxels.
[[nodiscard]] double largest(const VectorField& field);

} // namespace boldmill::anatomy
